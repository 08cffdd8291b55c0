#include "core/json_tree.h"

#include <nlohmann/json.hpp>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "conopa/core/error.h"

namespace conopa::detail {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxDepth = 32;

/// Builds the tree from parser events; unlike a parsed document it sees duplicate keys and can
/// stop at the depth limit.
class TreeBuilder final : public nlohmann::json_sax<Json> {
 public:
  explicit TreeBuilder(std::string_view where)
      : where_(where),
        source_(
            std::make_shared<const ValueSource>(ValueSource{std::string(where), std::nullopt})) {}

  [[nodiscard]] ValueNode take() { return std::move(root_); }

  bool null() override { return add(std::monostate{}); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      return add(UnsupportedValue{"an integer beyond 64 bits"});
    }
    return add(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    // The parser turns integers of any length into floating point.
    if (text.find_first_of(".eE") == string_t::npos) {
      return add(UnsupportedValue{"an integer beyond 64 bits"});
    }
    return add(double{value});
  }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON text has none

  bool start_object(std::size_t) override { return open(ValueTable{}); }
  bool start_array(std::size_t) override { return open(ValueArray{}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (open_.back().node.table()->find(name) != nullptr) {
      throw ConfigError(where_, "key '{}' stands twice in one object", printable(name));
    }
    // Reserves the place, so that a duplicate is found and the order kept.
    open_.back().node.table()->set(name, {{}, {source_, 0, 0}});
    open_.back().key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& e) override {
    throw ConfigError(where_, "not valid JSON at byte {}: {}", position, printable(e.what(), 200));
  }

 private:
  struct Open {
    ValueNode node;
    std::string key;
  };

  template <typename Value>
  bool add(Value value) {
    return place({std::move(value), {source_, 0, 0}});
  }

  bool place(ValueNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (ValueTable* table = open_.back().node.table()) {
      table->set(open_.back().key, std::move(node));
    } else {
      std::get<ValueArray>(open_.back().node.value).items.push_back(std::move(node));
    }
    return true;
  }

  template <typename Value>
  bool open(Value value) {
    if (open_.size() >= kMaxDepth) {
      throw ConfigError(where_, "objects and arrays may nest {} deep at most", kMaxDepth);
    }
    open_.push_back({{std::move(value), {source_, 0, 0}}, {}});
    return true;
  }

  bool close() {
    ValueNode node = std::move(open_.back().node);
    open_.pop_back();
    return place(std::move(node));
  }

  std::string where_;
  std::shared_ptr<const ValueSource> source_;
  std::vector<Open> open_;
  ValueNode root_;
};

}  // namespace

ValueTable parse_json(std::string_view text, std::string_view where) {
  if (text.size() > kMaxBytes) {
    throw ConfigError(where, "a JSON config may hold {} bytes at most, found {}", kMaxBytes,
                      text.size());
  }
  TreeBuilder builder(where);
  Json::sax_parse(text, &builder);
  ValueNode root = builder.take();
  if (root.table() == nullptr) {
    throw ConfigError(where, "expected a JSON object, found {}", describe_value(root));
  }
  return std::move(*root.table());
}

}  // namespace conopa::detail
