#include "conopa/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "report/theme.h"

namespace conopa::report {
namespace {

// Around a picture in a file of its own: what the page gives to one on it.
constexpr double kMarginPx = 14.0;
constexpr double kHeadingPx = 28.0;

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Length of the UTF-8 sequence at the start of `text`, 0 if it is malformed or may not stand in
/// XML.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 || lead == '\n' || lead == '\t' || lead == '\r' ? 1 : 0;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  std::uint32_t code = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
    code = (code << 6) | (byte(i) & 0x3FU);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  const bool not_xml = code > 0x10FFFF || code == 0xFFFE || code == 0xFFFF;
  return overlong || surrogate || not_xml ? 0 : length;
}

std::string_view entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

/// Calls `visit` for every character (UTF-8 sequence or stray byte).
template <typename Visit>
void for_each_character(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(sequence_length(text), 1);
    visit(text.substr(0, length));
    text.remove_prefix(length);
  }
}

/// Relative width of a character in common sans-serif fonts.
double advance(std::string_view character) {
  if (character.size() > 2) return 1.0;  // CJK, symbols
  const char c = character[0];
  if (std::string_view("ijl.,:;|'!I ").find(c) != std::string_view::npos) return 0.34;
  if (std::string_view("frt()[]/-\"").find(c) != std::string_view::npos) return 0.42;
  if (std::string_view("mwMW%@").find(c) != std::string_view::npos) return 0.92;
  if (c >= 'A' && c <= 'Z') return 0.70;
  return 0.60;
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      out += kReplacement;
    } else if (const std::string_view name = entity(text[0]); !name.empty()) {
      out += name;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string svg_number(double value) {
  if (!std::isfinite(value)) return "0";
  std::string out = fmt::format("{:.2f}", value);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out == "-0" ? "0" : out;
}

double text_width(std::string_view text, double font_px) {
  double width = 0.0;
  for_each_character(text, [&](std::string_view character) { width += advance(character); });
  return width * font_px;
}

std::string fit_text(std::string_view text, double font_px, double width) {
  if (text_width(text, font_px) <= width) return std::string(text);
  std::string out;
  double used = text_width("…", font_px);
  bool full = false;
  for_each_character(text, [&](std::string_view character) {
    used += advance(character) * font_px;
    full = full || used > width;
    if (!full) out += character;
  });
  return out + "…";
}

SvgBuilder::SvgBuilder(double width, double height, std::string_view label)
    : width_(width), height_(height), label_(label) {}

void SvgBuilder::element(std::string_view tag, std::string_view attributes,
                         std::string_view classes, std::string_view title) {
  body_ += fmt::format("<{} class=\"{}\" {}", tag, classes, attributes);
  body_ +=
      title.empty() ? "/>\n" : fmt::format("><title>{}</title></{}>\n", escape_xml(title), tag);
}

void SvgBuilder::line(double x1, double y1, double x2, double y2, std::string_view classes) {
  element("line",
          fmt::format("x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"", svg_number(x1), svg_number(y1),
                      svg_number(x2), svg_number(y2)),
          classes, {});
}

void SvgBuilder::rect(double x, double y, double width, double height, std::string_view classes,
                      std::string_view title, std::string_view extra) {
  element("rect",
          fmt::format("x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {}", svg_number(x),
                      svg_number(y), svg_number(width), svg_number(height), extra),
          classes, title);
}

void SvgBuilder::circle(double x, double y, double radius, std::string_view classes,
                        std::string_view title) {
  element(
      "circle",
      fmt::format("cx=\"{}\" cy=\"{}\" r=\"{}\"", svg_number(x), svg_number(y), svg_number(radius)),
      classes, title);
}

void SvgBuilder::path(std::string_view commands, std::string_view classes) {
  if (!commands.empty()) element("path", fmt::format("d=\"{}\"", commands), classes, {});
}

void SvgBuilder::text(double x, double y, std::string_view content, std::string_view classes,
                      double degrees) {
  const std::string turn = degrees == 0.0
                               ? ""
                               : fmt::format(" transform=\"rotate({} {} {})\"", svg_number(degrees),
                                             svg_number(x), svg_number(y));
  body_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\"{}>{}</text>\n", classes, svg_number(x),
                       svg_number(y), turn, escape_xml(content));
}

std::string SvgBuilder::finish(SvgUse use) const {
  if (use == SvgUse::kStandalone) return finish_alone();
  return fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
      svg_number(width_), svg_number(height_), escape_xml(label_), body_);
}

std::string SvgBuilder::finish_alone() const {
  const double above = kMarginPx + (label_.empty() ? 0.0 : kHeadingPx);
  const double width = width_ + 2 * kMarginPx;
  const double height = height_ + above + kMarginPx;
  std::string heading;
  if (!label_.empty()) {
    heading = fmt::format("<text class=\"heading\" x=\"2\" y=\"{}\">{}</text>\n",
                          svg_number(11 - kHeadingPx), escape_xml(label_));
  }
  return fmt::format(
      "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"{2} {3} {0} {1}\" role=\"img\" aria-label=\"{4}\">\n<style>{5}</style>\n"
      "<rect class=\"ground\" x=\"{2}\" y=\"{3}\" width=\"{0}\" height=\"{1}\"/>\n{6}{7}</svg>\n",
      svg_number(width), svg_number(height), svg_number(-kMarginPx), svg_number(-above),
      escape_xml(label_), standalone_css(), heading, body_);
}

void PathData::point(double x, double y) {
  commands_ += fmt::format("{}{} {}", drawing_ ? "L" : "M", svg_number(x), svg_number(y));
  drawing_ = true;
}

}  // namespace conopa::report
