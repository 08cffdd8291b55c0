#include "io/torch_types.h"

#include <algorithm>
#include <array>

namespace conopa {
namespace {

struct Row {
  std::string_view storage;  // prefix of the storage class
  std::string_view dtype;
  std::string_view alias;  // second name of the dtype object
  std::int64_t bytes;
  std::optional<DType> known;
};

constexpr std::array<Row, 26> kRows{{
    {"Float", "float32", "float", 4, DType::kF32},
    {"Half", "float16", "half", 2, DType::kF16},
    {"BFloat16", "bfloat16", "bfloat16", 2, DType::kBF16},
    {"Double", "float64", "double", 8, DType::kF64},
    {"Long", "int64", "long", 8, DType::kI64},
    {"Int", "int32", "int", 4, DType::kI32},
    {"Short", "int16", "short", 2, DType::kI16},
    {"Char", "int8", "int8", 1, DType::kI8},
    {"Byte", "uint8", "uint8", 1, DType::kU8},
    {"Bool", "bool", "bool", 1, DType::kBool},
    {"Untyped", "uint8", "uint8", 1, DType::kU8},
    {"_Untyped", "uint8", "uint8", 1, DType::kU8},
    {"ComplexFloat", "complex64", "cfloat", 8, std::nullopt},
    {"ComplexDouble", "complex128", "cdouble", 16, std::nullopt},
    {"QInt8", "qint8", "qint8", 1, std::nullopt},
    {"QUInt8", "quint8", "quint8", 1, std::nullopt},
    {"QInt32", "qint32", "qint32", 4, std::nullopt},
    {"", "uint16", "uint16", 2, std::nullopt},
    {"", "uint32", "uint32", 4, std::nullopt},
    {"", "uint64", "uint64", 8, std::nullopt},
    {"", "float8_e4m3fn", "float8_e4m3fn", 1, std::nullopt},
    {"", "float8_e4m3fnuz", "float8_e4m3fnuz", 1, std::nullopt},
    {"", "float8_e5m2", "float8_e5m2", 1, std::nullopt},
    {"", "float8_e5m2fnuz", "float8_e5m2fnuz", 1, std::nullopt},
    {"", "float8_e8m0fnu", "float8_e8m0fnu", 1, std::nullopt},
    {"", "complex32", "chalf", 4, std::nullopt},
}};

constexpr std::string_view kModule = "torch.";
constexpr std::string_view kStorageSuffix = "Storage";

TorchType type_of(const Row& row) {
  const std::string_view name = row.known ? dtype_name(*row.known) : row.dtype;
  return {row.known, row.bytes, std::string(name)};
}

}  // namespace

std::optional<TorchType> torch_type_of_storage(std::string_view class_name) {
  if (!class_name.starts_with(kModule) || !class_name.ends_with(kStorageSuffix)) {
    return std::nullopt;
  }
  class_name.remove_prefix(class_name.rfind('.') + 1);  // torch.cuda.FloatStorage and the like
  class_name.remove_suffix(kStorageSuffix.size());
  for (const Row& row : kRows) {
    if (!row.storage.empty() && row.storage == class_name) return type_of(row);
  }
  return TorchType{std::nullopt, std::nullopt, std::string(class_name)};
}

std::optional<TorchType> torch_type_of_dtype(std::string_view dtype_name) {
  if (!dtype_name.starts_with(kModule)) return std::nullopt;
  dtype_name.remove_prefix(kModule.size());
  if (dtype_name.find('.') != std::string_view::npos) return std::nullopt;
  for (const Row& row : kRows) {
    if (row.dtype == dtype_name || row.alias == dtype_name) return type_of(row);
  }
  return TorchType{std::nullopt, std::nullopt, std::string(dtype_name)};
}

std::string torch_storage_name(DType dtype) {
  const auto row = std::ranges::find(kRows, std::optional<DType>(dtype), &Row::known);
  return std::string(row->storage) + std::string(kStorageSuffix);  // every DType has a row
}

}  // namespace conopa
