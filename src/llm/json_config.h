#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace conopa::llm {

/// A config file of other software: a JSON object, of which a few keys are read. Null counts as
/// absent; every member throws FormatError naming file and key for a value of another kind.
class JsonConfig {
 public:
  /// @throws IoError if the file cannot be read, FormatError if it holds no JSON object.
  explicit JsonConfig(const std::filesystem::path& path);
  JsonConfig(JsonConfig&&) noexcept;
  ~JsonConfig();

  [[nodiscard]] const std::string& where() const noexcept;
  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;
  [[nodiscard]] std::optional<double> number(std::string_view key) const;
  [[nodiscard]] std::optional<bool> flag(std::string_view key) const;
  /// A string, or the first one of a list.
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
  /// An integer that must be there.
  [[nodiscard]] std::int64_t require(std::string_view key) const;
  /// An object inside; nothing if the key holds none.
  [[nodiscard]] std::optional<JsonConfig> section(std::string_view key) const;

 private:
  struct Impl;
  explicit JsonConfig(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace conopa::llm
