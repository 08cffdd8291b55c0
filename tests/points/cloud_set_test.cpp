#include "conopa/points/cloud_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "conopa/core/error.h"
#include "conopa/points/sampling.h"
#include "tests/io/temp_dir.h"

namespace conopa::points {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CloudSet two_clouds() {
  CloudSet set{.name = "two",
               .points = HostTensor::zeros(DType::kF32, {2, 4, 3}),
               .labels = {0, 1},
               .class_names = {"a", "b"}};
  const std::span values = set.points.mutable_data<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * i % 17);
  return set;
}

TEST(CloudSetTest, NamesFileCloudAndPointOfANumberThatIsNone) {
  CloudSet set = two_clouds();
  set.points.mutable_data<float>()[12 + 7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(testing::message_of<FormatError>([&] { set.check(); }),
              HasSubstr("[two] expected finite coordinates, found nan at point 2 of cloud 1; "
                        "remove or repair the cloud"));
}

TEST(CloudSetTest, RefusesLabelsWithoutANameAndMissingLabels) {
  CloudSet set = two_clouds();
  set.labels[1] = 2;
  EXPECT_THAT(testing::message_of<FormatError>([&] { set.check(); }),
              HasSubstr("labels from 0 to 1, found 2 at cloud 1"));
  set.labels.pop_back();
  EXPECT_THAT(testing::message_of<ShapeError>([&] { set.check(); }),
              HasSubstr("2 clouds and 1 labels"));
}

TEST(FurthestSubsetTest, HoldsTheChosenPointsInOrder) {
  const CloudSet set = two_clouds();
  const CloudSet subset = furthest_subset(set, 3);
  EXPECT_EQ(subset.points.shape(), (Shape{2, 3, 3}));
  EXPECT_EQ(subset.labels, set.labels);
  for (const std::int64_t i : {0, 1}) {
    const std::vector<float> expected = take_points(set.cloud(i), furthest_points(set.cloud(i), 3));
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), subset.cloud(i).begin()));
  }
  EXPECT_THAT(testing::message_of<ShapeError>([&] { return furthest_subset(set, 5); }),
              HasSubstr("[two] expected clouds of at least 5 points, found 4"));
}

TEST(ClassNamesTest, ComeFromTheFirstFileThatExistsElseAreNumbers) {
  const testing::TempDir dir;
  const std::array files{dir / "none.txt", dir / "names.txt"};
  EXPECT_THAT(read_class_names(files, 3), ElementsAre("0", "1", "2"));
  testing::write_plain(dir / "names.txt", "chair \r\n\n sofa\n");
  EXPECT_THAT(read_class_names(files, 3), ElementsAre("chair", "sofa"));
  testing::write_plain(dir / "names.txt", "chair\nchair\n");
  EXPECT_THAT(testing::message_of<FormatError>([&] { return read_class_names(files, 3); }),
              HasSubstr("'chair' twice"));
}

}  // namespace
}  // namespace conopa::points
