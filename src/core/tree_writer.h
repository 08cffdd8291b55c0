#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/fields.h"
#include "core/value_tree.h"

namespace conopa::detail {

/// Copies the fields of an options struct into a table, in the order of `visit`.
class TreeWriter final : public FieldVisitor {
 public:
  TreeWriter() : tables_{&root_} {}
  [[nodiscard]] const ValueTable& root() const noexcept { return root_; }

  void choice(std::string_view name, std::string& value, std::span<const std::string_view> allowed,
              std::string_view help) override;

 protected:
  void visit_field(std::string_view name, FieldRef value, std::string_view help) override;
  bool begin_section(std::string_view name, std::string_view help) override;
  void end_section() override;

 private:
  template <typename T>
  void write(std::string_view name, const T& value);
  template <typename T>
  void write(std::string_view name, const std::vector<T>& values);

  ValueTable root_;
  std::vector<ValueTable*> tables_;
};

/// A scalar or array as JSON text on one line.
[[nodiscard]] std::string json_value(const ValueNode& node);
/// A scalar or array as TOML text on one line.
[[nodiscard]] std::string toml_value(const ValueNode& node);

}  // namespace conopa::detail
