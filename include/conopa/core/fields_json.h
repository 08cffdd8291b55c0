#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conopa/core/fields.h"

namespace conopa {

namespace detail {
[[nodiscard]] std::string write_json(const VisitCall& call);
[[nodiscard]] std::string write_toml(const VisitCall& call);
[[nodiscard]] std::string write_description(const VisitCall& call);
void read_json(std::string_view text, std::string_view where, const VisitCall& call,
               std::vector<std::string>* unknown_keys);

template <Visitable Options>
[[nodiscard]] VisitCall visit_of(Options& options) {
  return [&options](FieldVisitor& v) { options.visit(v); };
}
}  // namespace detail

/// The fields as indented JSON, in the order of `visit`, sections as objects, short arrays on one
/// line. Non-finite numbers become the strings "inf", "-inf" and "nan", which from_json accepts.
template <Visitable Options>
[[nodiscard]] std::string to_json(const Options& options) {
  Options copy = options;
  return detail::write_json(detail::visit_of(copy));
}

/// The fields as a TOML recipe that Config reads back to the same values.
template <Visitable Options>
[[nodiscard]] std::string to_toml(const Options& options) {
  Options copy = options;
  return detail::write_toml(detail::visit_of(copy));
}

/// A Markdown table of key, default (the values of `options`) and help, choices listed.
template <Visitable Options>
[[nodiscard]] std::string describe(const Options& options) {
  Options copy = options;
  return detail::write_description(detail::visit_of(copy));
}

/// Fills the fields of `options` that the JSON object `text` holds; others keep their value.
///
/// Integers are accepted for floating-point fields. On an error `options` is unchanged.
/// @param where         names the text in messages, e.g. the file.
/// @param unknown_keys  if given, unknown keys are appended here (`a.b`) instead of refused, and
///                      null counts as absent: for config files of other programs.
/// @throws ConfigError for text that is not a JSON object of at most 4 MiB and 32 levels, a
///         duplicate or unknown key (with the nearest name), a wrong type, an integer beyond
///         64 bits or a value outside its choices.
template <Visitable Options>
void from_json(std::string_view text, std::string_view where, Options& options,
               std::vector<std::string>* unknown_keys = nullptr) {
  Options filled = options;
  detail::read_json(text, where, detail::visit_of(filled), unknown_keys);
  options = std::move(filled);
}

}  // namespace conopa
