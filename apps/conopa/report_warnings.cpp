// conopa report: what to beware of in groups of runs.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "report.h"

namespace conopa::app {
namespace {

constexpr std::size_t kNamedSettings = 3;

void warn_of_length(const RunGroup& group, std::vector<std::string>& out) {
  std::int64_t longest = 0;
  for (const ReportedRun& run : group.runs) longest = std::max(longest, run.epochs);
  for (const ReportedRun& run : group.runs) {
    std::string text;
    if (!run.is_finished()) text = fmt::format(" of {} planned so far", *run.planned);
    if (run.epochs < longest) text += fmt::format(", the longest run of its group {}", longest);
    if (text.empty()) continue;
    out.push_back(fmt::format("{}: {} has {} {}{}", group.name, run.folder.string(), run.epochs,
                              run.epochs == 1 ? "epoch" : "epochs", text));
  }
}

void warn_of_seeds(const RunGroup& group, std::vector<std::string>& out) {
  std::map<std::int64_t, const ReportedRun*> seen;
  for (const ReportedRun& run : group.runs) {
    if (!run.seed) continue;
    const auto [it, fresh] = seen.emplace(*run.seed, &run);
    if (fresh) continue;
    out.push_back(
        fmt::format("{}: {} and {} have the same seed {}; their spread is not that of seeds",
                    group.name, it->second->folder.string(), run.folder.string(), *run.seed));
  }
}

// What may differ between repetitions.
bool is_free(const std::string& setting) {
  return setting.starts_with("output.") || setting.ends_with("seed");
}

void warn_of_settings(const RunGroup& group, std::vector<std::string>& out) {
  std::vector<std::string> different;
  for (const ReportedRun& run : group.runs) {
    if (run.settings.empty()) continue;
    const std::map<std::string, std::string> settings(run.settings.begin(), run.settings.end());
    for (const auto& [name, value] : group.runs.front().settings) {
      const auto it = settings.find(name);
      if (is_free(name) || (it != settings.end() && it->second == value)) continue;
      if (std::find(different.begin(), different.end(), name) == different.end()) {
        different.push_back(name);
      }
    }
  }
  if (different.empty()) return;
  const std::size_t more = different.size() - std::min(different.size(), kNamedSettings);
  different.resize(different.size() - more);
  out.push_back(fmt::format("{}: its runs differ in {}{}; NAME=DIR keeps them apart", group.name,
                            fmt::join(different, ", "),
                            more > 0 ? fmt::format(" and {} more settings", more) : ""));
}

}  // namespace

std::vector<std::string> group_warnings(const std::vector<RunGroup>& groups) {
  std::vector<std::string> out;
  for (const RunGroup& group : groups) {
    warn_of_length(group, out);
    warn_of_seeds(group, out);
    warn_of_settings(group, out);
  }
  return out;
}

}  // namespace conopa::app
