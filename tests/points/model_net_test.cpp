#include "conopa/points/model_net.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "tests/io/temp_dir.h"

namespace conopa::points {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two shapes of two classes in the form of ModelNet40, with normals.
class ModelNetTest : public ::testing::Test {
 protected:
  ModelNetTest() {
    testing::write_plain(dir_ / "modelnet40_shape_names.txt", "air_plane\nbowl\n");
    testing::write_plain(dir_ / "modelnet40_train.txt", "bowl_0001\nair_plane_0002\n");
    for (const char* name : {"air_plane", "bowl"}) std::filesystem::create_directory(dir_ / name);
    testing::write_plain(bowl(), "0,0,0,1,0,0\n4,0,0,1,0,0\r\n2,1,0,1,0,0\n2, -1 ,0,1,0,0\n");
    testing::write_plain(dir_ / "air_plane/air_plane_0002.txt", "1 1 1\n1 1 3\n1 1 2\n");
  }
  [[nodiscard]] std::filesystem::path bowl() const { return dir_ / "bowl/bowl_0001.txt"; }
  [[nodiscard]] CloudSet open(std::int64_t points = 3) const {
    return open_model_net(dir_.path(), "train", {.points = points});
  }
  template <typename Exception>
  std::string refusal(std::int64_t points = 3) const {
    return testing::message_of<Exception>([&] { return open(points); });
  }

  testing::TempDir dir_;
};

TEST_F(ModelNetTest, ReadsCoordinatesOfTheListedShapesIntoTheUnitBall) {
  const CloudSet set = open();
  EXPECT_THAT(set.labels, ElementsAre(1, 0));
  EXPECT_THAT(set.class_names, ElementsAre("air_plane", "bowl"));
  EXPECT_EQ(set.points.shape(), (Shape{2, 3, 3}));
  EXPECT_THAT(std::vector<float>(set.cloud(1).begin(), set.cloud(1).end()),
              ElementsAre(0, 0, -1, 0, 0, 1, 0, 0, 0));
}

TEST_F(ModelNetTest, TheCacheGivesTheSameAndFollowsItsFiles) {
  const CloudSet first = open();
  EXPECT_THAT(dir_.names(), Contains("modelnet40_train_3pts_fps.safetensors"));
  // Another content of the same size is not noticed, so the numbers must come from the cache.
  testing::write_plain(bowl(), "0,0,0,1,0,0\n4,0,0,1,0,0\r\n2,9,0,1,0,0\n2, -1 ,0,1,0,0\n");
  EXPECT_EQ(open().points.to_f32(), first.points.to_f32());
  testing::write_plain(bowl(), "0,0,0\n8,0,0\n8,8,0\n");
  EXPECT_NE(open().points.to_f32(), first.points.to_f32());
}

TEST_F(ModelNetTest, ADamagedCacheIsMadeAgain) {
  const CloudSet first = open();
  testing::write_plain(dir_ / "modelnet40_train_3pts_fps.safetensors", "damaged");
  EXPECT_EQ(open().points.to_f32(), first.points.to_f32());
}

TEST_F(ModelNetTest, RefusesBadListsAndShapes) {
  EXPECT_THAT(refusal<ShapeError>(4), HasSubstr("at least 4 points, found 3"));
  testing::write_plain(bowl(), "0,0,0\n1,2\n");
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("bowl_0001.txt] expected x, y, z separated by "
                                                "commas on line 2"));
  testing::write_plain(bowl(), "0,0,0\n1,nan,2\n1,1,1\n");
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("found nan at point 1 of cloud 0"));
  std::filesystem::remove(bowl());
  EXPECT_THAT(refusal<IoError>(), HasSubstr("every shape of the list needs its file"));
  testing::write_plain(dir_ / "modelnet40_train.txt", "bowel_0001\n");
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("found 'bowel_0001'; did you mean 'bowl'?"));
  std::filesystem::remove(dir_ / "modelnet40_shape_names.txt");
  EXPECT_THAT(refusal<IoError>(), HasSubstr("modelnet40_shape_names.txt] the file is missing"));
}

}  // namespace
}  // namespace conopa::points
