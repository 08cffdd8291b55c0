#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "conopa/core/dtype.h"

namespace conopa {

/// Type of a GGUF metadata value; the numbers are those of the format.
enum class GgufKind : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12
};

/// One metadata value. Strings are kept as the bytes of the file, UTF-8 or not.
class GgufValue {
 public:
  [[nodiscard]] static GgufValue u32(std::uint32_t value) { return {GgufKind::kU32, value}; }
  [[nodiscard]] static GgufValue i64(std::int64_t value) {
    return {GgufKind::kI64, static_cast<std::uint64_t>(value)};
  }
  [[nodiscard]] static GgufValue f32(float value) {
    return {GgufKind::kF32, static_cast<double>(value)};
  }
  [[nodiscard]] static GgufValue f64(double value) { return {GgufKind::kF64, value}; }
  [[nodiscard]] static GgufValue boolean(bool value) {
    return {GgufKind::kBool, static_cast<std::uint64_t>(value)};
  }
  [[nodiscard]] static GgufValue string(std::string text) {
    return {GgufKind::kString, std::move(text)};
  }
  /// An integer or boolean of any kind, by its value as 64 bits (sign-extended).
  [[nodiscard]] static GgufValue integer(GgufKind kind, std::uint64_t bits) { return {kind, bits}; }
  /// @param items  all of the kind `element`; an array may hold arrays.
  [[nodiscard]] static GgufValue array(GgufKind element, std::vector<GgufValue> items);
  [[nodiscard]] static GgufValue strings(const std::vector<std::string>& texts);

  [[nodiscard]] GgufKind kind() const noexcept { return kind_; }
  /// Kind of an array's items.
  [[nodiscard]] GgufKind element() const noexcept { return element_; }

  /// Value of an integer or boolean as 64 bits, sign-extended; 0 for other kinds.
  [[nodiscard]] std::uint64_t bits() const noexcept;
  /// Integers (an unsigned one only if it fits) and booleans.
  [[nodiscard]] std::optional<std::int64_t> as_int() const noexcept;
  /// Floats and integers.
  [[nodiscard]] std::optional<double> as_float() const noexcept;
  [[nodiscard]] std::optional<bool> as_bool() const noexcept;
  [[nodiscard]] std::optional<std::string_view> as_string() const noexcept;
  /// Items of an array; empty for other kinds.
  [[nodiscard]] const std::vector<GgufValue>& items() const noexcept;

  /// For listings: scalars as text, arrays as "[128256 string]".
  [[nodiscard]] std::string describe() const;

  friend bool operator==(const GgufValue&, const GgufValue&) = default;

 private:
  using Data = std::variant<std::uint64_t, double, std::string, std::vector<GgufValue>>;
  GgufValue(GgufKind kind, Data data) : kind_(kind), data_(std::move(data)) {}

  GgufKind kind_;
  GgufKind element_ = GgufKind::kU8;
  Data data_;
};

/// Metadata in the order of the file.
using GgufEntries = std::vector<std::pair<std::string, GgufValue>>;

/// "u32", "string", ...; nothing for a number that is no kind.
[[nodiscard]] std::optional<std::string_view> gguf_kind_name(std::uint32_t kind) noexcept;
/// Bytes of one scalar; 0 for strings and arrays.
[[nodiscard]] std::int64_t gguf_kind_size(GgufKind kind) noexcept;

/// How GGUF stores the elements of a tensor: `bytes` for every `block` elements of a row.
struct GgufType {
  std::uint32_t id = 0;
  std::string_view name;  ///< "F32", "Q8_0", ...
  std::int64_t block = 1;
  std::int64_t bytes = 0;
  std::optional<DType> dtype;  ///< of single elements; nothing for blocks

  friend bool operator==(const GgufType&, const GgufType&) = default;
};

/// The type of that number or name; null for one that this version does not know.
[[nodiscard]] const GgufType* find_gguf_type(std::uint32_t id) noexcept;
[[nodiscard]] const GgufType* find_gguf_type(std::string_view name) noexcept;
/// The type that holds elements of a dtype; null for U8 and BOOL, which GGUF lacks.
[[nodiscard]] const GgufType* find_gguf_type(DType dtype) noexcept;

}  // namespace conopa
