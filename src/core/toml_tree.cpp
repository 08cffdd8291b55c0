#include "core/toml_tree.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conopa/core/config.h"
#include "conopa/core/error.h"

namespace conopa::detail {
namespace {

using Source = std::shared_ptr<const ValueSource>;

[[noreturn]] void refuse_depth(const Location& where) {
  throw ConfigError(to_string(where), "tables and arrays may nest {} deep at most; flatten them",
                    Config::kMaxDepth);
}

/// Refuses, before the parser runs, what the parser cannot take: nesting that exhausts its stack or
/// that of its tree's destructor (dotted keys `a.a.a. ...` it does not bound at all), and
/// characters outside ASCII where TOML allows none (toml++ 3.3 then has undefined behaviour). Text
/// with a syntax error may be misjudged after it; the parser stops there.
class Guard {
 public:
  Guard(std::string_view text, const Source& source) : text_(text), source_(source) {}

  void check() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // a byte order mark is allowed
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      switch (c) {
        case '#':
          skip_comment();
          break;
        case '"':
        case '\'':
          skip_string(c);
          break;
        case '.':
          ++dots_;
          break;
        case '[':
        case '{':
          ++open_;
          dots_ = 0;
          break;
        case ']':
        case '}':
          open_ -= open_ > 0 ? 1 : 0;
          dots_ = 0;
          break;
        case '\n':
          ++line_;
          [[fallthrough]];
        case '=':
        case ',':
          dots_ = 0;
          break;
        default:
          break;
      }
      if (dots_ > Config::kMaxDepth || open_ > Config::kMaxDepth) refuse_depth(here());
      if (static_cast<unsigned char>(c) >= 0x80U) {
        throw ConfigError(to_string(here()),
                          "not valid TOML: letters outside ASCII need quotes, also in keys");
      }
    }
  }

 private:
  void skip_comment() {
    const std::size_t end = text_.find('\n', at_);
    at_ = end == std::string_view::npos ? text_.size() : end;
  }

  void skip_string(char quote) {
    const std::string triple(3, quote);
    const bool multi = text_.substr(at_ - 1, 3) == triple;
    if (multi) at_ += 2;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        if (!multi) return;
        ++line_;
      }
      if (c == '\\' && quote == '"') {
        ++at_;  // whatever follows is escaped
        if (at_ < text_.size() && text_[at_] == '\n') ++line_;
      } else if (c == quote && (!multi || text_.substr(at_, 3) == triple)) {
        at_ += multi ? 3 : 1;
        // Up to two quotes right before the closing three belong to the string.
        for (int i = 0; multi && i < 2 && at_ < text_.size() && text_[at_] == quote; ++i) ++at_;
        return;
      }
      ++at_;
    }
  }

  [[nodiscard]] Location here() const {
    const std::size_t before = text_.substr(0, at_ - 1).rfind('\n');
    const std::size_t start = before == std::string_view::npos ? 0 : before + 1;
    return {source_, line_, static_cast<std::uint32_t>(at_ - start)};
  }

  std::string_view text_;
  Source source_;
  std::size_t at_ = 0;
  std::size_t dots_ = 0;
  std::size_t open_ = 0;
  std::uint32_t line_ = 1;
};

class Converter {
 public:
  explicit Converter(Source source) : source_(std::move(source)) {}

  ValueTable table(const toml::table& in, std::size_t depth) const {
    ValueTable out;
    for (const auto& [key, node] : in) {
      out.set(key.str(), value(node, locate(key.source()), depth));
    }
    return out;
  }

 private:
  Location locate(const toml::source_region& region) const {
    return {source_, region.begin.line, region.begin.column};
  }

