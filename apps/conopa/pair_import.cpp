#include "pair_import.h"

#include <set>
#include <string_view>

#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "model_store.h"
#include "settings.h"

namespace conopa::app {
namespace {

constexpr std::string_view kTextPrefix = "text.";

struct TowerSettings {
  std::vector<std::string> image, text;
};

TowerSettings split(const std::vector<std::string>& settings) {
  TowerSettings out;
  for (const std::string& word : settings) {
    if (word.starts_with(kTextPrefix)) {
      out.text.push_back(word.substr(kTextPrefix.size()));
    } else {
      out.image.push_back(word);
    }
  }
  return out;
}

double read_scale(const TensorSource& source, const std::string& name) {
  const HostTensor value = source.read(name);
  if (value.numel() != 1) {
    throw FormatError(source.where(), "expected {} to be one number, found shape {}", name,
                      to_string(value.shape()));
  }
  return value.to_f64().front();
}

ImportPlan plan_tower(const OpenedCheckpoint& opened, arch::InferredModel model,
                      const arch::TensorIndex& index) {
  ImportPlan plan;
  static_cast<OpenedCheckpoint&>(plan) = opened;
  plan.spec = std::move(model.spec);
  plan.scheme = std::move(model.scheme);
  plan.keys = arch::compare_keys(arch::TensorTable(plan.spec), plan.scheme, index);
  return plan;
}

// A name is unexpected if neither tower has it: each knows which names belong to the other.
arch::KeyReport join(const ImportPlan& image, const ImportPlan& text) {
  arch::KeyReport out;
  std::set<std::string> unexpected;
  for (const ImportPlan* tower : {&image, &text}) {
    const std::string where = tower == &image ? "image " : "text ";
    for (const std::string& name : tower->keys.missing) out.missing.push_back(where + name);
    for (const arch::KeyReport::Reshaped& reshaped : tower->keys.reshaped) {
      out.reshaped.push_back({where + reshaped.name, reshaped.expected, reshaped.found});
    }
    unexpected.insert(tower->keys.unexpected.begin(), tower->keys.unexpected.end());
  }
  out.unexpected.assign(unexpected.begin(), unexpected.end());
  return out;
}

}  // namespace

std::optional<PairPlan> plan_pair(const ImportOptions& options, const OpenedCheckpoint& opened) {
  if (!options.preset.empty() || opened.described) return std::nullopt;
  const arch::TensorIndex index = index_of(*opened.source);
  const TowerSettings settings = split(options.settings);
  const auto configure = [&](arch::EncoderSpec& guess) {
    static_cast<void>(apply_hub_config(opened.hub, opened.source->where(), guess));
    const bool text = guess.input == arch::Input::kTokens;
    apply_settings(guess, text ? settings.text : settings.image, "--set");
  };
  std::optional<arch::InferredPair> pair = arch::infer_pair(index, configure);
  if (!pair) return std::nullopt;
  if (!options.layers.empty()) {
    throw UsageError("--layers",
                     "the checkpoint holds an image and a text tower, whose outputs "
                     "are fixed; leave it out");
  }
  PairPlan out{.image = plan_tower(opened, std::move(pair->image), index),
               .text = plan_tower(opened, std::move(pair->text), index),
               .scale_name = pair->logit_scale,
               .logit_scale = read_scale(*opened.source, pair->logit_scale),
               .keys = {}};
  out.keys = join(out.image, out.text);
  return out;
}

}  // namespace conopa::app
