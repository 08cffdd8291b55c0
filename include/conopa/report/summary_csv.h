#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace conopa::report {

/// A summary.csv with one row per epoch, like timm's: `epoch,train_loss,eval_loss,eval_top1,lr`.
///
/// Columns appear in the order in which their names were first given; a missing value is an empty
/// cell. The whole file is replaced atomically at every change. Not thread-safe.
class SummaryCsv {
 public:
  using Values = std::vector<std::pair<std::string, double>>;

  /// Continues an existing file or starts an empty one (written with the first row).
  /// @throws FormatError if an existing file is not such a table.
  explicit SummaryCsv(std::filesystem::path path);

  /// Adds the row of an epoch, replacing rows of this and later epochs (a resumed run).
  /// @throws ConfigError on a name with comma, quote or line break; IoError if writing fails.
  void set_epoch(std::int64_t epoch, const Values& values);

  /// Drops the rows after `last_epoch`.
  void truncate(std::int64_t last_epoch);

  /// The last epoch with a row.
  [[nodiscard]] std::optional<std::int64_t> last_epoch() const;

  /// The file's text.
  [[nodiscard]] std::string text() const;

 private:
  struct Row {
    std::int64_t epoch = 0;
    std::vector<std::string> cells;  ///< by column, shorter where later columns are missing
  };
  void parse(const std::string& text);
  std::size_t column(const std::string& name);
  void save() const;

  std::filesystem::path path_;
  std::vector<std::string> columns_;
  std::vector<Row> rows_;
};

}  // namespace conopa::report
