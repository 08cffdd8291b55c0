#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/fields.h"
#include "core/value_tree.h"

namespace conopa::detail {

enum class NullRule { kRefuse, kAbsent };

/// Fills the fields of an options struct from a table and notes in it which names were asked for.
/// Throws ConfigError for wrong types and values outside their choices.
class TreeReader final : public FieldVisitor {
 public:
  /// @param prefix  "" or "a.b.": where the table stands, for messages.
  TreeReader(ValueTable& table, std::string prefix, NullRule null_rule);

  void choice(std::string_view name, std::string& value, std::span<const std::string_view> allowed,
              std::string_view help) override;

 protected:
  void visit_field(std::string_view name, FieldRef value, std::string_view help) override;
  bool begin_section(std::string_view name, std::string_view help) override;
  void end_section() override;

 private:
  [[nodiscard]] const ValueNode* find(std::string_view name);
  template <typename T>
  void read(std::string_view name, T& value);
  template <typename T>
  void read(std::string_view name, std::vector<T>& value);
  [[noreturn]] void wrong_type(std::string_view name, std::string_view expected,
                               const ValueNode& found) const;

  std::vector<ValueTable*> tables_;
  std::vector<std::string> prefixes_;
  NullRule null_rule_;
};

}  // namespace conopa::detail
