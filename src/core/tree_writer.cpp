#include "core/tree_writer.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace conopa::detail {
namespace {

using Json = nlohmann::json;

std::string json_string(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// JSON's escapes are TOML's, but for DEL, which TOML wants escaped too.
std::string toml_string(const std::string& text) {
  std::string out;
  for (const char c : json_string(text)) {
    if (c == '\x7f') {
      out += "\\u007F";
    } else {
      out += c;
    }
  }
  return out;
}

std::string non_finite_name(double value) {
  if (std::isnan(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

struct Render {
  bool toml;

  std::string operator()(std::monostate) const { return "null"; }
  std::string operator()(const UnsupportedValue&) const { return "null"; }
  std::string operator()(bool v) const { return v ? "true" : "false"; }
  std::string operator()(std::int64_t v) const { return fmt::format("{}", v); }
  std::string operator()(double v) const {
    if (!std::isfinite(v)) return toml ? non_finite_name(v) : json_string(non_finite_name(v));
    return Json(v).dump();  // the shortest text that reads back to the same number
  }
  std::string operator()(const std::string& v) const {
    return toml ? toml_string(v) : json_string(v);
  }
  std::string operator()(const ValueArray& v) const {
    std::vector<std::string> items;
    items.reserve(v.items.size());
    for (const ValueNode& item : v.items) items.push_back(std::visit(*this, item.value));
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  std::string operator()(const ValueTable&) const { return "{}"; }
};

}  // namespace

template <typename T>
void TreeWriter::write(std::string_view name, const T& value) {
  tables_.back()->set(name, {value, {}});
}

template <typename T>
void TreeWriter::write(std::string_view name, const std::vector<T>& values) {
  ValueArray array;
  array.items.reserve(values.size());
  for (const T& value : values) array.items.push_back({value, {}});
  tables_.back()->set(name, {std::move(array), {}});
}

void TreeWriter::visit_field(std::string_view name, FieldRef value, std::string_view) {
  std::visit([&](const auto* field) { write(name, *field); }, value);
}
void TreeWriter::choice(std::string_view name, std::string& value,
                        std::span<const std::string_view>, std::string_view) {
  write(name, value);
}

bool TreeWriter::begin_section(std::string_view name, std::string_view) {
  // Two sections of one name share a table: a struct may be split over several visits.
  ValueNode* node = tables_.back()->find(name);
  if (node == nullptr) node = &tables_.back()->set(name, {ValueTable{}, {}});
  CONOPA_ASSERT(node->table() != nullptr);
  tables_.push_back(node->table());
  return true;
}

void TreeWriter::end_section() { tables_.pop_back(); }

std::string json_value(const ValueNode& node) { return std::visit(Render{false}, node.value); }
std::string toml_value(const ValueNode& node) { return std::visit(Render{true}, node.value); }

}  // namespace conopa::detail
