#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace conopa::detail {

/// Where a value was written. `raw` holds the text after `=` of a `--set` override, so that a
/// string field can take `--set name=007` literally.
struct ValueSource {
  std::string name;
  std::optional<std::string> raw;
};

struct Location {
  std::shared_ptr<const ValueSource> source;
  std::uint32_t line = 0;  ///< from 1; 0 if the source has no lines
  std::uint32_t column = 0;
};

/// "file:line:column", or the source's name alone.
[[nodiscard]] std::string to_string(const Location& location);

struct ValueNode;

/// A kind of value that options never hold (a date, an integer beyond 64 bits).
struct UnsupportedValue {
  std::string_view what;
};

struct ValueArray {
  std::vector<ValueNode> items;
};

/// An ordered table. `known` collects the names that readers asked for, present or not.
class ValueTable {
 public:
  [[nodiscard]] ValueNode* find(std::string_view name);
  [[nodiscard]] const ValueNode* find(std::string_view name) const;
  /// Adds the value, or replaces it in place.
  ValueNode& set(std::string_view name, ValueNode node);
  void erase(std::string_view name);
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  /// Removes every entry and returns them in order.
  [[nodiscard]] std::vector<std::pair<std::string, ValueNode>> take();

  std::set<std::string, std::less<>> known;

 private:
  std::vector<std::string> names_;
  std::vector<ValueNode> nodes_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

/// One value of a recipe or JSON file; std::monostate is JSON's null.
struct ValueNode {
  std::variant<std::monostate, UnsupportedValue, bool, std::int64_t, double, std::string,
               ValueArray, ValueTable>
      value;
  Location where;

  [[nodiscard]] ValueTable* table() { return std::get_if<ValueTable>(&value); }
  [[nodiscard]] const ValueTable* table() const { return std::get_if<ValueTable>(&value); }
};

/// Merges `over` into `under`: tables key by key, anything else replaces.
void merge(ValueTable& under, ValueTable over);

/// A key no reader asked for.
struct UnknownKey {
  std::string path;
  Location where;
  std::string hint;  ///< "; did you mean ...?" or the known keys; for the first key only
};

/// Every such key below `table`, in the order written; `prefix` ("" or "a.b.") starts each path.
[[nodiscard]] std::vector<UnknownKey> unknown_keys(const ValueTable& table,
                                                   const std::string& prefix);

/// @throws ConfigError for the first of `keys`, if any.
void refuse(const std::vector<UnknownKey>& keys);

/// "string 'abc'", "integer 3", "a table": what a message says was found.
[[nodiscard]] std::string describe_value(const ValueNode& node);

/// `text` fit for a one-line message: control bytes become '?', and it is cut to `limit` bytes.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 60);

}  // namespace conopa::detail
