#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "conopa/core/fields_json.h"
#include "conopa/train/options.h"

namespace conopa::train {
namespace {

// Keys that do not change what a run computes.
constexpr std::array<std::string_view, 19> kFree = {"/train/workers",
                                                    "/train/prefetch",
                                                    "/train/threads",
                                                    "/train/device",
                                                    "/train/eval_batch",
                                                    "/train/save_every",
                                                    "/train/keep_last",
                                                    "/train/save_steps",
                                                    "/train/save_minutes",
                                                    "/train/init_from",
                                                    "/train/time_limit_minutes",
                                                    "/train/init_policy",
                                                    "/output/dir",
                                                    "/output/name",
                                                    "/output/model",
                                                    "/output/tensorboard",
                                                    "/output/samples",
                                                    "/data/path",
                                                    "/llm/source"};

std::string dotted(std::string pointer) {
  std::replace(pointer.begin(), pointer.end(), '/', '.');
  return pointer.substr(1);
}

}  // namespace

std::vector<std::string> changed_keys(const RunConfig& a, const RunConfig& b) {
  const nlohmann::json before = nlohmann::json::parse(to_json(a)).flatten();
  const nlohmann::json after = nlohmann::json::parse(to_json(b)).flatten();
  std::vector<std::string> changed;
  const auto add = [&changed](const std::string& key) {
    if (std::find(kFree.begin(), kFree.end(), key) == kFree.end()) changed.push_back(dotted(key));
  };
  for (const auto& [key, value] : before.items()) {
    if (!after.contains(key) || after[key] != value) add(key);
  }
  for (const auto& [key, value] : after.items()) {
    if (!before.contains(key)) add(key);
  }
  return changed;
}

}  // namespace conopa::train
