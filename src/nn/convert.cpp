#include "conopa/nn/convert.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>

#include "conopa/core/error.h"

namespace conopa::nn {
namespace {

struct Row {
  DType dtype;
  at::ScalarType scalar;
};
constexpr std::array<Row, 10> kRows{{{DType::kF64, at::kDouble},
                                     {DType::kF32, at::kFloat},
                                     {DType::kF16, at::kHalf},
                                     {DType::kBF16, at::kBFloat16},
                                     {DType::kI64, at::kLong},
                                     {DType::kI32, at::kInt},
                                     {DType::kI16, at::kShort},
                                     {DType::kI8, at::kChar},
                                     {DType::kU8, at::kByte},
                                     {DType::kBool, at::kBool}}};

}  // namespace

at::ScalarType scalar_type(DType dtype) { return kRows[static_cast<std::size_t>(dtype)].scalar; }

at::Tensor to_torch(const HostTensor& tensor) {
  at::Tensor out =
      at::empty(tensor.shape(), at::TensorOptions().dtype(scalar_type(tensor.dtype())));
  if (tensor.numel() > 0) {
    std::memcpy(out.data_ptr(), tensor.bytes().data(), tensor.bytes().size());
  }
  return out;
}

at::Tensor to_torch(const HostTensor& tensor, at::ScalarType dtype) {
  return to_torch(tensor).to(dtype);
}

at::Tensor view_as_torch(const HostTensor& tensor) {
  // The deleter's copy of the host tensor keeps its bytes alive.
  auto* data = const_cast<std::byte*>(tensor.bytes().data());
  return at::from_blob(
      data, tensor.shape(), [tensor](void*) {},
      at::TensorOptions().dtype(scalar_type(tensor.dtype())));
}

HostTensor to_host(const at::Tensor& tensor) {
  for (const Row& row : kRows) {
    if (row.scalar != tensor.scalar_type()) continue;
    const at::Tensor flat = tensor.detach().cpu().contiguous();
    auto owner = std::make_shared<const at::Tensor>(
        flat.is_same(tensor) || flat.is_alias_of(tensor) ? flat.clone() : flat);
    const auto* data = static_cast<const std::byte*>(owner->data_ptr());
    const std::span<const std::byte> bytes(data, owner->nbytes());
    return {row.dtype, owner->sizes().vec(), bytes, owner};
  }
  throw UnsupportedError("tensor", "cannot store elements of type {}",
                         c10::toString(tensor.scalar_type()));
}

std::span<float> floats(const at::Tensor& tensor) {
  CONOPA_ASSERT(tensor.scalar_type() == at::kFloat && tensor.is_contiguous() &&
                tensor.device().is_cpu());
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

}  // namespace conopa::nn
