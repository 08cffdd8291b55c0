#include "conopa/core/fields_json.h"

#include <fmt/format.h>

#include <utility>

#include "core/json_tree.h"
#include "core/tree_reader.h"
#include "core/tree_writer.h"
#include "core/value_tree.h"

namespace conopa::detail {
namespace {

std::string key_text(const std::string& name) { return json_value({name, {}}); }

void append_object(const ValueTable& table, const std::string& indent, std::string& out) {
  if (table.names().empty()) {
    out += "{}";
    return;
  }
  const std::string inner = indent + "  ";
  out += "{\n";
  for (const std::string& name : table.names()) {
    const ValueNode& node = *table.find(name);
    out += fmt::format("{}{}: ", inner, key_text(name));
    if (const ValueTable* section = node.table()) {
      append_object(*section, inner, out);
    } else {
      out += json_value(node);
    }
    out += name == table.names().back() ? "\n" : ",\n";
  }
  out += indent + "}";
}

bool is_bare(const std::string& name) {
  return !name.empty() && name.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
}

std::string toml_key(const std::string& name) {
  return is_bare(name) ? name : toml_value({name, {}});
}

// A table's own values come before its sub-tables: after `[a.b]` nothing can return to `[a]`.
void append_table(const ValueTable& table, const std::string& path, std::string& out) {
  bool has_values = false;
  for (const std::string& name : table.names()) {
    const ValueNode& node = *table.find(name);
    has_values = has_values || node.table() == nullptr;
  }
  if (!path.empty() && (has_values || table.names().empty())) {
    out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", path);
  }
  for (const std::string& name : table.names()) {
    const ValueNode& node = *table.find(name);
    if (node.table() == nullptr) out += fmt::format("{} = {}\n", toml_key(name), toml_value(node));
  }
  for (const std::string& name : table.names()) {
    const ValueNode& node = *table.find(name);
    if (const ValueTable* section = node.table()) {
      append_table(*section, path.empty() ? toml_key(name) : path + "." + toml_key(name), out);
    }
  }
}

/// One row per field; TreeWriter knows how each value is spelt.
class Describer final : public FieldVisitor {
 public:
  [[nodiscard]] std::string take() { return std::move(out_); }

  void choice(std::string_view name, std::string& v, std::span<const std::string_view> allowed,
              std::string_view help) override {
    row(name, &v, fmt::format("{} (one of: {})", help, fmt::join(allowed, ", ")));
  }

 protected:
  void visit_field(std::string_view name, FieldRef value, std::string_view help) override {
    row(name, value, help);
  }
  bool begin_section(std::string_view name, std::string_view) override {
    prefixes_.push_back(fmt::format("{}{}.", prefixes_.back(), name));
    return true;
  }
  void end_section() override { prefixes_.pop_back(); }

 private:
  void row(std::string_view name, FieldRef value, std::string_view help) {
    TreeWriter writer;
    std::visit([&](auto* field) { writer.field(name, *field, help); }, value);
    out_ += fmt::format("| `{}{}` | `{}` | {} |\n", prefixes_.back(), name,
                        cell(toml_value(*writer.root().find(name))), cell(help));
  }

  static std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c == '|') out += '\\';
      out += c == '\n' ? ' ' : c;
    }
    return out;
  }

  std::vector<std::string> prefixes_{""};
  std::string out_ = "| key | default | meaning |\n|---|---|---|\n";
};

}  // namespace

std::string write_json(const VisitCall& call) {
  TreeWriter writer;
  call(writer);
  std::string out;
  append_object(writer.root(), "", out);
  return out + "\n";
}

std::string write_toml(const VisitCall& call) {
  TreeWriter writer;
  call(writer);
  std::string out;
  append_table(writer.root(), "", out);
  return out;
}

std::string write_description(const VisitCall& call) {
  Describer describer;
  call(describer);
  return describer.take();
}

void read_json(std::string_view text, std::string_view where, const VisitCall& call,
               std::vector<std::string>* unknown) {
  ValueTable table = parse_json(text, where);
  TreeReader reader(table, "", unknown == nullptr ? NullRule::kRefuse : NullRule::kAbsent);
  call(reader);
  const std::vector<UnknownKey> left = unknown_keys(table, "");
  if (unknown == nullptr) {
    refuse(left);
  } else {
    for (const UnknownKey& key : left) unknown->push_back(key.path);
  }
}

}  // namespace conopa::detail
