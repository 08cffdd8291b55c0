#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "conopa/arch/visit_order.h"
#include "conopa/nn/patch_mask.h"

namespace conopa::nn {

/// Whether targets are pixels as they are or patches of mean 0 and deviation 1.
enum class PatchTarget : std::uint8_t { kRaw, kNormalised };

/// What an autoregressive model learns to predict.
///
/// kNormalised: every patch minus its mean over √(unbiased variance + 1e-6); no gradient flows.
/// @param pixels  [B, N, P·P·C] float32, as patch_pixels.
/// @throws ShapeError for patches of one value, which have no variance.
/// @source AIM (arXiv 2401.08541), section 4.1; apple/ml-l3m.
[[nodiscard]] at::Tensor next_patch_targets(const at::Tensor& pixels, PatchTarget kind);

/// Mean squared error of the next patch in the visiting order.
///
/// Place k of a sample counts if k ≥ its prefix and k ≥ step; prediction k − step is compared with
/// target k. The mean is over the values of all counting places of the batch, not per image.
/// Stock operations, float32: the cost is nothing beside a model.
/// @param prediction, target  [B, N, P·P·C] in the visiting order.
/// @param prefix  [B] int64, 0 to N places that are given and no targets; undefined: none.
/// @param step    how far a prediction looks ahead, 1 to N − 1.
/// @return scalar.
/// @throws ShapeError if the shapes do not fit; ConfigError if a prefix is out of range or no place
///         of the batch counts (the mean would be 0/0).
[[nodiscard]] at::Tensor next_patch_error(const at::Tensor& prediction, const at::Tensor& target,
                                          const at::Tensor& prefix = {}, std::int64_t step = 1);

/// Cross entropy of the next token, with places counted as in next_patch_error at step 1.
/// @param logits  [B, N, K]; place k − 1 predicts tokens[k].
/// @param tokens  [B, N] int64, 0 to K − 1.
/// @throws as next_patch_error; FormatError for a token out of range.
[[nodiscard]] at::Tensor next_token_error(const at::Tensor& logits, const at::Tensor& tokens,
                                          const at::Tensor& prefix = {});

/// Brings places into another order: result[b, k] = x[b, order[k]], or order[b, k]. Differentiable.
/// @param x      [B, N, ...].
/// @param order  [N] or [B, N] int64, on the device of x.
/// @throws ShapeError if the order does not fit.
[[nodiscard]] at::Tensor permute_places(const at::Tensor& x, const at::Tensor& order);

/// The orders of a batch: [N] int64 if all samples share one, else (kRandom) [B, N]; row i is then
/// a function of (key, samples[i]) alone. On the CPU.
/// @throws ConfigError as arch::visit_order.
[[nodiscard]] at::Tensor draw_visit_orders(arch::VisitOrder order, std::int64_t rows,
                                           std::int64_t cols, const NoiseKey& key,
                                           std::span<const std::int64_t> samples);

/// Prefix lengths [B] int64, uniform on 1..places − 1, on the CPU; entry i is a function of
/// (key, samples[i]) alone.
/// @throws ConfigError for less than 2 places.
/// @source AIM (arXiv 2401.08541), section 4.2.
[[nodiscard]] at::Tensor draw_prefixes(const NoiseKey& key, std::span<const std::int64_t> samples,
                                       std::int64_t places);

}  // namespace conopa::nn

template <>
struct conopa::EnumNames<conopa::nn::PatchTarget> {
  static constexpr std::array<std::string_view, 2> kNames{"raw", "normalised"};
};
