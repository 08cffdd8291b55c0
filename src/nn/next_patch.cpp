#include "conopa/nn/next_patch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/square.h>
#include <c10/core/GradMode.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/nn/patch_pixels.h"

namespace conopa::nn {
namespace {

constexpr const char* kWhere = "next_patch";

// Places that count of a batch of B samples with N places, and how many they are.
class Counting {
 public:
  // @throws as next_patch_error.
  Counting(const at::Tensor& prefix, std::int64_t B, std::int64_t N, std::int64_t step)
      : prefix_(prefix), N_(N), step_(step) {
    if (step < 1) throw ConfigError(kWhere, "expected a step of at least 1, got {}", step);
    if (prefix.defined()) {
      add_up(prefix, B);
    } else {
      total_ = B * std::max<std::int64_t>(0, N - step);
    }
    if (total_ < 1) {
      throw ConfigError(kWhere,
                        "expected at least one place behind the prefixes, found none in {} samples "
                        "of {} places; draw prefixes from 1 to {}",
                        B, N, N - 1);
    }
  }

  // Mean of errors [B, N − step] over the places that count.
  [[nodiscard]] at::Tensor mean(const at::Tensor& error) const {
    if (!prefix_.defined()) return error.mean();
    const at::Tensor places =
        at::arange(step_, N_, at::TensorOptions().dtype(at::kLong).device(error.device()));
    const at::Tensor counts = places.unsqueeze(0).ge(prefix_.to(error.device()).unsqueeze(1));
    return (error * counts.to(error.scalar_type())).sum() / static_cast<double>(total_);
  }

 private:
  void add_up(const at::Tensor& prefix, std::int64_t B) {
    if (prefix.dim() != 1 || prefix.size(0) != B || prefix.scalar_type() != at::kLong) {
      throw ShapeError(kWhere, "expected int64 prefixes of shape [{}], got {} of shape [{}]", B,
                       at::toString(prefix.scalar_type()), fmt::join(prefix.sizes(), ", "));
    }
    const at::Tensor host = prefix.to(at::kCPU).contiguous();
    for (const std::int64_t given :
         std::span(host.data_ptr<std::int64_t>(), static_cast<std::size_t>(B))) {
      if (given < 0 || given > N_) {
        throw ConfigError(kWhere, "expected prefixes from 0 to {} places, got {}", N_, given);
      }
      total_ += std::max<std::int64_t>(0, N_ - std::max(given, step_));
    }
  }

