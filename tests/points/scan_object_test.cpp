#include "conopa/points/scan_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "conopa/core/error.h"
#include "points/hdf5.h"
#include "tests/io/temp_dir.h"

namespace conopa::points {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ScanObjectTest, FilesAreNamedByFolderSplitAndVariant) {
  EXPECT_EQ(scan_object_file("d", "train"), "d/training_objectdataset.h5");
  EXPECT_EQ(scan_object_file("d", "test", "augmentedrot_scale75"),
            "d/test_objectdataset_augmentedrot_scale75.h5");
  EXPECT_THROW((void)scan_object_file("d", "val"), ConfigError);
}

#ifdef CONOPA_WITH_HDF5

class ScanObjectFileTest : public ::testing::Test {
 protected:
  ScanObjectFileTest() : file_(dir_ / "training_objectdataset.h5") {}

  static HostTensor points(Shape shape) { return HostTensor::zeros(DType::kF32, std::move(shape)); }
  static HostTensor labels(std::vector<std::int64_t> values) {
    const Shape shape{static_cast<std::int64_t>(values.size())};
    return HostTensor::of<std::int64_t>(DType::kI64, shape, values);
  }
  void write(std::vector<NamedTensor> datasets) const { write_hdf5(file_, datasets); }
  template <typename Exception>
  std::string refusal() const {
    return testing::message_of<Exception>([&] { return read_scan_object(file_); });
  }

  testing::TempDir dir_;
  std::filesystem::path file_;
};

TEST_F(ScanObjectFileTest, ComesBackAsItWasWritten) {
  CloudSet set{.name = "set", .points = points({2, 3, 3}), .labels = {1, 0}, .class_names = {}};
  set.class_names = {"bag", "bin"};
  const std::span values = set.points.mutable_data<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.1F * static_cast<float>(i);
  write_scan_object(file_, set);
  const CloudSet back = read_scan_object(file_);
  EXPECT_EQ(back.points.to_f32(), set.points.to_f32());
  EXPECT_THAT(back.labels, ElementsAre(1, 0));
  EXPECT_THAT(back.class_names, ElementsAre("0", "1"));
  testing::write_plain(dir_ / "shape_names.txt", "bag\nbin\nbox\n");
  EXPECT_THAT(read_scan_object(file_).class_names, ElementsAre("bag", "bin", "box"));
}

TEST_F(ScanObjectFileTest, TheSameContentGivesTheSameBytes) {
  write({{"data", points({1, 2, 3})}, {"label", labels({0})}});
  const std::string first = testing::read_plain(file_);
  write({{"data", points({1, 2, 3})}, {"label", labels({0})}});
  EXPECT_EQ(testing::read_plain(file_), first);
  EXPECT_THAT(dir_.names(), ElementsAre("training_objectdataset.h5"));
}

TEST_F(ScanObjectFileTest, LabelsMayStandInAColumn) {
  write({{"data", points({2, 2, 3})}, {"label", labels({0, 1}).reshaped({2, 1})}});
  EXPECT_THAT(read_scan_object(file_).labels, ElementsAre(0, 1));
}

TEST_F(ScanObjectFileTest, RefusesOtherShapes) {
  write({{"data", points({2, 3, 4})}, {"label", labels({0, 1})}});
  EXPECT_THAT(refusal<ShapeError>(), HasSubstr("`data` [clouds, points, 3], found [2, 3, 4]"));
  write({{"data", points({2, 9})}, {"label", labels({0, 1})}});
  EXPECT_THAT(refusal<ShapeError>(), HasSubstr("found [2, 9]"));
  write({{"data", points({2, 3, 3})}, {"label", labels({0, 1, 2})}});
  EXPECT_THAT(refusal<ShapeError>(), HasSubstr("`label` [2], one a cloud, found [3]"));
}

TEST_F(ScanObjectFileTest, RefusesOtherNumbers) {
  write({{"data", labels({0, 1, 2}).reshaped({1, 1, 3})}, {"label", labels({0})}});
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("[data]] expected floating-point numbers"));
  write({{"data", points({1, 1, 3})}, {"label", points({1})}});
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("[label]] expected integer numbers"));
}

TEST_F(ScanObjectFileTest, RefusesMissingAndEmptyDatasets) {
  write({{"label", labels({0})}});
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("expected a dataset 'data', found none"));
  write({{"data", points({0, 5, 3})}, {"label", labels({})}});
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("expected data for shape [0, 5, 3]"));
}

TEST_F(ScanObjectFileTest, RefusesValuesOutOfRange) {
  write({{"data", points({2, 2, 3})}, {"label", labels({0, -1})}});
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("found -1 at cloud 1"));
  HostTensor bad = points({2, 2, 3});
  bad.mutable_data<float>()[6] = std::numeric_limits<float>::infinity();
  write({{"data", bad}, {"label", labels({0, 1})}});
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("found inf at point 0 of cloud 1"));
}

TEST_F(ScanObjectFileTest, RefusesOtherAndShortenedFiles) {
  EXPECT_THAT(refusal<IoError>(), HasSubstr("missing"));
  testing::write_plain(file_, "x,y,z\n");
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("expected an HDF5 file"));
  write({{"data", points({20, 50, 3})}, {"label", labels(std::vector<std::int64_t>(20))}});
  const std::string whole = testing::read_plain(file_);
  testing::write_plain(file_, whole.substr(0, whole.size() / 2));
  EXPECT_THAT(refusal<FormatError>(), HasSubstr("training_objectdataset.h5"));
}

#else

TEST(ScanObjectTest, SaysThatTheBuildHasNoHdf5) {
  EXPECT_THAT(testing::message_of<UnsupportedError>([] { return read_scan_object("x.h5"); }),
              HasSubstr("this build has no HDF5"));
}

#endif

}  // namespace
}  // namespace conopa::points
