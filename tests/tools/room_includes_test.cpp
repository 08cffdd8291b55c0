// The rooms' dependency rule (docs/design.md): which room may include which, checked on the
// sources.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace conopa {
namespace {

namespace fs = std::filesystem;

using Rooms = std::set<std::string>;

const std::map<std::string, Rooms>& allowed_rooms() {
  static const Rooms everything{"core", "io",       "image", "arch", "kernels", "nn",
                                "data", "tasks",    "train", "eval", "report",  "engine",
                                "onnx", "codebook", "text",  "llm",  "points"};
  static const std::map<std::string, Rooms> table{
      {"core", {}},
      {"io", {"core"}},
      {"image", {"core"}},
      {"text", {"core", "io"}},
      {"points", {"core", "io"}},
      {"arch", {"core"}},
      {"llm", {"core", "io", "arch"}},
      {"onnx", {"core", "io", "arch"}},
      {"kernels", {"core"}},
      {"codebook", {"core", "io", "kernels"}},
      {"engine", {"core", "io", "image", "arch", "kernels", "llm"}},
      {"eval", {"core"}},
      {"capi", {"core", "engine", "eval", "image", "arch", "kernels"}},
      {"report", {"core", "io", "image", "eval"}},
      {"data", {"core", "io", "image"}},
      {"nn", {"core", "arch", "kernels", "points"}},
      {"tasks", {"core", "arch", "nn", "data", "eval", "image", "codebook", "text", "points"}},
      {"train",
       {"core", "io", "image", "arch", "kernels", "nn", "data", "tasks", "eval", "report",
        "codebook", "text", "llm", "points"}},
      {"app",
       {"core", "io", "image", "arch", "onnx", "kernels", "data", "eval", "report", "engine",
        "codebook", "text", "llm", "points"}},
      {"torch", everything}};  // apps/conopa/torch
  return table;
}

const Rooms kTorchRooms{"nn", "tasks", "train", "torch"};

struct Source {
  fs::path path;
  std::string room;
  std::vector<std::string> lines;
};

std::vector<Source> sources_below(const fs::path& folder, const std::string& room) {
  std::vector<Source> out;
  if (!fs::exists(folder)) return out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string extension = entry.path().extension();
    if (extension != ".h" && extension != ".cpp" && extension != ".inc") continue;
    Source source{.path = entry.path(), .room = room, .lines = {}};
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) source.lines.push_back(line);
    out.push_back(std::move(source));
  }
  return out;
}

std::vector<Source> all_sources() {
  const fs::path root = CONOPA_SOURCE_DIR;
  std::vector<Source> out = sources_below(root / "apps", "app");
  for (Source& source : out) {
    if (source.path.parent_path().filename() == "torch") source.room = "torch";
  }
  for (const auto& [room, allowed] : allowed_rooms()) {
    for (const fs::path& folder : {root / "include/conopa" / room, root / "src" / room}) {
      for (Source& source : sources_below(folder, room)) out.push_back(std::move(source));
    }
  }
  return out;
}

TEST(RoomIncludesTest, EveryRoomIncludesOnlyRoomsBelowIt) {
  const std::regex own_include(R"re(^\s*#include "(?:conopa/)?([a-z]+)/)re");
  std::vector<std::string> faults;
  for (const Source& source : all_sources()) {
    for (const std::string& line : source.lines) {
      std::smatch match;
      if (!std::regex_search(line, match, own_include)) continue;
      const std::string used = match[1];
      if (!allowed_rooms().contains(used) || used == source.room) continue;
      if (!allowed_rooms().at(source.room).contains(used)) {
        faults.push_back(source.path.string() + " includes room " + used);
      }
    }
  }
  EXPECT_THAT(faults, testing::IsEmpty());
}

TEST(RoomIncludesTest, OnlyTrainingRoomsIncludeLibtorch) {
  const std::regex torch_include(R"re(^\s*#include <(ATen|torch|c10)/)re");
  std::vector<std::string> faults;
  for (const Source& source : all_sources()) {
    if (kTorchRooms.contains(source.room)) continue;
    for (const std::string& line : source.lines) {
      if (std::regex_search(line, torch_include)) faults.push_back(source.path.string());
    }
  }
  EXPECT_THAT(faults, testing::IsEmpty());
}

TEST(RoomIncludesTest, FamiliesAreNamedInTheirOwnFilesOnly) {
  // A family's name in code elsewhere is a special case that belongs into the spec.
  const std::regex family_name(R"re("(illama|vit)")re");
  std::vector<std::string> faults;
  for (const Source& source : all_sources()) {
    if (source.path.string().find("arch/families") != std::string::npos) continue;
    for (const std::string& line : source.lines) {
      const bool default_value = source.path.filename() == "encoder_spec.h";
      if (std::regex_search(line, family_name) && !default_value) {
        faults.push_back(source.path.string() + ": " + line);
      }
    }
  }
  EXPECT_THAT(faults, testing::IsEmpty());
}

TEST(SourceSizeTest, NoFileExceedsSixHundredLines) {
  std::vector<std::string> faults;
  for (const Source& source : all_sources()) {
    if (source.lines.size() > 600) faults.push_back(source.path.string());
  }
  EXPECT_THAT(faults, testing::IsEmpty());
}

TEST(SourceSizeTest, TheScanFindsTheRooms) {
  // Guards the tests above against scanning an empty tree.
  EXPECT_GT(all_sources().size(), 100U);
}

}  // namespace
}  // namespace conopa
