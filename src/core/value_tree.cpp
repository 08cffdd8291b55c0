#include "core/value_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/nearest.h"

namespace conopa::detail {
namespace {

// A table with more names than this lists none of them in a message.
constexpr std::size_t kMaxListed = 12;

std::string hint_for(const std::string& name, const ValueTable& table) {
  const std::vector<std::string> known(table.known.begin(), table.known.end());
  std::string hint = did_you_mean(name, known);
  if (hint.empty() && !known.empty() && known.size() <= kMaxListed) {
    hint = fmt::format("; known here: {}", fmt::join(known, ", "));
  }
  return hint;
}

void collect_unknown(const ValueTable& table, const std::string& prefix,
                     std::vector<UnknownKey>& out) {
  for (const std::string& name : table.names()) {
    const ValueNode& node = *table.find(name);
    if (!table.known.contains(name)) {
      // A message shows one hint only, and a hostile file may hold very many keys.
      out.push_back({prefix + name, node.where, out.empty() ? hint_for(name, table) : ""});
    } else if (const ValueTable* inner = node.table()) {
      collect_unknown(*inner, prefix + name + ".", out);
    }
  }
}

struct Describe {
  std::string operator()(std::monostate) const { return "null"; }
  std::string operator()(const UnsupportedValue& v) const { return std::string(v.what); }
  std::string operator()(bool v) const { return v ? "true" : "false"; }
  std::string operator()(std::int64_t v) const { return fmt::format("integer {}", v); }
  std::string operator()(double v) const { return fmt::format("number {}", v); }
  std::string operator()(const std::string& v) const {
    return fmt::format("string '{}'", printable(v));
  }
  std::string operator()(const ValueArray&) const { return "an array"; }
  std::string operator()(const ValueTable&) const { return "a table"; }
};

}  // namespace

std::string to_string(const Location& location) {
  const std::string name = location.source ? location.source->name : "config";
  if (location.line == 0) return name;
  return fmt::format("{}:{}:{}", name, location.line, location.column);
}

ValueNode* ValueTable::find(std::string_view name) {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &nodes_[it->second];
}

const ValueNode* ValueTable::find(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &nodes_[it->second];
}

ValueNode& ValueTable::set(std::string_view name, ValueNode node) {
  if (ValueNode* present = find(name)) {
    *present = std::move(node);
    return *present;
  }
  index_.emplace(name, nodes_.size());
  names_.emplace_back(name);
  return nodes_.emplace_back(std::move(node));
}

void ValueTable::erase(std::string_view name) {
  std::vector<std::pair<std::string, ValueNode>> entries = take();
  for (auto& [key, node] : entries) {
    if (key != name) set(key, std::move(node));
  }
}

std::vector<std::pair<std::string, ValueNode>> ValueTable::take() {
  std::vector<std::pair<std::string, ValueNode>> out;
  out.reserve(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    out.emplace_back(std::move(names_[i]), std::move(nodes_[i]));
  }
  names_.clear();
  nodes_.clear();
  index_.clear();
  return out;
}

void merge(ValueTable& under, ValueTable over) {
  for (auto& [name, node] : over.take()) {
    ValueNode* present = under.find(name);
    if (present != nullptr && present->table() != nullptr && node.table() != nullptr) {
      present->where = node.where;
      merge(*present->table(), std::move(*node.table()));
    } else {
      under.set(name, std::move(node));
    }
  }
}

std::vector<UnknownKey> unknown_keys(const ValueTable& table, const std::string& prefix) {
  std::vector<UnknownKey> out;
  collect_unknown(table, prefix, out);
  return out;
}

void refuse(const std::vector<UnknownKey>& keys) {
  if (keys.empty()) return;
  const UnknownKey& first = keys.front();
  std::string others;
  if (keys.size() > 1) {
    others = fmt::format(" ({} more unknown, next: '{}' at {})", keys.size() - 1,
                         printable(keys[1].path), to_string(keys[1].where));
  }
  throw ConfigError(to_string(first.where), "unknown key '{}'{}{}", printable(first.path),
                    first.hint, others);
}

std::string describe_value(const ValueNode& node) { return std::visit(Describe{}, node.value); }

std::string printable(std::string_view text, std::size_t limit) {
  std::string out(text.substr(0, limit));
  if (text.size() > limit) {
    // Drops the bytes of a character that the cut has split.
    while (!out.empty() && (static_cast<unsigned char>(text[out.size()]) & 0xC0U) == 0x80U) {
      out.pop_back();
    }
    out += "...";
  }
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20U || c == '\x7f'; }, '?');
  return out;
}

}  // namespace conopa::detail
