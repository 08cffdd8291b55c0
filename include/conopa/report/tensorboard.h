#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "conopa/image/image.h"
#include "conopa/report/append_file.h"

namespace conopa::report {

/// Writes a TensorBoard event file, `events.out.tfevents.<seconds>.<host>`.
///
/// Format: TFRecords (length, masked CRC-32C of the length, data, masked CRC-32C of the data) that
/// hold `tensorflow.Event` messages, the first of which states "brain.Event:2". The few message
/// fields in use are encoded here by hand: protobuf comes with libtorch, but this room also serves
/// the build without it, where the small encoder of io/proto.h beats a heavy dependency.
///
/// Every record reaches the operating system before its call returns. Not thread-safe. Every
/// method throws IoError if the file cannot be written.
class TensorBoardWriter {
 public:
  struct Options {
    double wall_time = 0.0;  ///< seconds since 1970: names the file and stamps the first event
    std::string host{};      ///< part of the file name; empty: this machine's name
    /// Of a resumed run; tells TensorBoard to hide what older files hold from this step on.
    std::int64_t resume_step = 0;
  };

  /// Creates the file in an existing folder, never overwriting another.
  TensorBoardWriter(const std::filesystem::path& folder, const Options& options);

  /// One number, stored as float32. NaN and infinities are legal.
  void scalar(std::string_view tag, std::int64_t step, double value, double wall_time);

  /// An image, stored as PNG.
  void image(std::string_view tag, std::int64_t step, const image::Image& image, double wall_time);

  /// Markdown for the text tab.
  void text(std::string_view tag, std::int64_t step, std::string_view markdown, double wall_time);

  /// The distribution of the finite values in kHistogramBuckets equal-width buckets; nothing is
  /// written if there are none.
  void histogram(std::string_view tag, std::int64_t step, std::span<const float> values,
                 double wall_time);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return file_.path(); }

  static constexpr int kHistogramBuckets = 50;

 private:
  void write_record(std::string_view data);

  AppendFile file_;
};

}  // namespace conopa::report
