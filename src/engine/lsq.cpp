#include "engine/lsq.h"

#include <algorithm>
#include <cmath>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/parallel.h"
#include "engine/buffer.h"

namespace conopa::engine {
namespace {

namespace names = arch::names;

struct Levels {
  float low, high;
};

Levels signed_levels(std::int64_t bits) {
  const auto half = static_cast<float>(std::exp2(bits - 1));
  return {-half, half - 1.0F};
}

Levels unsigned_levels(std::int64_t bits) {
  return {0.0F, static_cast<float>(std::exp2(bits)) - 1.0F};
}

LsqSteps steps_of(const std::string& prefix, std::int64_t bits, const TensorSource& source) {
  const bool is_signed = source.read(prefix + ".signed").to_f32().at(0) != 0.0F;
  const Levels levels = is_signed ? signed_levels(bits) : unsigned_levels(bits);
  LsqSteps out{.alpha = source.read(prefix + ".alpha").to_f32(),
               .zero = source.read(prefix + ".zero_point").to_f32(),
               .low = levels.low,
               .high = levels.high};
  for (float& zero : out.zero) zero = std::nearbyint(zero);
  return out;
}

// The step sizes of a weight stand beside it.
std::string step_name(const std::string& weight) {
  constexpr std::string_view kWeight = ".weight";
  if (!weight.ends_with(kWeight)) return {};
  return weight.substr(0, weight.size() - kWeight.size()) + ".alpha";
}

}  // namespace

float LsqSteps::apply(float x, std::size_t i) const noexcept {
  const float level = std::nearbyint(std::clamp(x / alpha[i] + zero[i], low, high));
  return (level - zero[i]) * alpha[i];
}

void LsqSteps::apply_rows(const kernels::MutableAct& rows, std::int64_t count,
                          std::int64_t repeat) const {
  parallel_for(0, count, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      auto* x = static_cast<float*>(row_of(rows, r));
      for (std::size_t i = 0; i < alpha.size(); ++i) {
        for (std::int64_t k = 0; k < repeat; ++k, ++x) *x = apply(*x, i);
      }
    }
  });
}

LsqBlock load_lsq_block(const arch::EncoderSpec& spec, const arch::BlockSpec& b,
                        const TensorSource& source) {
  const auto steps = [&](std::string_view name, const char* part = "") {
    return steps_of(b.name(name) + part, spec.activation_bits, source);
  };
  const auto input = [&](std::string_view layer) { return steps(layer, ".act"); };
  return {.qkv = input(names::kQkv),
          .proj = input(names::kProj),
          .gate = b.mlp == arch::Mlp::kSwiglu ? input(names::kGate) : LsqSteps{},
          .up = input(names::kUp),
          .down = input(names::kDown),
          .query = steps(names::kQueryAct),
          .key = steps(names::kKeyAct),
          .value = steps(names::kValueAct),
          .map = steps(names::kMapAct)};
}

LsqSource::LsqSource(const arch::EncoderSpec& spec, const TensorSource& source)
    : TensorSource(source.where()), source_(source), bits_(spec.weight_bits) {
  for (const std::string& name : source.names()) {
    TensorInfo info = source.info(name);
    if (const std::string steps = step_name(name); !steps.empty() && source.contains(steps)) {
      info.dtype = DType::kF32;
      info.dtype_name = dtype_name(DType::kF32);
    }
    add(name, std::move(info));
  }
  set_metadata(source.metadata());
}

HostTensor LsqSource::load(std::size_t index) const {
  const std::string& name = names()[index];
  HostTensor tensor = source_.read(name);
  const std::string steps = step_name(name);
  if (steps.empty() || !source_.contains(steps)) return tensor;
  const std::vector<float> alpha = source_.read(steps).to_f32();
  std::vector<float> values = tensor.to_f32();
  const Levels levels = signed_levels(bits_);
  const std::size_t width = alpha.empty() ? 0 : values.size() / alpha.size();
  for (std::size_t r = 0; r < alpha.size(); ++r) {
    for (std::size_t c = r * width; c < (r + 1) * width; ++c) {
      values[c] =
          std::nearbyint(std::clamp(values[c] / alpha[r], levels.low, levels.high)) * alpha[r];
    }
  }
  return HostTensor::of<float>(DType::kF32, tensor.shape(), values);
}

}  // namespace conopa::engine