  ValueNode value(const toml::node& node, Location where, std::size_t depth) const {
    ValueNode out;
    out.where = std::move(where);
    if (depth >= Config::kMaxDepth) refuse_depth(out.where);
    if (const toml::table* inner = node.as_table()) {
      out.value = table(*inner, depth + 1);
    } else if (const toml::array* items = node.as_array()) {
      ValueArray array;
      for (const toml::node& item : *items) {
        array.items.push_back(value(item, locate(item.source()), depth + 1));
      }
      out.value = std::move(array);
    } else if (const auto* text = node.as_string()) {
      out.value = text->get();
    } else if (const auto* integer = node.as_integer()) {
      out.value = integer->get();
    } else if (const auto* number = node.as_floating_point()) {
      out.value = number->get();
    } else if (const auto* flag = node.as_boolean()) {
      out.value = flag->get();
    } else {
      out.value = UnsupportedValue{"a date or time"};
    }
    return out;
  }

  Source source_;
};

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool is_bare_key(std::string_view part) {
  return !part.empty() && part.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string_view::npos;
}

// The value as TOML, if it is exactly one such value that options can hold.
std::optional<ValueNode> parse_value(std::string_view text, const Source& source) {
  ValueTable table;
  try {
    table = parse_toml(fmt::format("v = {}", text), source);
  } catch (const ConfigError&) {
    return std::nullopt;
  }
  std::vector<std::pair<std::string, ValueNode>> entries = table.take();
  if (entries.size() != 1 || entries[0].first != "v") return std::nullopt;
  ValueNode node = std::move(entries[0].second);
  if (std::holds_alternative<UnsupportedValue>(node.value)) return std::nullopt;
  return node;
}

// A column inside an override would only confuse: its text is short.
void set_source(ValueNode& node, const Source& source) {
  node.where = {source, 0, 0};
  if (auto* array = std::get_if<ValueArray>(&node.value)) {
    for (ValueNode& item : array->items) set_source(item, source);
  } else if (ValueTable* table = node.table()) {
    const std::vector<std::string> names = table->names();
    for (const std::string& name : names) set_source(*table->find(name), source);
  }
}

}  // namespace

ValueTable parse_toml(std::string_view text, Source source) {
  Guard(text, source).check();
  try {
    const toml::table parsed = toml::parse(text, std::string_view(source->name));
    return Converter(source).table(parsed, 0);
  } catch (const toml::parse_error& e) {
    const Location where{source, e.source().begin.line, e.source().begin.column};
    throw ConfigError(to_string(where), "not valid TOML: {}", printable(e.description(), 200));
  }
}

void apply_override(ValueTable& root, std::string_view text) {
  const std::string where = fmt::format("--set {}", printable(text, 80));
  const std::size_t equals = text.find('=');
  const std::vector<std::string> path = split_path(text.substr(0, equals));
  bool valid = equals != std::string_view::npos && path.size() <= Config::kMaxDepth;
  for (const std::string& part : path) valid = valid && is_bare_key(part);
  if (!valid || text.size() > Config::kMaxBytes) {
    throw ConfigError(where, "expected key=value with a key like train.epochs");
  }
  const std::string_view raw = text.substr(equals + 1);
  const auto source = std::make_shared<const ValueSource>(ValueSource{where, std::nullopt});

  ValueTable* table = &root;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    ValueNode* node = table->find(path[i]);
    if (node == nullptr) node = &table->set(path[i], {ValueTable{}, {source, 0, 0}});
    if (node->table() == nullptr) {
      throw ConfigError(where, "'{}' is {} at {}, not a table", path[i], describe_value(*node),
                        to_string(node->where));
    }
    table = node->table();
  }
  std::optional<ValueNode> value = parse_value(raw, source);
  if (!value) value = ValueNode{std::string(raw), {}};
  set_source(*value, source);
  // Only the value as a whole may be taken literally, not its elements.
  value->where.source = std::make_shared<const ValueSource>(ValueSource{where, std::string(raw)});
  ValueTable single;
  single.set(path.back(), std::move(*value));
  merge(*table, std::move(single));
}

}  // namespace conopa::detail
