#include "conopa/arch/init.h"

#include <algorithm>
#include <cmath>

#include "conopa/core/rng.h"

namespace conopa::arch {
namespace {

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return hash;
}

}  // namespace

std::vector<float> sincos_table(std::int64_t rows, std::int64_t cols, std::int64_t width,
                                SinCosOrder order) {
  const std::int64_t quarter = width / 4;
  std::vector<float> out(static_cast<std::size_t>(rows * cols * width));
  for (std::int64_t n = 0; n < rows * cols; ++n) {
    const auto col = static_cast<double>(n % cols);
    const auto row = static_cast<double>(n / cols);
    const bool column_first = order == SinCosOrder::kColumnFirst;
    for (std::int64_t c = 0; c < 4 * quarter; ++c) {
      const std::int64_t part = c / quarter;  // sin, cos of the first axis; of the second
      const double place = (part < 2) == column_first ? col : row;
      const double omega =
          std::pow(10000.0, -static_cast<double>(c % quarter) / static_cast<double>(quarter));
      const double value = part % 2 == 0 ? std::sin(place * omega) : std::cos(place * omega);
      out[static_cast<std::size_t>(n * width + c)] = static_cast<float>(value);
    }
  }
  return out;
}

HostTensor initial_tensor(const TensorEntry& entry, std::uint64_t seed) {
  HostTensor tensor = HostTensor::zeros(DType::kF32, entry.shape);
  if (entry.init == Init::kSinCos) {
    const std::vector<float> table =
        sincos_table(entry.grid_rows, entry.grid_cols, entry.shape.back(), entry.order);
    const std::span<float> out = tensor.mutable_data<float>();
    std::copy(table.begin(), table.end(), out.end() - std::ssize(table));
    return tensor;
  }
  Rng rng(seed, RngPurpose::kInit, 0, fnv1a(entry.name));
  for (float& value : tensor.mutable_data<float>()) {
    switch (entry.init) {
      case Init::kConstant:
        value = static_cast<float>(entry.value);
        break;
      case Init::kNormal:
        value = static_cast<float>(rng.normal(0.0, entry.value));
        break;
      case Init::kSinCos:
        break;  // above
      case Init::kUniform:
        value = static_cast<float>(rng.uniform(-entry.value, entry.value));
        break;
    }
  }
  return tensor;
}

}  // namespace conopa::arch
