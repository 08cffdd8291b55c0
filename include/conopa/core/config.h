#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conopa/core/fields.h"

namespace conopa {

/// A recipe: TOML text, merged over the files it is based on and changed by `--set`.
///
/// A file may name `base = "other.toml"` (relative to itself, chains allowed): its tables are
/// merged into those of the base key by key, anything else, arrays included, replaces. Options
/// structs then read their values; every key must be read by someone, so that a misspelt key
/// never passes silently. Errors name file, line and column of the key, also inside a base.
///
///   Config config = Config::load("recipe.toml", overrides);
///   config.read_section("model", model);
///   config.read_section("train", train);
///   config.refuse_unknown();
///
/// Not thread-safe.
class Config {
 public:
  /// Limits on recipe files: bytes of one file, files in a chain of bases, tables inside tables.
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
  static constexpr std::size_t kMaxBases = 16;
  static constexpr std::size_t kMaxDepth = 32;

  /// Reads a recipe file and its bases, then applies `overrides` in order.
  ///
  /// An override is `a.b=c`: `c` is read as a TOML value (`3`, `1e-3`, `true`, `[1, 2]`, `"x"`)
  /// and otherwise taken as plain text (`--set model.family=illama` needs no quotes).
  /// @throws IoError if a file cannot be read; ConfigError for a syntax error, a cycle or chain
  ///         of bases that is too long, a file that is too large or too deeply nested, or an
  ///         override that is not `a.b=c`.
  [[nodiscard]] static Config load(const std::filesystem::path& path,
                                   std::span<const std::string> overrides = {});

  /// The same for text that is not a file; `name` stands for it in messages.
  /// @throws ConfigError as load, and if the text names a base (it has no folder to look in).
  [[nodiscard]] static Config parse(std::string_view text, std::string_view name,
                                    std::span<const std::string> overrides = {});

  Config(Config&&) noexcept;
  Config& operator=(Config&&) noexcept;
  ~Config();

  /// Fills the fields of `options` that the recipe holds; others keep their value.
  ///
  /// Integers are accepted for floating-point fields. On an error `options` is unchanged.
  /// @throws ConfigError for a wrong type, a value outside its choices, or a key of the whole
  ///         recipe that neither `options` nor an earlier read knows.
  template <Visitable Options>
  void read(Options& options) {
    Options filled = options;
    visit("", [&filled](FieldVisitor& v) { filled.visit(v); });
    refuse_unknown();
    options = std::move(filled);
  }

  /// Like read, but leaves unknown keys to later readers and refuse_unknown.
  template <Visitable Options>
  void read_some(Options& options) {
    read_into("", options);
  }

  /// Fills `options` from the table `name` (dots go deeper); does nothing if it is absent. Keys of
  /// the table that `options` does not know are left to later readers and refuse_unknown.
  /// @throws ConfigError as read.
  template <Visitable Options>
  void read_section(std::string_view name, Options& options) {
    read_into(name, options);
  }

  /// Refuses every key that no reader asked for.
  /// @throws ConfigError naming the first such key, where it stands and the nearest known name.
  void refuse_unknown() const;

  /// Whether the recipe holds the key or table (`train.lr_peak`); does not count as reading it.
  [[nodiscard]] bool has(std::string_view key) const;

  /// The string at `key`, for choosing the struct that reads the rest; nothing if absent. Does not
  /// count as reading it.
  /// @throws ConfigError if the value is not a string.
  [[nodiscard]] std::optional<std::string> peek_string(std::string_view key) const;

  /// The names (string keys) of the table `name`, in no particular order; empty if absent.
  [[nodiscard]] std::vector<std::string> keys(std::string_view name) const;

  /// "file:line:column" of a key, for messages of later checks; the recipe's name if absent.
  [[nodiscard]] std::string where(std::string_view key) const;

  /// Files read, the recipe first, then its bases; empty for parsed text.
  [[nodiscard]] const std::vector<std::filesystem::path>& files() const noexcept;

 private:
  struct Impl;
  explicit Config(std::unique_ptr<Impl> impl);

  template <Visitable Options>
  void read_into(std::string_view name, Options& options) {
    Options filled = options;
    visit(name, [&filled](FieldVisitor& v) { filled.visit(v); });
    options = std::move(filled);
  }
  void visit(std::string_view name, const VisitCall& call);

  std::unique_ptr<Impl> impl_;
};

}  // namespace conopa
