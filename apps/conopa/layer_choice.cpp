#include "layer_choice.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/core/nearest.h"

namespace conopa::app {

engine::LayerInfo find_layer(const engine::Model& model, const std::string& word) {
  const std::vector<engine::LayerInfo> layers = model.layers();
  if (word == kFinalLayer) return layers.back();
  std::size_t block = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), block);
  const std::size_t blocks =
      layers.size() - 2;  // in front of them the tokens, behind them the norm
  if (error == std::errc{} && end == word.data() + word.size()) {
    if (block < blocks) return layers[block + 1];
    throw ConfigError("--layer", "expected a block from 0 to {}, got {}", blocks - 1, word);
  }
  const auto layer = std::ranges::find(layers, word, &engine::LayerInfo::name);
  if (layer != layers.end()) return *layer;
  std::vector<std::string> names{std::string(kFinalLayer)};
  for (const engine::LayerInfo& known : layers) names.push_back(known.name);
  throw ConfigError("--layer", "expected a block's number or one of {}, got '{}'{}",
                    fmt::join(names, ", "), word, did_you_mean(word, names));
}

}  // namespace conopa::app
