#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "conopa/report/html.h"

namespace conopa::report {

/// The parts of the page, each a `<section>` or empty if there is nothing to show.
[[nodiscard]] std::string curves_html(const RunReport& report);
[[nodiscard]] std::string evaluation_html(const RunReport& report);
[[nodiscard]] std::string samples_html(const RunReport& report);
[[nodiscard]] std::string reconstructions_html(const RunReport& report);
[[nodiscard]] std::string sections_html(const RunReport& report);

/// Anchor of the section at an index of RunReport::sections.
[[nodiscard]] std::string section_id(std::size_t index);

/// A section with an anchor and a heading.
[[nodiscard]] std::string section_html(std::string_view id, std::string_view title,
                                       std::string_view note, std::string_view body);

/// A framed box with an optional heading; `classes` places it in the grid of its section.
[[nodiscard]] std::string panel_html(std::string_view classes, std::string_view title,
                                     std::string_view body);

/// An `<img>` with the picture inside.
/// @param classes  `pixels` keeps enlarged pixels sharp.
[[nodiscard]] std::string image_html(const image::Image& image, std::string_view alternative,
                                     std::string_view classes);

/// Larger sides than this need no enlarging with sharp pixels.
inline constexpr std::int64_t kSmallImage = 96;

/// `image_html` with class `picture`, which fills its box; small images keep sharp pixels.
[[nodiscard]] std::string picture_html(const image::Image& image, std::string_view alternative);

/// A table cell with a value and a bar of a share in [0, 1] behind it.
[[nodiscard]] std::string bar_cell_html(double share, std::string_view text,
                                        std::string_view color);

}  // namespace conopa::report
