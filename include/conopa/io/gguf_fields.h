#pragma once

#include <string>
#include <string_view>

#include "conopa/core/fields_json.h"
#include "conopa/io/gguf.h"

namespace conopa {

namespace detail {
void append_gguf_fields(GgufEntries& out, std::string_view prefix, const VisitCall& call);
[[nodiscard]] std::string gguf_fields_json(const GgufFile& file, std::string_view prefix);
}  // namespace detail

/// Appends every field of an options struct as `prefix` + name: integers as i64, floats as f64,
/// lists as arrays, sections as further levels of the name.
template <Visitable Options>
void append_gguf_fields(GgufEntries& out, std::string_view prefix, const Options& options) {
  Options copy = options;
  detail::append_gguf_fields(out, prefix, detail::visit_of(copy));
}

/// Inverse of append_gguf_fields: fills the fields of `options` that the metadata holds under
/// `prefix`; numbers of any kind are accepted.
/// @throws ConfigError for an unknown key (with the nearest name), a wrong type or a value outside
///         its choices; FormatError for a key that is both a value and a section.
template <Visitable Options>
void read_gguf_fields(const GgufFile& file, std::string_view prefix, Options& options) {
  from_json(detail::gguf_fields_json(file, prefix), file.where(), options);
}

}  // namespace conopa
