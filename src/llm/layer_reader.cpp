// Finds, checks and joins the tensors of one layer.

#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "conopa/arch/tensor_table.h"
#include "conopa/arch/weight_selection.h"
#include "conopa/core/cast_floats.h"
#include "conopa/core/error.h"
#include "conopa/llm/row_order.h"
#include "llm/opened.h"

namespace conopa::llm {
namespace {

constexpr std::size_t kMostListed = 6;

/// "a, b, c and 12 more"
std::string listed(const std::vector<std::string>& items) {
  if (items.size() <= kMostListed) return fmt::format("{}", fmt::join(items, ", "));
  return fmt::format("{} and {} more", fmt::join(items.begin(), items.begin() + kMostListed, ", "),
                     items.size() - kMostListed);
}

/// A tensor that is wanted, whole.
struct Wanted {
  Part part;
  Cut cut;
  std::string name;  // in the files
  std::string kind;  // ".weight" or ".bias"
  Shape shape;
};

std::vector<Wanted> wanted_tensors(const Opened& opened, const std::string& prefix) {
  std::vector<Wanted> out;
  for (const Spelling& spelling : opened.naming->parts) {
    const std::string name = prefix + std::string(spelling.name);
    Shape shape = weight_shape(opened.config, spelling.part);
    const Shape rows{shape.front()};
    out.push_back({spelling.part, spelling.cut, name + ".weight", ".weight", std::move(shape)});
    if (!has_bias(opened.config, spelling.part)) continue;
    const Cut cut = spelling.cut == Cut::kRows ? Cut::kRows : Cut::kRepeated;
    out.push_back({spelling.part, cut, name + ".bias", ".bias", rows});
  }
  return out;
}

/// Files that hold a part of the tensor.
std::size_t part_count(const Opened& opened, const Wanted& wanted) {
  return wanted.cut == Cut::kRepeated ? 1 : opened.parts.size();
}

void check_complete(const Opened& opened, const std::vector<Wanted>& all, std::string_view what) {
  std::vector<std::string> missing;
  for (const Wanted& wanted : all) {
    const std::size_t count = part_count(opened, wanted);
    for (std::size_t i = 0; i < count; ++i) {
      if (opened.parts[i]->contains(wanted.name)) continue;
      const std::string file = std::filesystem::path(opened.parts[i]->where()).filename().string();
      missing.push_back(count == 1 ? wanted.name : wanted.name + " in " + file);
    }
  }
  if (missing.empty()) return;
  throw FormatError(opened.where,
                    "expected {} tensors of {}, {} missing: {}; the model is incomplete or of "
                    "another kind than its config says",
                    all.size(), what,
                    missing.size() == 1 ? "1 is" : fmt::format("{} are", missing.size()),
                    listed(missing));
}

/// A tensor that is not read would change what the block computes.
void check_nothing_else(const Opened& opened, const std::vector<Wanted>& all,
                        const std::string& prefix) {
  std::set<std::string> known;
  for (const Wanted& wanted : all) known.insert(wanted.name);
  for (const std::string_view name : opened.naming->ignored) {
    known.insert(prefix + std::string(name));
  }
  std::vector<std::string> others;
  for (const auto& part : opened.parts) {
    for (const std::string& name : part->names()) {
      if (name.starts_with(prefix) && known.insert(name).second) others.push_back(name);
    }
  }
  if (others.empty()) return;
  throw UnsupportedError(opened.where,
                         "found tensors that a {} block does not have: {}; such blocks cannot be "
                         "read",
                         opened.config.kind, listed(others));
}

/// Shape of the joined parts; nothing if they do not fit side by side.
std::optional<Shape> joined_shape(const Opened& opened, const Wanted& wanted) {
  Shape out = opened.parts.front()->info(wanted.name).shape;
  const std::size_t axis = wanted.cut == Cut::kColumns ? 1 : 0;
  for (std::size_t i = 1; i < part_count(opened, wanted); ++i) {
    Shape shape = opened.parts[i]->info(wanted.name).shape;
    if (shape.size() != out.size() || axis >= shape.size()) return std::nullopt;
    // Sizes of files are bounded by their bytes, except where they are empty.
    if (__builtin_add_overflow(out[axis], shape[axis], &out[axis])) return std::nullopt;
    shape[axis] = out[axis];
    if (shape != out) return std::nullopt;
  }
  return out;
}

void check_shapes(const Opened& opened, const std::vector<Wanted>& all) {
  for (const Wanted& wanted : all) {
    const std::optional<Shape> found = joined_shape(opened, wanted);
    if (found == wanted.shape) continue;
    const std::size_t files = part_count(opened, wanted);
    throw FormatError(
        opened.where, "expected {} of shape {}, found {}{}; {}", wanted.name,
        to_string(wanted.shape), found ? to_string(*found) : "parts that do not fit together",
        files > 1 ? fmt::format(" in {} files", files) : "",
        wanted.cut == Cut::kRepeated
            ? "the weights do not fit the config"
            : "a shard is missing, or the weights belong to another model than the config");
  }
}

/// Reads one file's part, in the wanted element type.
HostTensor read_part(const TensorSource& source, const std::string& name,
                     std::optional<DType> dtype) {
  const HostTensor out = source.read(name);
  if (!is_floating(out.dtype())) {
    throw UnsupportedError(source.where(),
                           "tensor '{}' has element type {}; expected floating-point or Q8_0 or "
                           "Q4_0 weights",
                           name, dtype_name(out.dtype()));
  }
  return dtype ? cast_floats(out, *dtype, name) : out;
}

/// Floats of several types become float32, which holds what all of them hold (but float64).
void unify(std::vector<HostTensor>& tensors, const std::string& name) {
  const bool same = std::ranges::all_of(
      tensors, [&](const HostTensor& t) { return t.dtype() == tensors.front().dtype(); });
  if (same) return;
  for (HostTensor& tensor : tensors) tensor = cast_floats(tensor, DType::kF32, name);
}

HostTensor read_whole(const Opened& opened, const Wanted& wanted, std::optional<DType> dtype) {
  std::vector<HostTensor> pieces;
  for (std::size_t i = 0; i < part_count(opened, wanted); ++i) {
    pieces.push_back(read_part(*opened.parts[i], wanted.name, dtype));
  }
  if (pieces.size() == 1) return pieces.front();
  unify(pieces, wanted.name);
  return wanted.cut == Cut::kColumns ? arch::concat_columns(pieces) : arch::concat_rows(pieces);
}

/// Brings rows of q, k and v to the canonical order and number.
HostTensor arrange(const Opened& opened, Part part, HostTensor tensor, RowOrder order) {
  const LmConfig& config = opened.config;
  const bool grouped = part == Part::kKey || part == Part::kValue;
  const std::int64_t heads = grouped ? config.kv_heads : config.heads;
  // Scores need no such step: a permutation inside the heads that q and k share cancels in q . k.
  // It makes the tensors the same in every format, and lets a caller apply rotary positions.
  const bool rotary = part == Part::kQuery || part == Part::kKey;
  if (rotary && opened.naming->halves && order == RowOrder::kInterleaved) {
    tensor = to_interleaved_order(tensor, heads);
  }
  return grouped ? repeat_heads(tensor, heads, config.heads / config.kv_heads) : tensor;
}

}  // namespace

LmTensors read_layer(const Opened& opened, std::int64_t index, const LayerOptions& options) {
  if (index < 0 || index >= opened.config.layers) {
    throw ConfigError(opened.where, "expected one of the layers 0..{}, got {}",
                      opened.config.layers - 1, index);
  }
  const std::string prefix = opened.layer_prefix(index);
  const std::vector<Wanted> all = wanted_tensors(opened, prefix);
  check_complete(opened, all, fmt::format("layer {}", index));
  check_nothing_else(opened, all, prefix);
  check_shapes(opened, all);
  std::map<std::string, std::vector<HostTensor>> pieces;  // q, k and v share a name
  for (const Wanted& wanted : all) {
    HostTensor tensor = read_whole(opened, wanted, options.dtype);
    const std::string name = std::string(own_name(wanted.part)) + wanted.kind;
    if (own_name(wanted.part) == arch::names::kQkv) {
      tensor = arrange(opened, wanted.part, std::move(tensor), options.order);
    }
    pieces[name].push_back(std::move(tensor));
  }
  LmTensors out;
  for (auto& [name, parts] : pieces) {
    unify(parts, name);
    out.emplace(name, parts.size() == 1 ? parts.front() : arch::concat_rows(parts));
    parts.clear();
  }
  return out;
}

LmTensors read_final_norm(const Opened& opened, std::optional<DType> dtype) {
  if (opened.config.post_norm) return {};
  const std::string name = opened.final_norm();
  const Shape shape{opened.config.dim};
  std::vector<Wanted> all{{Part::kNorm1, Cut::kRepeated, name + ".weight", ".weight", shape}};
  if (opened.config.norm == arch::Norm::kLayer) {
    all.push_back({Part::kNorm1, Cut::kRepeated, name + ".bias", ".bias", shape});
  }
  check_complete(opened, all, "the final norm");
  check_shapes(opened, all);
  LmTensors out;
  for (const Wanted& wanted : all) {
    out.emplace(std::string(arch::names::kFinalNorm) + wanted.kind,
                read_whole(opened, wanted, dtype));
  }
  return out;
}

}  // namespace conopa::llm
