#include "conopa/llm/config.h"

#include "conopa/core/error.h"

namespace conopa::llm {
namespace {

// Far beyond any model, and small enough for products of three.
constexpr std::int64_t kMostWidth = std::int64_t{1} << 20;
constexpr std::int64_t kMostLayers = std::int64_t{1} << 16;
constexpr std::int64_t kMostTokens = std::int64_t{1} << 40;

void check_size(std::string_view where, std::string_view what, std::int64_t value,
                std::int64_t most, std::int64_t least = 1) {
  if (value >= least && value <= most) return;
  throw FormatError(where, "expected {} from {} to {}, found {}; the file is damaged or incomplete",
                    what, least, most, value);
}

}  // namespace

std::int64_t LmConfig::layer_parameters() const noexcept {
  const std::int64_t matrices = dim * (2 * dim + 2 * kv_dim()) + (relu ? 2 : 3) * dim * hidden;
  const std::int64_t biases = 2 * dim + 2 * kv_dim() + (relu ? 1 : 2) * hidden + dim;
  const std::int64_t norms = (norm == arch::Norm::kLayer ? 4 : 2) * dim;
  return matrices + (bias ? biases : 0) + norms;
}

std::string LmConfig::summary() const {
  const std::string groups =
      kv_heads == heads ? "" : fmt::format(" ({} for keys and values)", kv_heads);
  return fmt::format("{}, {} layers, width {}, {} heads{}, feed-forward {}", kind, layers, dim,
                     heads, groups, hidden);
}

void LmConfig::validate(std::string_view where) const {
  check_size(where, "a width", dim, kMostWidth);
  check_size(where, "a number of layers", layers, kMostLayers);
  check_size(where, "a number of heads", heads, dim);
  check_size(where, "a number of key heads", kv_heads, heads);
  check_size(where, "a feed-forward width", hidden, kMostWidth * 16);
  check_size(where, "a vocabulary", vocabulary, kMostTokens, 0);
  check_size(where, "a context length", context, kMostTokens, 0);
  if (dim % heads != 0 || heads % kv_heads != 0) {
    throw FormatError(where,
                      "expected a width that {} heads divide and a number of heads that {} key "
                      "heads divide, found width {}",
                      heads, kv_heads, dim);
  }
  if (rope_theta != 0.0 && head_dim() % 2 != 0) {
    throw FormatError(where, "expected heads of an even width for rotary positions, found {}",
                      head_dim());
  }
  if (!(norm_eps > 0.0 && norm_eps < 1.0)) {
    throw FormatError(where, "expected a norm epsilon between 0 and 1, found {}", norm_eps);
  }
}

}  // namespace conopa::llm
