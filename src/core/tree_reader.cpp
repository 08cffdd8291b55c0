#include "core/tree_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/nearest.h"

namespace conopa::detail {
namespace {

template <typename T>
constexpr std::string_view kExpected = "";
template <>
constexpr std::string_view kExpected<bool> = "true or false";
template <>
constexpr std::string_view kExpected<std::int64_t> = "an integer";
template <>
constexpr std::string_view kExpected<double> = "a number";
template <>
constexpr std::string_view kExpected<std::string> = "a string";

// JSON has no spelling for these; to_json writes them as strings.
std::optional<double> non_finite(const std::string& text) {
  if (text == "inf") return HUGE_VAL;
  if (text == "-inf") return -HUGE_VAL;
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

template <typename T>
bool convert(const ValueNode& node, T& out) {
  if (const T* same = std::get_if<T>(&node.value)) {
    out = *same;
    return true;
  }
  if constexpr (std::is_same_v<T, double>) {
    if (const auto* integer = std::get_if<std::int64_t>(&node.value)) {
      out = static_cast<double>(*integer);
      return true;
    }
    if (const auto* text = std::get_if<std::string>(&node.value)) {
      const std::optional<double> special = non_finite(*text);
      if (special) out = *special;
      return special.has_value();
    }
  }
  if constexpr (std::is_same_v<T, std::string>) {
    if (node.where.source && node.where.source->raw) {
      out = *node.where.source->raw;
      return true;
    }
  }
  return false;
}

}  // namespace

TreeReader::TreeReader(ValueTable& table, std::string prefix, NullRule null_rule)
    : tables_{&table}, prefixes_{std::move(prefix)}, null_rule_(null_rule) {}

const ValueNode* TreeReader::find(std::string_view name) {
  tables_.back()->known.emplace(name);
  const ValueNode* node = tables_.back()->find(name);
  const bool null = node != nullptr && std::holds_alternative<std::monostate>(node->value);
  return null && null_rule_ == NullRule::kAbsent ? nullptr : node;
}

template <typename T>
void TreeReader::read(std::string_view name, T& value) {
  const ValueNode* node = find(name);
  if (node != nullptr && !convert(*node, value)) wrong_type(name, kExpected<T>, *node);
}

template <typename T>
void TreeReader::read(std::string_view name, std::vector<T>& value) {
  const ValueNode* node = find(name);
  if (node == nullptr) return;
  const auto* array = std::get_if<ValueArray>(&node->value);
  if (array == nullptr) {
    wrong_type(name, fmt::format("an array, each element {}", kExpected<T>), *node);
  }
  value.clear();
  for (const ValueNode& item : array->items) {
    T element{};
    if (!convert(item, element)) {
      wrong_type(fmt::format("{}[{}]", name, value.size()), kExpected<T>, item);
    }
    value.push_back(std::move(element));
  }
}

void TreeReader::wrong_type(std::string_view name, std::string_view expected,
                            const ValueNode& found) const {
  throw ConfigError(to_string(found.where), "{}{}: expected {}, found {}", prefixes_.back(), name,
                    expected, describe_value(found));
}

void TreeReader::visit_field(std::string_view name, FieldRef value, std::string_view) {
  std::visit([&](auto* field) { read(name, *field); }, value);
}

void TreeReader::choice(std::string_view name, std::string& value,
                        std::span<const std::string_view> allowed, std::string_view) {
  const ValueNode* node = find(name);
  if (node == nullptr) return;
  std::string text;
  if (!convert(*node, text)) wrong_type(name, kExpected<std::string>, *node);
  if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
    throw ConfigError(to_string(node->where), "{}{}: expected one of {}; found '{}'{}",
                      prefixes_.back(), name, fmt::join(allowed, ", "), printable(text),
                      did_you_mean(text, allowed));
  }
  value = std::move(text);
}

bool TreeReader::begin_section(std::string_view name, std::string_view) {
  if (find(name) == nullptr) return false;
  ValueNode* node = tables_.back()->find(name);
  if (node->table() == nullptr) wrong_type(name, "a table", *node);
  tables_.push_back(node->table());
  prefixes_.push_back(fmt::format("{}{}.", prefixes_.back(), name));
  return true;
}

void TreeReader::end_section() {
  tables_.pop_back();
  prefixes_.pop_back();
}

}  // namespace conopa::detail
