#pragma once

#include <string>
#include <string_view>

namespace conopa::report {

/// Checks that markup is balanced: every tag closed in order, attributes quoted, no stray `<` or
/// `&`. With `html`, void elements (meta, link, img) and the doctype may stand unclosed, and the
/// content of `<style>` is skipped.
/// @return the first fault, empty if there is none.
std::string markup_fault(std::string_view text, bool html = false);

/// How often `part` occurs.
int count_of(std::string_view text, std::string_view part);

}  // namespace conopa::report
