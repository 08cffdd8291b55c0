#pragma once

#include <string>
#include <string_view>

namespace conopa::report {

/// CSS custom properties with the colours of light and dark.
[[nodiscard]] std::string theme_css();

/// CSS of the classes that pictures use.
[[nodiscard]] std::string_view chart_css();

/// chart_css with plain colours, for pictures in files of their own: many viewers of SVG know no
/// custom properties. Those that know media queries still follow light and dark.
[[nodiscard]] std::string standalone_css();

/// CSS of the report page.
[[nodiscard]] std::string_view page_css();

/// Size of chart texts in px.
inline constexpr double kTickPx = 11.0;

/// RGB of the two heat-map colours in pixel pictures; both read on light and dark grounds.
struct Rgb {
  unsigned char red, green, blue;
};
inline constexpr Rgb kHeatRight{74, 125, 191};
inline constexpr Rgb kHeatWrong{214, 116, 62};

}  // namespace conopa::report
