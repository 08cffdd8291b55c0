#include "conopa/arch/init.h"

#include "conopa/core/rng.h"

namespace conopa::arch {
namespace {

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return hash;
}

}  // namespace

HostTensor initial_tensor(const TensorEntry& entry, std::uint64_t seed) {
  HostTensor tensor = HostTensor::zeros(DType::kF32, entry.shape);
  Rng rng(seed, RngPurpose::kInit, 0, fnv1a(entry.name));
  for (float& value : tensor.mutable_data<float>()) {
    switch (entry.init) {
      case Init::kConstant: value = static_cast<float>(entry.value); break;
      case Init::kNormal: value = static_cast<float>(rng.normal(0.0, entry.value)); break;
      case Init::kUniform: value = static_cast<float>(rng.uniform(-entry.value, entry.value)); break;
    }
  }
  return tensor;
}

}  // namespace conopa::arch
