#include "engine/stored_matrix.h"

#include <atomic>
#include <cmath>
#include <cstring>

#include "conopa/core/dtype.h"
#include "conopa/core/error.h"
#include "conopa/core/parallel.h"

namespace conopa::engine {
namespace {

using kernels::WeightForm;

constexpr std::int64_t kGrain = 1 << 16;  // elements

[[noreturn]] void throw_not_finite(const TensorSource& source, const std::string& name) {
  throw FormatError(source.where(),
                    "expected finite values in {}, found NaN or infinity; the "
                    "weights are damaged, import or train again",
                    name);
}

// Whether no element has all bits of `exponent` set: neither infinity nor NaN. Works on bits, since
// mapped data may lie at any address.
template <typename Bits>
bool finite_bits(std::span<const std::byte> bytes, Bits exponent) {
  std::atomic<bool> finite = true;
  const auto count = static_cast<std::int64_t>(bytes.size() / sizeof(Bits));
  parallel_for(0, count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    unsigned found = 0;
    const std::byte* at = bytes.data() + static_cast<std::size_t>(begin) * sizeof(Bits);
    for (std::int64_t i = begin; i < end; ++i, at += sizeof(Bits)) {
      Bits value;
      std::memcpy(&value, at, sizeof value);
      found |= static_cast<unsigned>((value & exponent) == exponent);
    }
    if (found != 0) finite = false;
  });
  return finite;
}

bool finite_tensor(const HostTensor& tensor) {
  switch (tensor.dtype()) {
    case DType::kF32:
      return finite_bits<std::uint32_t>(tensor.bytes(), 0x7F800000U);
    case DType::kF16:
      return finite_bits<std::uint16_t>(tensor.bytes(), 0x7C00U);
    default:
      return finite_bits<std::uint16_t>(tensor.bytes(), 0x7F80U);
  }
}

WeightForm form_of(QuantForm form) noexcept {
  return form == QuantForm::kInt8   ? WeightForm::kI8
         : form == QuantForm::kQ8_0 ? WeightForm::kQ8_0
                                    : WeightForm::kQ4_0;
}

std::optional<WeightForm> form_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::kF32:
      return WeightForm::kF32;
    case DType::kF16:
      return WeightForm::kF16;
    case DType::kBF16:
      return WeightForm::kBf16;
    default:
      return std::nullopt;
  }
}

}  // namespace

void require_finite(const TensorSource& source, const std::string& name,
                    std::span<const float> values) {
  if (!finite_bits<std::uint32_t>(std::as_bytes(values), 0x7F800000U)) {
    throw_not_finite(source, name);
  }
}

StoredMatrix::StoredMatrix(const TensorSource& source, const std::string& name) {
  if (std::optional<QuantMatrix> quantised = source.read_quantised(name)) {
    form_ = form_of(quantised->form);
    rows_ = quantised->rows;
    columns_ = quantised->columns;
    row_bytes_ = quantised->row_bytes();
    tensor_ = std::move(quantised->values);
    scale_ = std::move(quantised->scale);
    data_ = tensor_.bytes().data();
    return;
  }
  tensor_ = source.read(name);
  rows_ = tensor_.dim(0);
  columns_ = rows_ == 0 ? 0 : tensor_.numel() / rows_;
  if (const std::optional<WeightForm> form = form_of(tensor_.dtype())) {
    if (!finite_tensor(tensor_)) throw_not_finite(source, name);
    form_ = *form;
    data_ = tensor_.bytes().data();
    row_bytes_ = columns_ * dtype_size(tensor_.dtype());
    return;
  }
  converted_ = tensor_.to_f32();
  require_finite(source, name, converted_);
  data_ = reinterpret_cast<const std::byte*>(converted_.data());
  row_bytes_ = columns_ * static_cast<std::int64_t>(sizeof(float));
}

bool StoredMatrix::is_float() const noexcept {
  return form_ == WeightForm::kF32 || form_ == WeightForm::kF16 || form_ == WeightForm::kBf16;
}

void StoredMatrix::copy_row(std::int64_t row, std::span<float> out) const {
  const std::byte* from = data_ + row * row_bytes_;
  if (form_ == WeightForm::kF32) {
    std::memcpy(out.data(), from, static_cast<std::size_t>(row_bytes_));
    return;
  }
  for (std::int64_t c = 0; c < columns_; ++c, from += sizeof(std::uint16_t)) {
    std::uint16_t bits;
    std::memcpy(&bits, from, sizeof bits);
    out[static_cast<std::size_t>(c)] =
        form_ == WeightForm::kBf16 ? bf16_to_float(bits) : half_to_float(bits);
  }
}

kernels::WeightView StoredMatrix::view(std::int64_t begin) const noexcept {
  return {.form = form_,
          .data = data_ + begin * row_bytes_,
          .scale = scale_.empty() ? nullptr : scale_.data() + begin};
}

}  // namespace conopa::engine
