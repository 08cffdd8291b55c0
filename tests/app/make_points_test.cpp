#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "conopa/points/scan_object.h"
#include "tests/app/command_run.h"

namespace conopa::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

#ifdef CONOPA_WITH_HDF5

TEST(MakePointsTest, WritesAFolderThatReadsBack) {
  const TempDir dir;
  const std::filesystem::path out = dir / "solids";
  const std::vector<std::string> words{"make-points",  "--out", out,        "--count", "20",
                                       "--test-count", "10",    "--points", "32",      "--json"};
  const CommandResult result = run_command(words);
  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(nlohmann::json::parse(result.out)["classes"], 10);
  const points::CloudSet set = points::read_scan_object(points::scan_object_file(out, "test"));
  EXPECT_EQ(set.points.shape(), (Shape{10, 32, 3}));
  EXPECT_EQ(set.class_names[4], "torus");
  const CommandResult again = run_command(words);
  EXPECT_EQ(again.code, 3);
  EXPECT_THAT(again.error, HasSubstr("replace it with --force"));
}

#else

TEST(MakePointsTest, SaysThatTheBuildHasNoHdf5) {
  const TempDir dir;
  const CommandResult result = run_command({"make-points", "--out", dir / "solids"});
  EXPECT_THAT(result.error, HasSubstr("this build has no HDF5"));
}

#endif

}  // namespace
}  // namespace conopa::testing
