#include "conopa/nn/encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include "conopa/arch/rotary.h"
#include "conopa/core/rng.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/torch_compat.h"
#include "nn/neck.h"
#include "nn/pass.h"

namespace conopa::nn {
namespace {

namespace names = arch::names;

// [B, C, H, W] → rows [B·n, C·P·P] in the order of the flattened convolution weight.
at::Tensor patches(const at::Tensor& images, const arch::EncoderSpec& spec) {
  const std::int64_t P = spec.patch;
  return images.view({images.size(0), spec.channels, spec.grid_rows(), P, spec.grid_cols(), P})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({images.size(0) * spec.num_patches(), spec.channels * P * P});
}

at::Tensor dropout(const at::Tensor& x, double rate, const StepRandom& random) {
  Rng rng(random.seed, RngPurpose::kDropout, random.step);
  at::Tensor keep = at::empty(x.sizes(), at::TensorOptions().dtype(at::kFloat));
  const auto factor = static_cast<float>(1.0 / (1.0 - rate));
  for (float& value : floats(keep)) value = rng.bernoulli(rate) ? 0.0F : factor;
  return x * keep.to(x.device());
}

void check_images(const at::Tensor& images, const arch::EncoderSpec& spec) {
  if (images.dim() != 4 || images.size(1) != spec.channels || images.size(2) != spec.height ||
      images.size(3) != spec.width) {
    throw ShapeError("encoder",
                     "expected images [B, {}, {}, {}], found {}; resize the images or "
                     "the model (conopa resize)",
                     spec.channels, spec.height, spec.width, to_string(images.sizes().vec()));
  }
}

}  // namespace

at::Tensor Encoder::Pass::drop_scale(std::int64_t block, std::int64_t branch,
                                     std::int64_t depth) const {
  const double rate =
      depth > 1 ? drop_path * static_cast<double>(block) / static_cast<double>(depth - 1) : 0.0;
  if (!options.training || rate <= 0.0) return {};
  Rng rng(options.random.seed, RngPurpose::kDropPath, options.random.step,
          static_cast<std::uint64_t>(2 * block + branch));
  at::Tensor scale = at::empty({batch}, at::TensorOptions().dtype(at::kFloat));
  const auto kept = static_cast<float>(1.0 / (1.0 - rate));
  for (float& value : floats(scale)) value = rng.bernoulli(rate) ? 0.0F : kept;
  return scale;
}

Encoder::Encoder(arch::EncoderSpec spec, at::Device device)
    : spec_(std::move(spec)), parameters_(arch::TensorTable(spec_), device) {
  const arch::RotaryTable table = arch::rotary_table(spec_);
  if (table.tokens == 0) return;
  const Shape shape{table.tokens, table.half};
  cos_ = to_torch(HostTensor::of<float>(DType::kF32, shape, table.cos)).to(device);
  sin_ = to_torch(HostTensor::of<float>(DType::kF32, shape, table.sin)).to(device);
}

NormParameters Encoder::norm(const std::string& prefix) const {
  return {.kind = spec_.norm,
          .weight = parameters_.require(prefix + ".weight"),
          .bias = parameters_.get(prefix + ".bias"),
          .eps = spec_.norm_eps};
}

at::Tensor Encoder::embed(const at::Tensor& images, Pass& pass) const {
  const at::Tensor& weight = parameters_.require(names::kPatchWeight);
  at::Tensor x = linear(patches(images, spec_), weight.view({spec_.dim, -1}),
                        parameters_.require(names::kPatchBias), pass.options.exec);
  pass.keep("patch_embed", x);
  x = x.view({pass.batch, spec_.num_patches(), spec_.dim});
  if (spec_.has_class_token()) {
    const at::Tensor token =
        parameters_.require(names::kClassToken).expand({pass.batch, 1, spec_.dim});
    x = spec_.class_token == arch::ClassToken::kFront ? at::cat({token, x}, 1)
                                                      : at::cat({x, token}, 1);
  }
  if (spec_.position == arch::Position::kLearned) x = x + parameters_.require(names::kPosition);
  if (pass.options.training && spec_.dropout > 0.0) {
    x = dropout(x, spec_.dropout, pass.options.random);
  }
  x = x.reshape({pass.batch * pass.tokens, spec_.dim});
  pass.keep("tokens_in", x);
  return x;
}

bool Encoder::token_shortcut(const Pass& pass) const {
  // A causal class token in front sees itself alone, so there a single open query is not the same.
  const bool sees_all = spec_.mask != arch::Mask::kCausal && spec_.mask != arch::Mask::kSoftCausal;
  return spec_.read_out == arch::ReadOut::kToken && pass.options.capture == nullptr &&
         spec_.quantization == arch::Quantization::kNone && spec_.qk_norm == arch::QkNorm::kNone &&
         (sees_all || spec_.class_token == arch::ClassToken::kBack);
}

ForwardResult Encoder::forward(const at::Tensor& images, const ForwardOptions& options) const {
  check_images(images, spec_);
  const AutocastScope autocast(images.device().type(),
                               options.exec.precision == Precision::kBf16 &&
                                   (options.exec.ops == Ops::kStock || !images.device().is_cpu()));
  Pass pass{.options = options,
            .batch = images.size(0),
            .tokens = spec_.num_tokens(),
            .drop_path = options.drop_path.value_or(spec_.drop_path),
            .attention = {.heads = spec_.heads,
                          .head_dim = spec_.head_dim(),
                          .mask = spec_.mask,
                          .mask_rate = options.mask_rate.value_or(spec_.mask_rate),
                          .cos = cos_,
                          .sin = sin_}};
  at::Tensor x = embed(images, pass);
  Branch pending;
  const bool shortcut = token_shortcut(pass);
  const std::int64_t whole = spec_.depth - (shortcut ? 1 : 0);
  for (std::int64_t i = 0; i < whole; ++i) {
    if (options.checkpoint_blocks && options.training && options.capture == nullptr) {
      run_block_checkpointed(i, x, pending, pass);
    } else {
      run_block(i, x, pending, pass);
    }
  }
  ForwardResult result;
  if (shortcut) {
    result.features = run_last_block_for_token(x, pending, pass);
  } else {
    const at::Tensor y =
        add_norm(x, pending, norm(std::string(names::kFinalNorm)), options.exec).second;
    pass.keep("final_norm", y);
    const at::Tensor tokens = y.view({pass.batch, pass.tokens, spec_.dim});
    result.features = spec_.read_out == arch::ReadOut::kToken
                          ? tokens.select(1, spec_.class_token_index())
                          : tokens.mean(1);
  }
  if (spec_.num_classes > 0) {
    const std::string head(names::kHead);
    // The head stays float32: its cost is nothing and its logits feed the loss.
    const Exec exact{.precision = Precision::kFp32, .ops = options.exec.ops};
    result.logits = linear(result.features, parameters_.require(head + ".weight"),
                           parameters_.get(head + ".bias"), exact)
                        .to(at::kFloat);
  }
  return result;
}

std::vector<at::Tensor> Encoder::feature_maps(const at::Tensor& images,
                                              const ForwardOptions& options) const {
  Capture capture;
  ForwardOptions capturing = options;
  capturing.capture = &capture;
  static_cast<void>(forward(images, capturing));
  std::vector<at::Tensor> maps;
  for (const std::int64_t block : spec_.feature_blocks) {
    at::Tensor tokens = capture.at(fmt::format("block{}_out", block));
    const std::int64_t first = spec_.class_token == arch::ClassToken::kFront ? 1 : 0;
    tokens = tokens.narrow(1, first, spec_.num_patches());
    maps.push_back(tokens.transpose(1, 2).reshape(
        {tokens.size(0), spec_.dim, spec_.grid_rows(), spec_.grid_cols()}));
  }
  if (spec_.neck == arch::Neck::kDeconvPyramid) return deconv_pyramid(maps, parameters_);
  return maps;
}

}  // namespace conopa::nn
