#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/rng.h"
#include "conopa/engine/stored_model.h"
#include "conopa/io/model_folder.h"

namespace conopa::engine {

inline std::vector<float> random_values(std::int64_t count, std::uint64_t index, double scale) {
  Rng rng(11, RngPurpose::kTest, 0, index);
  std::vector<float> out(static_cast<std::size_t>(count));
  for (float& value : out) value = static_cast<float>(scale * rng.normal());
  return out;
}

inline std::vector<NamedTensor> random_weights(const arch::EncoderSpec& spec) {
  std::vector<NamedTensor> tensors;
  std::uint64_t index = 0;
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    const std::vector<float> values = random_values(element_count(entry.shape), ++index, 0.2);
    tensors.push_back({entry.name, HostTensor::of<float>(DType::kF32, entry.shape, values)});
  }
  return tensors;
}

/// A plain model of seven classes on 24x16 pixels.
inline arch::EncoderSpec small_spec() {
  arch::EncoderSpec spec;
  spec.height = 24;
  spec.width = 16;
  spec.patch = 8;
  spec.dim = 32;
  spec.heads = 2;
  spec.depth = 2;
  spec.num_classes = 7;
  spec.resolve();
  return spec;
}

/// Writes a model folder of random weights.
inline void write_random_model(const std::filesystem::path& path, const arch::EncoderSpec& spec,
                               const std::vector<std::string>& class_names = {}) {
  const std::vector<NamedTensor> tensors = random_weights(spec);
  write_model_folder(path, {.config_json = arch::spec_to_json(spec),
                            .tensors = tensors,
                            .metadata = weight_metadata(class_names)});
}

}  // namespace conopa::engine
