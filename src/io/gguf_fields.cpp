#include "conopa/io/gguf_fields.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "conopa/core/error.h"
#include "io/printable.h"

namespace conopa::detail {
namespace {

using Json = nlohmann::ordered_json;

GgufValue value_of(bool value) { return GgufValue::boolean(value); }
GgufValue value_of(std::int64_t value) { return GgufValue::i64(value); }
GgufValue value_of(double value) { return GgufValue::f64(value); }
GgufValue value_of(const std::string& value) { return GgufValue::string(value); }

GgufKind kind_of(const std::vector<std::int64_t>&) { return GgufKind::kI64; }
GgufKind kind_of(const std::vector<double>&) { return GgufKind::kF64; }
GgufKind kind_of(const std::vector<std::string>&) { return GgufKind::kString; }

template <typename T>
GgufValue value_of(const std::vector<T>& values) {
  std::vector<GgufValue> items;
  for (const T& value : values) items.push_back(value_of(value));
  return GgufValue::array(kind_of(values), std::move(items));
}

/// Turns visited fields into metadata entries.
class EntryWriter : public FieldVisitor {
 public:
  EntryWriter(GgufEntries& out, std::string_view prefix)
      : out_(out), prefixes_{std::string(prefix)} {}

  void choice(std::string_view name, std::string& value, std::span<const std::string_view>,
              std::string_view) override {
    append(name, value_of(value));
  }

 protected:
  void visit_field(std::string_view name, FieldRef value, std::string_view) override {
    std::visit([&](const auto* field) { append(name, value_of(*field)); }, value);
  }
  bool begin_section(std::string_view name, std::string_view) override {
    prefixes_.push_back(prefixes_.back() + std::string(name) + ".");
    return true;
  }
  void end_section() override { prefixes_.pop_back(); }

 private:
  void append(std::string_view name, GgufValue value) {
    out_.emplace_back(prefixes_.back() + std::string(name), std::move(value));
  }

  GgufEntries& out_;
  std::vector<std::string> prefixes_;
};

Json json_of(const GgufValue& value) {
  if (value.kind() == GgufKind::kArray) {
    Json out = Json::array();
    for (const GgufValue& item : value.items()) out.push_back(json_of(item));
    return out;
  }
  if (const auto text = value.as_string()) return std::string(*text);
  if (const auto truth = value.as_bool()) return *truth;
  if (value.kind() == GgufKind::kU64) return value.bits();
  if (const auto integer = value.as_int()) return *integer;
  const double number = value.as_float().value();
  if (std::isfinite(number)) return number;
  return std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";  // as from_json expects them
}

/// Puts a value at "a.b.c" of nested objects; whether no other value is in the way.
bool insert(Json& root, std::string_view key, Json value) {
  Json* at = &root;
  for (;;) {
    if (!at->is_object()) return false;
    const std::size_t dot = key.find('.');
    Json& next = (*at)[std::string(key.substr(0, dot))];
    if (dot == std::string_view::npos) {
      if (!next.is_null()) return false;
      next = std::move(value);
      return true;
    }
    if (next.is_null()) next = Json::object();
    at = &next;
    key.remove_prefix(dot + 1);
  }
}

}  // namespace

void append_gguf_fields(GgufEntries& out, std::string_view prefix, const VisitCall& call) {
  EntryWriter writer(out, prefix);
  call(writer);
}

std::string gguf_fields_json(const GgufFile& file, std::string_view prefix) {
  Json root = Json::object();
  for (const auto& [key, value] : file.entries()) {
    if (!key.starts_with(prefix)) continue;
    if (!insert(root, std::string_view(key).substr(prefix.size()), json_of(value))) {
      throw FormatError(file.where(),
                        "metadata key '{}' is both a value and a section; write the "
                        "file again",
                        printable(key));
    }
  }
  return root.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace conopa::detail
