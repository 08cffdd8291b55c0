#include "onnx/weights.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "conopa/core/error.h"

namespace conopa::onnx {
namespace {

/// Everything that makes a layer's matrix out of the checkpoint; a copyable recipe, because it runs
/// when the file is written.
struct MatrixRecipe {
  const TensorSource* source;
  LayerRows layer;
  std::int64_t out = 0;
  std::int64_t in = 0;
  bool learned_steps = false;  // LSQ
  std::int64_t weight_bits = 8;
  std::int64_t lora_rank = 0;  // 0: no branches at this layer
  double lora_alpha = 1.0;

  [[nodiscard]] std::int64_t count() const {
    return layer.rows.empty() ? out : static_cast<std::int64_t>(layer.rows.size());
  }
  [[nodiscard]] std::vector<float> tensor(const std::string& name) const {
    return source->read(name).to_f32();
  }
  [[nodiscard]] std::size_t row(std::int64_t i) const {
    return static_cast<std::size_t>(layer.rows.empty() ? i
                                                       : layer.rows[static_cast<std::size_t>(i)]);
  }

  // Learned step sizes: round(clamp(w / a)) · a, half to even.
  void apply_steps(std::vector<float>& w) const {
    const std::vector<float> steps = tensor(layer.prefix + ".alpha");
    const auto high = static_cast<float>(std::exp2(weight_bits - 1) - 1.0);
    for (std::size_t r = 0; r < steps.size(); ++r) {
      for (std::size_t c = r * static_cast<std::size_t>(in);
           c < (r + 1) * static_cast<std::size_t>(in); ++c) {
        w[c] = std::nearbyint(std::clamp(w[c] / steps[r], -high - 1.0F, high)) * steps[r];
      }
    }
  }

  // Low-rank branches: matrices [in, in] get factor · B A, the first and, of several, the last.
  void add_branches(std::vector<float>& w) const {
    const std::vector<float> a = tensor(layer.prefix + ".lora_A");
    const std::vector<float> b = tensor(layer.prefix + ".lora_B");
    const std::int64_t outputs = std::ssize(b) / (in * lora_rank);
    const double factor = lora_alpha / static_cast<double>(lora_rank);
    for (std::int64_t i = 0; i < outputs; ++i) {
      const std::int64_t first = i == 0 ? 0 : out - in;
      for (std::int64_t r = 0; r < in * lora_rank; ++r) {
        const auto share = static_cast<float>(
            factor * static_cast<double>(b[static_cast<std::size_t>(i * in * lora_rank + r)]));
        const float* from = a.data() + (i * lora_rank + r % lora_rank) * in;
        float* to = w.data() + (first + r / lora_rank) * in;
        for (std::int64_t c = 0; c < in; ++c) to[c] += share * from[c];
      }
    }
  }

  // [count, in], rows chosen and scaled.
  [[nodiscard]] std::vector<float> rows() const {
    std::vector<float> w = tensor(layer.prefix + ".weight");
    if (learned_steps) apply_steps(w);
    if (lora_rank > 0) add_branches(w);
    const std::vector<float> scale =
        layer.scale.empty() ? std::vector<float>() : tensor(layer.scale);
    if (layer.rows.empty() && scale.empty()) return w;
    const auto width = static_cast<std::size_t>(in);
    std::vector<float> chosen(static_cast<std::size_t>(count()) * width);
    for (std::int64_t i = 0; i < count(); ++i) {
      const float factor = scale.empty() ? 1.0F : scale[row(i)];
      const float* from = w.data() + row(i) * width;
      float* to = chosen.data() + static_cast<std::size_t>(i) * width;
      std::transform(from, from + width, to, [factor](float x) { return x * factor; });
    }
    return chosen;
  }
};

// [rows, cols] → [cols, rows], in tiles so that neither side strides through memory.
template <typename T, typename Convert>
HostTensor transposed(DType dtype, const std::vector<float>& w, std::int64_t rows,
                      std::int64_t cols, Convert convert) {
  constexpr std::int64_t kTile = 32;
  HostTensor out = HostTensor::zeros(dtype, {cols, rows});
  const std::span<T> target = out.mutable_data<T>();
  for (std::int64_t r0 = 0; r0 < rows; r0 += kTile) {
    for (std::int64_t c0 = 0; c0 < cols; c0 += kTile) {
      for (std::int64_t c = c0; c < std::min(cols, c0 + kTile); ++c) {
        for (std::int64_t r = r0; r < std::min(rows, r0 + kTile); ++r) {
          target[static_cast<std::size_t>(c * rows + r)] =
              convert(w[static_cast<std::size_t>(r * cols + c)], r);
        }
      }
    }
  }
  return out;
}

// Largest magnitude of each row over 127; 1 for a row of zeros.
std::vector<float> int8_scales(const std::vector<float>& w, std::int64_t rows, std::int64_t cols) {
  std::vector<float> scales(static_cast<std::size_t>(rows));
  for (std::size_t r = 0; r < scales.size(); ++r) {
    const auto begin = w.begin() + static_cast<std::ptrdiff_t>(r) * cols;
    float top = 0.0F;
    for (auto it = begin; it != begin + cols; ++it) top = std::max(top, std::fabs(*it));
    scales[r] = top > 0.0F ? top / 127.0F : 1.0F;
  }
  return scales;
}

HostTensor vector_of(const std::vector<float>& values) {
  return HostTensor::of<float>(DType::kF32, {static_cast<std::int64_t>(values.size())}, values);
}

}  // namespace

std::vector<std::int64_t> halves_order(std::int64_t head_dim) {
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < head_dim; i += 2) order.push_back(i);
  for (std::int64_t i = 1; i < head_dim; i += 2) order.push_back(i);
  return order;
}

