#include "conopa/io/gguf_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "conopa/core/error.h"

namespace conopa {
namespace {

struct KindRow {
  std::string_view name;
  std::int64_t size;
};
// In the order of the enumeration.
constexpr std::array<KindRow, 13> kKinds{{{"u8", 1},
                                          {"i8", 1},
                                          {"u16", 2},
                                          {"i16", 2},
                                          {"u32", 4},
                                          {"i32", 4},
                                          {"f32", 4},
                                          {"bool", 1},
                                          {"string", 0},
                                          {"array", 0},
                                          {"u64", 8},
                                          {"i64", 8},
                                          {"f64", 8}}};

}  // namespace

std::optional<std::string_view> gguf_kind_name(std::uint32_t kind) noexcept {
  if (kind >= kKinds.size()) return std::nullopt;
  return kKinds[kind].name;
}

std::int64_t gguf_kind_size(GgufKind kind) noexcept {
  return kKinds[static_cast<std::size_t>(kind)].size;
}

GgufValue GgufValue::array(GgufKind element, std::vector<GgufValue> items) {
  for (const GgufValue& item : items) CONOPA_ASSERT(item.kind_ == element);
  GgufValue out(GgufKind::kArray, std::move(items));
  out.element_ = element;
  return out;
}

GgufValue GgufValue::strings(const std::vector<std::string>& texts) {
  std::vector<GgufValue> items;
  items.reserve(texts.size());
  for (const std::string& text : texts) items.push_back(string(text));
  return array(GgufKind::kString, std::move(items));
}

std::uint64_t GgufValue::bits() const noexcept {
  const auto* bits = std::get_if<std::uint64_t>(&data_);
  return bits == nullptr ? 0 : *bits;
}

std::optional<std::int64_t> GgufValue::as_int() const noexcept {
  const auto* bits = std::get_if<std::uint64_t>(&data_);
  if (bits == nullptr) return std::nullopt;
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (kind_ == GgufKind::kU64 && *bits > kMost) return std::nullopt;
  return static_cast<std::int64_t>(*bits);
}

std::optional<double> GgufValue::as_float() const noexcept {
  if (const auto* value = std::get_if<double>(&data_)) return *value;
  if (kind_ == GgufKind::kBool) return std::nullopt;
  const std::optional<std::int64_t> value = as_int();
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}

std::optional<bool> GgufValue::as_bool() const noexcept {
  if (kind_ != GgufKind::kBool) return std::nullopt;
  return std::get<std::uint64_t>(data_) != 0;
}

std::optional<std::string_view> GgufValue::as_string() const noexcept {
  const auto* text = std::get_if<std::string>(&data_);
  if (text == nullptr) return std::nullopt;
  return *text;
}

const std::vector<GgufValue>& GgufValue::items() const noexcept {
  static const std::vector<GgufValue> kNone;
  const auto* items = std::get_if<std::vector<GgufValue>>(&data_);
  return items == nullptr ? kNone : *items;
}

std::string GgufValue::describe() const {
  if (const auto text = as_string()) return std::string(*text);
  if (const auto truth = as_bool()) return *truth ? "true" : "false";
  if (kind_ == GgufKind::kArray) {
    return fmt::format("[{} {}]", items().size(), kKinds[static_cast<std::size_t>(element_)].name);
  }
  if (kind_ == GgufKind::kF32)
    return fmt::format("{}", static_cast<float>(std::get<double>(data_)));
  if (kind_ == GgufKind::kF64) return fmt::format("{}", std::get<double>(data_));
  if (kind_ == GgufKind::kU64) return fmt::format("{}", std::get<std::uint64_t>(data_));
  return fmt::format("{}", static_cast<std::int64_t>(std::get<std::uint64_t>(data_)));
}

}  // namespace conopa
