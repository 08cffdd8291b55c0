#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "conopa/arch/registry.h"

namespace conopa::arch {

/// config.json of a model on the Hub: a flat object, or one with sections.
class HubConfig {
 public:
  /// @throws FormatError if the text is no JSON object.
  explicit HubConfig(const HubConfigFile& file);
  ~HubConfig();
  HubConfig(HubConfig&&) noexcept;
  HubConfig& operator=(HubConfig&&) = delete;

  [[nodiscard]] bool has(std::string_view key) const;
  /// An inner object, or this one if there is none of that name.
  [[nodiscard]] HubConfig section(std::string_view key) const;

  // Nothing where the key is absent or null.
  /// @throws FormatError if the value is of another kind or no sensible size.
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;
  [[nodiscard]] std::optional<double> number(std::string_view key) const;
  [[nodiscard]] std::optional<bool> boolean(std::string_view key) const;
  /// A list of numbers, or one number as a list of one.
  [[nodiscard]] std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;
  [[nodiscard]] bool is_list(std::string_view key) const;

  /// Compares a value with what the tensors' shapes say; absent ones agree.
  /// @throws FormatError naming both files and both values.
  void agree(std::string_view key, std::int64_t shapes_say) const;
  void agree(std::string_view key, bool shapes_say) const;
  /// Takes the heads, which must divide the width.
  void take_heads(std::string_view key, EncoderSpec& guess) const;
  /// Takes the image size: a side, or height and width; shapes that know it must agree.
  void take_size(std::string_view key, EncoderSpec& guess) const;

 private:
  struct Impl;
  explicit HubConfig(std::unique_ptr<Impl> impl);
  [[noreturn]] void refuse(std::string_view key, std::string_view expected) const;

  std::unique_ptr<Impl> impl_;
};

}  // namespace conopa::arch
