#include "llm/whole_model.h"

#include <fmt/ranges.h>

#include <set>
#include <utility>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/cast_floats.h"
#include "conopa/core/error.h"
#include "conopa/llm/row_order.h"

namespace conopa::llm {
namespace {

namespace names = arch::names;

std::string weight(std::string_view layer) { return std::string(layer) + ".weight"; }

/// Gives a model's tensors by name and shape, and keeps the books of what was asked for.
class Taker {
 public:
  Taker(const LmTensors& tensors, std::string_view where) : tensors_(tensors), where_(where) {}

  /// Zeros in place of a tensor that is missing: finish() throws.
  HostTensor take(const std::string& name, const Shape& shape) {
    taken_.insert(name);
    const auto it = tensors_.find(name);
    if (it == tensors_.end()) {
      faults_.push_back(name + " is missing");
    } else if (it->second.shape() != shape) {
      faults_.push_back(fmt::format("{} has shape {} instead of {}", name,
                                    to_string(it->second.shape()), to_string(shape)));
    } else if (!is_floating(it->second.dtype())) {
      faults_.push_back(fmt::format("{} is {}", name, dtype_name(it->second.dtype())));
    } else {
      return it->second;
    }
    return HostTensor::zeros(DType::kF32, shape);
  }

  void finish() {
    for (const auto& [name, tensor] : tensors_) {
      if (!taken_.contains(name)) faults_.push_back(name + " is unknown");
    }
    if (faults_.empty()) return;
    const std::size_t shown = std::min<std::size_t>(faults_.size(), 4);
    throw FormatError(
        where_, "expected the tensors of a LLaMA, found {} faults: {}{}", faults_.size(),
        fmt::join(faults_.begin(), faults_.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
        shown < faults_.size() ? ", ..." : "");
  }

 private:
  const LmTensors& tensors_;
  std::string_view where_;
  std::set<std::string> taken_;
  std::vector<std::string> faults_;
};

/// Rows of the fused projection that a part has: first row and number.
std::pair<std::int64_t, std::int64_t> rows_of(const LmConfig& config, Part part) {
  switch (part) {
    case Part::kQuery:
      return {0, config.dim};
    case Part::kKey:
      return {config.dim, config.kv_dim()};
    default:
      return {config.dim + config.kv_dim(), config.kv_dim()};
  }
}

HostTensor take_part(Taker& taker, const LmConfig& config, std::int64_t layer, Part part,
                     bool halves) {
  const std::string name = weight(names::block(layer, own_name(part)));
  if (own_name(part) != names::kQkv) return taker.take(name, weight_shape(config, part));
  const HostTensor fused = taker.take(name, {config.dim + 2 * config.kv_dim(), config.dim});
  const auto [begin, count] = rows_of(config, part);
  const HostTensor rows = fused.rows(begin, count);
  if (!halves || part == Part::kValue) return rows;
  return to_half_order(rows, part == Part::kQuery ? config.heads : config.kv_heads);
}

void check_block(const LmConfig& config, std::string_view where) {
  const bool llama = config.norm == arch::Norm::kRms && !config.bias && !config.relu &&
                     !config.post_norm && config.rope_theta != 0.0;
  if (!llama) {
    throw UnsupportedError(where,
                           "expected a LLaMA (RMS norms in front, SwiGLU, rotary positions, no "
                           "biases), found another block; only LLaMA can be written");
  }
}

}  // namespace

std::vector<NamedTensor> foreign_tensors(const LmConfig& config, const LmTensors& tensors,
                                         const Naming& naming, std::optional<DType> dtype,
                                         std::string_view where) {
  check_block(config, where);
  config.validate(where);
  Taker taker(tensors, where);
  std::vector<NamedTensor> out;
  const auto add = [&](std::string name, const HostTensor& tensor) {
    out.push_back({name, dtype ? cast_floats(tensor, *dtype, name) : tensor});
  };
  const std::string base(naming.bases.front());
  const Shape words{config.vocabulary, config.dim};
  add(base + std::string(naming.embedding), taker.take(weight(names::kTokenEmbed), words));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    for (const Spelling& spelling : naming.parts) {
      const HostTensor part = take_part(taker, config, i, spelling.part, naming.halves);
      add(fmt::format("{}{}{}.{}.weight", base, naming.layers, i, spelling.name), part);
    }
  }
  add(weight(base + std::string(naming.final_norm)),
      taker.take(weight(names::kFinalNorm), {config.dim}));
  add(std::string(naming.output), taker.take(weight(names::kHead), words));
  taker.finish();
  return out;
}

}  // namespace conopa::llm
