#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/host_tensor.h"
#include "model_store.h"

namespace conopa::app {

/// The low-rank branches of a model, without the model.
struct LoraAdapter {
  std::int64_t rank = 0;
  double alpha = 1.0;
  std::string base;  ///< base_fingerprint of the model it was trained on; empty: unknown
  std::map<std::string, HostTensor> tensors;  ///< canonical names

  [[nodiscard]] double factor() const noexcept { return alpha / static_cast<double>(rank); }
};

/// weight + factor · B A on the rows of some of its parts.
///
/// The sum is made in double and rounded once, to float32 or to the weight's own type.
/// @param weight  [parts·D, D].
/// @param a       [n·r, D]; b [n·D, r]: branch i is rows i·r.. and i·D.. of them.
/// @param parts   n numbers: branch i belongs to rows parts[i]·D...
/// @param factor  alpha / r to merge, its negative to take a merged branch out.
/// @throws ShapeError if the shapes do not fit.
/// @complexity O(n·D²·r).
/// @source LoRA (arXiv 2106.09685), section 4.1; queries and values as AIM's released code.
[[nodiscard]] HostTensor lora_sum(const HostTensor& weight, const HostTensor& a,
                                  const HostTensor& b, std::span<const std::int64_t> parts,
                                  double factor);

/// The spec without or with branches.
[[nodiscard]] arch::EncoderSpec without_lora(arch::EncoderSpec spec);
[[nodiscard]] arch::EncoderSpec with_lora(arch::EncoderSpec spec, const LoraAdapter& adapter);

/// The branches of a model.
/// @throws ConfigError if it has none, UnsupportedError if its weights are quantised.
[[nodiscard]] LoraAdapter lora_of(const StoredModel& model);

/// Tensors of the model without branches, queries, values and projections changed by `sign` times
/// the adapter; element types stay.
/// @param sign  1 merges, -1 takes out, 0 leaves the weights alone.
[[nodiscard]] std::vector<NamedTensor> merged_tensors(const StoredModel& model,
                                                      const LoraAdapter& adapter, int sign);

/// Hash of the float32 values of the weights that branches belong to.
[[nodiscard]] std::string base_fingerprint(const StoredModel& model);
[[nodiscard]] std::string base_fingerprint(const std::vector<NamedTensor>& tensors,
                                           const arch::EncoderSpec& spec);

/// Writes an adapter: the tensors under the family's official names where it has such, rank, alpha
/// and the base's hash in the metadata.
/// @throws IoError if the file cannot be written.
void write_adapter(const std::filesystem::path& path, const LoraAdapter& adapter,
                   const arch::EncoderSpec& spec);

/// Reads an adapter for a model.
/// @param spec  of the model, with or without branches.
/// @throws IoError, FormatError if it is damaged, lacks rank or alpha, holds another rank than it
///         states, or belongs to a model of another width or depth.
[[nodiscard]] LoraAdapter read_adapter(const std::filesystem::path& path,
                                       const arch::EncoderSpec& spec);

}  // namespace conopa::app