  at::Tensor prefix_;
  std::int64_t N_;
  std::int64_t step_;
  std::int64_t total_ = 0;
};

std::string shape_text(const at::Tensor& t) {
  return fmt::format("[{}]", fmt::join(t.sizes(), ", "));
}

void check_tokens(const at::Tensor& logits, const at::Tensor& tokens) {
  if (logits.dim() != 3 || tokens.dim() != 2 || tokens.scalar_type() != at::kLong ||
      tokens.sizes() != logits.sizes().slice(0, 2)) {
    throw ShapeError(kWhere,
                     "expected logits [B, N, K] and int64 tokens [B, N], got {} and {} ({})",
                     shape_text(logits), shape_text(tokens), at::toString(tokens.scalar_type()));
  }
  if (tokens.numel() == 0) return;
  const auto low = tokens.min().item<std::int64_t>();
  const auto high = tokens.max().item<std::int64_t>();
  if (low < 0 || high >= logits.size(2)) {
    throw FormatError(kWhere,
                      "expected tokens from 0 to {}, found {}; the codebook does not belong to the "
                      "model's head",
                      logits.size(2) - 1, low < 0 ? low : high);
  }
}

}  // namespace

at::Tensor next_patch_targets(const at::Tensor& pixels, PatchTarget kind) {
  if (kind == PatchTarget::kRaw) return pixels;
  if (pixels.dim() != 3 || pixels.size(2) < 2) {
    throw ShapeError(kWhere, "expected patches [B, N, values] of at least 2 values, got {}",
                     shape_text(pixels));
  }
  const at::NoGradGuard no_grad;
  const PatchStatistics statistics = patch_statistics(pixels);
  return (pixels - statistics.mean) / statistics.deviation;
}

at::Tensor next_patch_error(const at::Tensor& prediction, const at::Tensor& target,
                            const at::Tensor& prefix, std::int64_t step) {
  if (prediction.dim() != 3 || prediction.sizes() != target.sizes()) {
    throw ShapeError(kWhere, "expected predictions and targets [B, N, values] alike, got {} and {}",
                     shape_text(prediction), shape_text(target));
  }
  const std::int64_t N = target.size(1);
  const Counting counting(prefix, target.size(0), N, step);
  const at::Tensor error = (prediction.narrow(1, 0, N - step).to(at::kFloat) -
                            target.narrow(1, step, N - step).to(at::kFloat))
                               .square()
                               .mean(-1);  // [B, N − step]
  return counting.mean(error);
}

at::Tensor next_token_error(const at::Tensor& logits, const at::Tensor& tokens,
                            const at::Tensor& prefix) {
  check_tokens(logits, tokens);
  const std::int64_t N = tokens.size(1);
  const Counting counting(prefix, tokens.size(0), N, 1);
  const at::Tensor log_p = at::log_softmax(logits.narrow(1, 0, N - 1).to(at::kFloat), -1);
  const at::Tensor next = tokens.narrow(1, 1, N - 1).unsqueeze(-1);
  return counting.mean(-log_p.gather(-1, next).squeeze(-1));
}

at::Tensor permute_places(const at::Tensor& x, const at::Tensor& order) {
  const bool shared = order.dim() == 1;
  if (x.dim() < 2 || order.scalar_type() != at::kLong ||
      order.sizes() != x.sizes().slice(shared ? 1 : 0, shared ? 1 : 2)) {
    throw ShapeError(kWhere, "expected an int64 order [N] or [B, N] of places {}, got {}",
                     shape_text(x), shape_text(order));
  }
  if (shared) return x.index_select(1, order);
  std::vector<std::int64_t> broadcast(static_cast<std::size_t>(x.dim()), 1);
  broadcast[0] = order.size(0);
  broadcast[1] = order.size(1);
  return x.gather(1, order.view(broadcast).expand(x.sizes()));
}

at::Tensor draw_visit_orders(arch::VisitOrder order, std::int64_t rows, std::int64_t cols,
                             const NoiseKey& key, std::span<const std::int64_t> samples) {
  const std::vector<std::int64_t> first = arch::visit_order(order, rows, cols, key.seed);
  const auto N = static_cast<std::int64_t>(first.size());
  const auto B = static_cast<std::int64_t>(samples.size());
  const bool fresh = order == arch::VisitOrder::kRandom;
  at::Tensor out = at::empty({fresh ? B : 1, N}, at::TensorOptions().dtype(at::kLong));
  auto* to = out.data_ptr<std::int64_t>();
  if (!fresh) {
    std::ranges::copy(first, to);
    return out.squeeze(0);
  }
  for (const std::int64_t sample : samples) {
    // Epochs from 1: epoch 0 belongs to visit_order's own permutations.
    Rng rng(key.seed, RngPurpose::kVisitOrder, static_cast<std::uint64_t>(key.epoch) + 1,
            static_cast<std::uint64_t>(sample));
    to = std::ranges::copy(rng.permutation(N), to).out;
  }
  return out;
}

at::Tensor draw_prefixes(const NoiseKey& key, std::span<const std::int64_t> samples,
                         std::int64_t places) {
  if (places < 2) {
    throw ConfigError(kWhere,
                      "expected at least 2 patches an image to draw a prefix from, got {}; choose "
                      "a smaller patch",
                      places);
  }
  at::Tensor out =
      at::empty({static_cast<std::int64_t>(samples.size())}, at::TensorOptions().dtype(at::kLong));
  auto* to = out.data_ptr<std::int64_t>();
  for (const std::int64_t sample : samples) {
    Rng rng(key.seed, RngPurpose::kPrefix, static_cast<std::uint64_t>(key.epoch),
            static_cast<std::uint64_t>(sample));
    *to++ = 1 + rng.below(places - 1);
  }
  return out;
}

}  // namespace conopa::nn
