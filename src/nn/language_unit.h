#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "conopa/arch/block_spec.h"
#include "conopa/nn/parameters.h"
#include "nn/pass.h"

namespace conopa::nn {

/// Runs the language block of an encoder with its mappers; a light view, made for every call.
class LanguageUnit {
 public:
  /// All are kept by reference. @param blocks  arch::language_blocks(spec).
  LanguageUnit(const arch::EncoderSpec& spec, const std::vector<arch::BlockSpec>& blocks,
               const Parameters& parameters)
      : spec_(spec), blocks_(blocks), parameters_(parameters) {}

  /// All tokens, rows [B·N, C] to rows [B·N, C].
  [[nodiscard]] at::Tensor run(const at::Tensor& rows, const Pass& pass) const;

  /// The output for one token alone, [B, C]; the same as that row of run().
  [[nodiscard]] at::Tensor run_for_token(const at::Tensor& rows, std::int64_t token,
                                         const Pass& pass) const;

 private:
  [[nodiscard]] Pass own_pass(const Pass& pass) const;
  [[nodiscard]] at::Tensor map(std::string_view mapper, const at::Tensor& rows,
                               const Pass& pass) const;
  [[nodiscard]] at::Tensor last_norm(const at::Tensor& x, const Branch& pending,
                                     const Pass& pass) const;
  [[nodiscard]] std::pair<at::Tensor, Branch> folded(const at::Tensor& rows, std::int64_t token,
                                                     const Pass& pass) const;
  [[nodiscard]] at::Tensor norm_factor(const at::Tensor& z) const;

  const arch::EncoderSpec& spec_;
  const std::vector<arch::BlockSpec>& blocks_;
  const Parameters& parameters_;
};

/// @throws ShapeError unless keys are undefined or [B, N] bool with one true in every sample.
void check_keys(const at::Tensor& keys, std::int64_t batch, std::int64_t tokens);

}  // namespace conopa::nn
