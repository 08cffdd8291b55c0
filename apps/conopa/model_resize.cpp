#include "model_resize.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "conopa/arch/position_resize.h"
#include "conopa/core/error.h"

namespace conopa::app {
namespace {

constexpr std::int64_t kMaxSide = 8192;  // longer ones are slips of the finger

std::int64_t parse_side(std::string_view text, std::string_view whole, std::string_view option) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1) {
    throw UsageError(option, "expected pixels such as 384 or HEIGHTxWIDTH, got '{}'", whole);
  }
  return value;
}

}  // namespace

std::string to_string(InputSize size) { return fmt::format("{}x{}", size.height, size.width); }

InputSize parse_input_size(std::string_view text, std::string_view option) {
  const std::size_t x = text.find('x');
  const std::int64_t height = parse_side(text.substr(0, x), text, option);
  if (x == std::string_view::npos) return {height, height};
  return {height, parse_side(text.substr(x + 1), text, option)};
}

std::vector<InputSize> parse_input_sizes(std::string_view text, std::string_view option) {
  std::vector<InputSize> sizes;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const InputSize size = parse_input_size(text.substr(begin, end - begin), option);
    if (std::max(size.height, size.width) > kMaxSide) {
      throw UsageError(option, "expected sides of at most {} pixels, got {}", kMaxSide,
                       to_string(size));
    }
    if (std::find(sizes.begin(), sizes.end(), size) != sizes.end()) {
      throw UsageError(option, "expected every size once, got {} twice; remove one",
                       to_string(size));
    }
    sizes.push_back(size);
    begin = end + 1;
  }
  return sizes;
}

arch::EncoderSpec resized_spec(const arch::EncoderSpec& spec, InputSize size,
                               std::string_view option) {
  arch::EncoderSpec out = spec;
  out.height = size.height;
  out.width = size.width;
  try {
    out.resolve();
  } catch (const ConfigError& error) {
    const std::string_view text = error.what();
    const std::size_t body = text.find("] ");  // our own "where" says more than "[model]"
    throw ConfigError(fmt::format("{} {}", option, to_string(size)), "{}",
                      body == std::string_view::npos ? text : text.substr(body + 2));
  }
  return out;
}

arch::EncoderSpec spec_at(const StoredModel& model, std::string_view size) {
  constexpr std::string_view kOption = "--size";
  if (size.empty()) return model.spec;
  const std::vector<InputSize> sizes = parse_input_sizes(size, kOption);
  if (sizes.size() != 1) throw UsageError(kOption, "expected one size, got '{}'", size);
  return resized_spec(model.spec, sizes.front(), kOption);
}

}  // namespace conopa::app
