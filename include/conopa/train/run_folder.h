#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conopa/train/options.h"

namespace conopa::train {

/// The folder of one run, locked while this object lives: a second run in it is refused, also on
/// another machine where the file system passes locks on. A killed process leaves no lock.
class RunFolder {
 public:
  /// Creates the folder where missing, locks it and completes what a killed run left half done.
  /// @throws RunError if another run holds it, IoError if it cannot be written.
  explicit RunFolder(std::filesystem::path root);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_; }
  [[nodiscard]] std::filesystem::path file(std::string_view name) const { return root_ / name; }
  [[nodiscard]] std::filesystem::path checkpoint(std::string_view name) const;

  /// Whether a run has begun here.
  [[nodiscard]] bool has_run() const;

  /// Deletes what a run writes, and nothing else.
  void clear() const;

  /// Where a resumed run goes on: `last`, else the newest numbered checkpoint, else `best`.
  [[nodiscard]] std::optional<std::filesystem::path> newest_checkpoint() const;

  /// Numbers of the checkpoints epoch_N, ascending.
  [[nodiscard]] std::vector<std::int64_t> numbered() const;

  /// Writes config.toml, config.json and environment.json and adds a line to command.txt.
  void describe(const RunConfig& config, const std::string& command,
                const std::vector<std::pair<std::string, std::string>>& environment) const;

 private:
  std::filesystem::path root_;
  int lock_ = -1;
};

}  // namespace conopa::train
