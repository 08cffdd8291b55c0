#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "conopa/core/error.h"

namespace conopa {

/// A field of an options struct: a scalar or a list.
using FieldRef =
    std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::int64_t>*,
                 std::vector<double>*, std::vector<std::string>*>;

/// What FieldRef can point to; an int, say, is refused where the field is written down.
template <typename T>
concept FieldType = std::constructible_from<FieldRef, T*>;

/// Walks the fields of an options struct. One `visit(FieldVisitor&)` per struct serves reading
/// TOML and JSON, writing JSON, help texts and did-you-mean: a field is written down once.
///
///   struct OptimOptions {
///     double lr_peak = 1e-3;
///     void visit(FieldVisitor& v) { v.field("lr_peak", lr_peak, "peak learning rate"); }
///   };
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;

  /// A value of one of FieldRef's types.
  template <FieldType T>
  void field(std::string_view name, T& value, std::string_view help) {
    visit_field(name, &value, help);
  }
  /// A string out of a fixed list; readers refuse others and name the nearest.
  virtual void choice(std::string_view name, std::string& value,
                      std::span<const std::string_view> allowed, std::string_view help) = 0;

  /// A nested table, written as `[name]` in TOML and as an object in JSON.
  template <typename Options>
  void section(std::string_view name, Options& options, std::string_view help) {
    if (begin_section(name, help)) {
      options.visit(*this);
      end_section();
    }
  }

 protected:
  virtual void visit_field(std::string_view name, FieldRef value, std::string_view help) = 0;
  /// Returns whether the fields of the section shall be visited.
  virtual bool begin_section(std::string_view name, std::string_view help) = 0;
  virtual void end_section() = 0;
};

/// An options struct: default-copyable, with `void visit(FieldVisitor&)`.
template <typename Options>
concept Visitable =
    std::copyable<Options> && requires(Options& options, FieldVisitor& v) { options.visit(v); };

/// "Visit that struct": how code outside of headers gets at an options struct of any type.
using VisitCall = std::function<void(FieldVisitor&)>;

/// Specialise with `static constexpr std::array<std::string_view, n> kNames` whose position is the
/// enumerator's value (enumerators count from 0).
template <typename E>
struct EnumNames;

template <typename E>
[[nodiscard]] constexpr std::string_view enum_name(E value) {
  return EnumNames<E>::kNames[static_cast<std::size_t>(value)];
}

template <typename E>
[[nodiscard]] constexpr std::optional<E> enum_from_name(std::string_view name) {
  for (std::size_t i = 0; i < EnumNames<E>::kNames.size(); ++i) {
    if (EnumNames<E>::kNames[i] == name) return static_cast<E>(i);
  }
  return std::nullopt;
}

/// Visits an enumeration through its names.
template <typename E>
void enum_field(FieldVisitor& v, std::string_view name, E& value, std::string_view help) {
  static_assert(std::is_enum_v<E>);
  std::string text(enum_name(value));
  v.choice(name, text, EnumNames<E>::kNames, help);
  const std::optional<E> parsed = enum_from_name<E>(text);
  CONOPA_ASSERT(parsed.has_value());  // choice() admits the listed names only
  value = *parsed;
}

}  // namespace conopa
