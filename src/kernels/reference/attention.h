#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "conopa/kernels/attention.h"

/// The obvious versions in double precision: the oracle of every fast kernel, and what runs on
/// machines without AVX2.
namespace conopa::kernels::reference {

/// One head of one sample.
struct HeadProblem {
  std::int64_t queries = 0;
  std::int64_t keys = 0;
  std::int64_t width = 0;
  double scale = 1.0;
  MaskKind mask = MaskKind::kNone;
  double alpha = 0.0;
  std::int64_t prefix = 0;
};

/// Rotated q [Nq, Dh], rotated k [Nk, Dh] and v [Nk, Dh], or their gradients.
struct HeadTensors {
  std::vector<double> q;
  std::vector<double> k;
  std::vector<double> v;
};

struct HeadResult {
  std::vector<double> out;      ///< [Nq, Dh]
  std::vector<double> lse;      ///< [Nq]
  std::vector<double> softmax;  ///< [Nq, Nk] before a soft mask
  std::vector<double> map;      ///< [Nq, Nk] after it
};

/// Whether a hard mask lets query i see key j.
[[nodiscard]] bool visible(const HeadProblem& problem, std::int64_t i, std::int64_t j) noexcept;
/// What the softmax weight is multiplied by.
[[nodiscard]] double soft_factor(const HeadProblem& problem, std::int64_t i,
                                 std::int64_t j) noexcept;

[[nodiscard]] HeadResult head_forward(const HeadProblem& problem, const HeadTensors& input);
[[nodiscard]] HeadTensors head_backward(const HeadProblem& problem, const HeadTensors& input,
                                        std::span<const double> dout);

void attention_forward(const AttentionInput& input, const AttentionOutput& output);
void attention_backward(const AttentionInput& input, std::span<const float> dout,
                        std::span<const float> lse, const AttentionGrads& grads);
void rope(const RopeShape& shape, const RopeTable& table, RopeDirection direction, ConstRows x,
          MutableRows y);

}  // namespace conopa::kernels::reference
