// conopa report: which runs repeat each other.

#include <algorithm>
#include <set>

#include "conopa/core/error.h"
#include "report.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;

/// The name of a folder without "-seedN" or "_seedN" at its end.
std::string group_name(const fs::path& folder) {
  fs::path plain = fs::absolute(folder).lexically_normal();
  if (!plain.has_filename()) plain = plain.parent_path();
  const std::string name = plain.filename().string();
  const std::size_t digits = name.find_last_not_of("0123456789") + 1;
  if (digits == name.size()) return name;
  for (const std::string_view mark : {"-seed", "_seed"}) {
    const std::string_view head = std::string_view(name).substr(0, digits);
    if (head.size() > mark.size() && head.ends_with(mark)) {
      return name.substr(0, digits - mark.size());
    }
  }
  return name;
}

struct NamedFolder {
  std::string group;
  fs::path folder;
};

std::vector<NamedFolder> named_folders(const std::vector<std::string>& runs) {
  std::vector<NamedFolder> out;
  for (const std::string& run : runs) {
    const std::size_t equals = run.find('=');
    std::error_code missing;
    if (equals == std::string::npos ||
        fs::exists(run, missing)) {  // folders may have a '=' in their name
      out.push_back({group_name(run), run});
      continue;
    }
    if (equals == 0) throw UsageError("runs", "expected NAME=DIR, got '{}'; name the group", run);
    for (const std::string& folder : split_words(run.substr(equals + 1), "runs")) {
      out.push_back({run.substr(0, equals), folder});
    }
  }
  std::set<fs::path> seen;
  for (const NamedFolder& item : out) {
    std::error_code unreadable;  // reading the run will tell
    if (!seen.insert(fs::weakly_canonical(item.folder, unreadable)).second && !unreadable) {
      throw UsageError("runs", "{} is given twice; name every run once", item.folder.string());
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> split_words(const std::string& text, std::string_view option) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
    if (words.back().empty()) {
      throw UsageError(option, "expected names separated by commas, got '{}'; remove the empty one",
                       text);
    }
  }
  return words;
}

std::vector<RunGroup> read_groups(const ReportOptions& options) {
  std::vector<RunGroup> groups;
  for (const NamedFolder& item : named_folders(options.runs)) {
    auto it = std::find_if(groups.begin(), groups.end(),
                           [&](const RunGroup& group) { return group.name == item.group; });
    if (it == groups.end()) it = groups.insert(it, {item.group, {}});
    it->runs.push_back(read_run(item.folder));
  }
  if (options.names.empty()) return groups;
  const std::vector<std::string> names = split_words(options.names, "--names");
  if (names.size() != groups.size()) {
    throw UsageError("--names", "expected a name for each of the {} groups, got {}; name them all",
                     groups.size(), names.size());
  }
  if (std::set<std::string>(names.begin(), names.end()).size() != names.size()) {
    throw UsageError("--names", "expected different names, got '{}'; to join runs use NAME=DIR,DIR",
                     options.names);
  }
  for (std::size_t i = 0; i < names.size(); ++i) groups[i].name = names[i];
  return groups;
}

}  // namespace conopa::app