Weights::Weights(const arch::EncoderSpec& spec, const TensorSource& source, Graph& graph)
    : spec_(spec), table_(spec), source_(source), graph_(graph) {
  arch::TensorIndex found;
  for (const std::string& name : source.names()) found.emplace(name, source.info(name).shape);
  const arch::KeyReport keys = arch::compare_keys(table_, "canonical", found);
  if (!keys.missing.empty() || !keys.reshaped.empty()) {
    throw FormatError(source.where(), "the weights do not fit the spec: {}; import again",
                      keys.summary());
  }
}

const Shape& Weights::shape(std::string_view name) const {
  const arch::TensorEntry* entry = table_.find(name);
  CONOPA_ASSERT(entry != nullptr);
  return entry->shape;
}

std::vector<float> Weights::read(std::string_view name) const {
  return source_.read(name).to_f32();
}

Value Weights::whole(std::string_view name) {
  const Shape& dims = shape(name);
  return graph_.tensor({.name = std::string(name),
                        .dtype = DType::kF32,
                        .shape = dims,
                        .load = [source = &source_, key = std::string(name), dims] {
                          return HostTensor::of<float>(DType::kF32, dims,
                                                       source->read(key).to_f32());
                        }});
}

Value Weights::halves_of_head(std::string_view name) {
  const std::vector<float> values = read(name);
  std::vector<float> ordered;
  for (const std::int64_t i : halves_order(static_cast<std::int64_t>(values.size()))) {
    ordered.push_back(values[static_cast<std::size_t>(i)]);
  }
  return graph_.floats(std::string(name) + "/halves", {std::ssize(ordered)}, ordered);
}

namespace {

MatrixRecipe recipe_of(const arch::EncoderSpec& spec, const TensorSource& source,
                       const arch::TensorTable& table, const LayerRows& layer) {
  const Shape& shape = table.find(layer.prefix + ".weight")->shape;
  const bool branches = table.find(layer.prefix + ".lora_A") != nullptr;
  return {.source = &source,
          .layer = layer,
          .out = shape.at(0),
          .in = shape.at(1),
          .learned_steps = spec.quantization == arch::Quantization::kLsq,
          .weight_bits = spec.weight_bits,
          .lora_rank = branches ? spec.lora_rank : 0,
          .lora_alpha = spec.lora_alpha};
}

std::string name_of(const LayerRows& layer, std::string_view what) {
  return layer.prefix + "." + std::string(what) + (layer.part.empty() ? "" : "/" + layer.part);
}

}  // namespace

Value Weights::matrix(const LayerRows& layer) {
  const MatrixRecipe recipe = recipe_of(spec_, source_, table_, layer);
  return graph_.tensor({.name = name_of(layer, "weight"),
                        .dtype = DType::kF32,
                        .shape = {recipe.in, recipe.count()},
                        .load = [recipe] {
                          return transposed<float>(DType::kF32, recipe.rows(), recipe.count(),
                                                   recipe.in,
                                                   [](float x, std::int64_t) { return x; });
                        }});
}

Weights::Int8 Weights::int8_matrix(const LayerRows& layer) {
  const MatrixRecipe recipe = recipe_of(spec_, source_, table_, layer);
  const auto load = [recipe] {
    const std::vector<float> w = recipe.rows();
    const std::vector<float> scales = int8_scales(w, recipe.count(), recipe.in);
    return transposed<std::int8_t>(DType::kI8, w, recipe.count(), recipe.in,
                                   [&scales](float x, std::int64_t row) {
                                     return static_cast<std::int8_t>(
                                         std::nearbyint(x / scales[static_cast<std::size_t>(row)]));
                                   });
  };
  const auto load_scales = [recipe] {
    return vector_of(int8_scales(recipe.rows(), recipe.count(), recipe.in));
  };
  return {.values = graph_.tensor({.name = name_of(layer, "weight_int8"),
                                   .dtype = DType::kI8,
                                   .shape = {recipe.in, recipe.count()},
                                   .load = load}),
          .scales = graph_.tensor({.name = name_of(layer, "weight_scale"),
                                   .dtype = DType::kF32,
                                   .shape = {recipe.count()},
                                   .load = load_scales})};
}

Value Weights::bias(const LayerRows& layer) {
  const std::string name = layer.prefix + ".bias";
  if (!has(name)) return "";
  const std::vector<float> all = read(name);
  const std::vector<float> scale = layer.scale.empty() ? std::vector<float>() : read(layer.scale);
  std::vector<float> out;
  const std::size_t count = layer.rows.empty() ? all.size() : layer.rows.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = layer.rows.empty() ? i : static_cast<std::size_t>(layer.rows[i]);
    out.push_back(scale.empty() ? all[row] : all[row] * scale[row]);
  }
  return graph_.floats(name_of(layer, "bias"), {static_cast<std::int64_t>(count)}, std::move(out));
}

}  // namespace conopa::onnx
