#pragma once

#include <string>
#include <string_view>

namespace conopa::report {

/// Text for XML and HTML content and attributes: & < > " ' are escaped, control characters that XML
/// forbids and bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string escape_xml(std::string_view text);

/// A number for an attribute: at most two decimals, no trailing zeros, '.' in every locale; values
/// that are not finite become 0 so that a picture stays valid.
[[nodiscard]] std::string svg_number(double value);

/// Estimated width in px of sans-serif text at a font size; layout keeps labels apart with it.
[[nodiscard]] double text_width(std::string_view text, double font_px);

/// Shortens text to a width, ending in "…".
[[nodiscard]] std::string fit_text(std::string_view text, double font_px, double width);

/// Where a picture is going to stand: inside a page that defines the classes and colours, or alone
/// in a file that brings them along, with its title above and a margin around.
enum class SvgUse { kEmbedded, kStandalone };

/// Builds one SVG picture element by element. Coordinates are px from the top left corner.
///
/// Looks come from CSS classes (`line s0`, `grid`, `tick`, ...), whose colours follow the reader's
/// light or dark preference. `title` arguments are texts that browsers show as tooltips.
class SvgBuilder {
 public:
  /// @param label  read aloud by screen readers.
  SvgBuilder(double width, double height, std::string_view label);

  void line(double x1, double y1, double x2, double y2, std::string_view classes);
  /// @param extra  further attributes, raw, e.g. `fill-opacity="0.5"`.
  void rect(double x, double y, double width, double height, std::string_view classes,
            std::string_view title = {}, std::string_view extra = {});
  void circle(double x, double y, double radius, std::string_view classes,
              std::string_view title = {});
  /// @param commands  path data, see PathData.
  void path(std::string_view commands, std::string_view classes);
  /// @param classes  alignment by the classes `start`, `middle`, `end`.
  /// @param degrees  turns the text about its anchor, clockwise.
  void text(double x, double y, std::string_view content, std::string_view classes,
            double degrees = 0.0);

  [[nodiscard]] std::string finish(SvgUse use) const;

 private:
  [[nodiscard]] std::string finish_alone() const;
  void element(std::string_view tag, std::string_view attributes, std::string_view classes,
               std::string_view title);

  double width_;
  double height_;
  std::string label_;
  std::string body_;
};

/// The data of a path made of straight lines.
class PathData {
 public:
  /// Adds a point; the first one and the one after lift() start a new stroke.
  void point(double x, double y);
  void lift() noexcept { drawing_ = false; }
  [[nodiscard]] const std::string& str() const noexcept { return commands_; }

 private:
  std::string commands_;
  bool drawing_ = false;
};

}  // namespace conopa::report
