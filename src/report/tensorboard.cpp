#include "conopa/report/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "conopa/image/codec.h"
#include "conopa/io/proto.h"
#include "report/crc32c.h"

namespace conopa::report {
namespace {

// Field numbers of tensorflow/core/util/event.proto and framework/summary.proto.
namespace event_field {
constexpr std::uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
}
namespace value_field {
constexpr std::uint32_t kTag = 1, kSimpleValue = 2, kImage = 4, kHistogram = 5, kTensor = 8,
                        kMetadata = 9;
}

ProtoMessage make_event(double wall_time, std::int64_t step) {
  ProtoMessage event;
  event.fixed(event_field::kWallTime, wall_time);
  event.integer(event_field::kStep, step);
  return event;
}

/// An event with a summary of one value.
std::string summary_event(double wall_time, std::int64_t step, const ProtoMessage& value) {
  ProtoMessage summary;
  summary.message(1, value);
  ProtoMessage event = make_event(wall_time, step);
  event.message(event_field::kSummary, summary);
  return event.str();
}

ProtoMessage tagged(std::string_view tag) {
  ProtoMessage value;
  value.bytes(value_field::kTag, tag);
  return value;
}

/// tensorflow.HistogramProto of finite values, at least one.
ProtoMessage make_histogram(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const int buckets = *low == *high ? 1 : TensorBoardWriter::kHistogramBuckets;
  const double width = (*high - *low) / buckets;
  std::vector<double> limits;
  std::vector<double> counts(static_cast<std::size_t>(buckets), 0.0);
  for (int i = 1; i < buckets; ++i) limits.push_back(*low + width * i);
  limits.push_back(*high);
  double sum = 0.0;
  double squares = 0.0;
  for (const double x : values) {
    // Values on a limit belong to the bucket below it; rounding must not leave the last bucket.
    const auto limit = std::lower_bound(limits.begin(), limits.end() - 1, x);
    counts[static_cast<std::size_t>(limit - limits.begin())] += 1.0;
    sum += x;
    squares += x * x;
  }
  ProtoMessage histogram;
  histogram.fixed(1, *low);
  histogram.fixed(2, *high);
  histogram.fixed(3, static_cast<double>(values.size()));
  histogram.fixed(4, sum);
  histogram.fixed(5, squares);
  histogram.packed(6, limits);
  histogram.packed(7, counts);
  return histogram;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

AppendFile create_event_file(const std::filesystem::path& folder,
                             const TensorBoardWriter::Options& options) {
  const std::string name =
      fmt::format("events.out.tfevents.{:010d}.{}", static_cast<std::int64_t>(options.wall_time),
                  options.host.empty() ? host_name() : options.host);
  for (int attempt = 0;; ++attempt) {
    // Two writers may start within one second: the later one gets a suffix.
    if (auto file = AppendFile::create(
            folder / (attempt == 0 ? name : fmt::format("{}.{}", name, attempt)))) {
      return std::move(*file);
    }
  }
}

}  // namespace

TensorBoardWriter::TensorBoardWriter(const std::filesystem::path& folder, const Options& options)
    : file_(create_event_file(folder, options)) {
  ProtoMessage version;
  version.fixed(event_field::kWallTime, options.wall_time);
  version.bytes(event_field::kFileVersion, "brain.Event:2");
  write_record(version.str());
  if (options.resume_step > 0) {
    ProtoMessage start;
    start.integer(1, 1);  // SessionLog.status = START
    ProtoMessage event = make_event(options.wall_time, options.resume_step);
    event.message(event_field::kSessionLog, start);
    write_record(event.str());
  }
}

void TensorBoardWriter::scalar(std::string_view tag, std::int64_t step, double value,
                               double wall_time) {
  ProtoMessage entry = tagged(tag);
  entry.fixed(value_field::kSimpleValue, static_cast<float>(value));
  write_record(summary_event(wall_time, step, entry));
}

void TensorBoardWriter::image(std::string_view tag, std::int64_t step, const image::Image& image,
                              double wall_time) {
  const std::vector<std::byte> png = image::encode_png(image);
  ProtoMessage encoded;
  encoded.integer(1, image.height);
  encoded.integer(2, image.width);
  encoded.integer(3, image.channels);  // 1 gray, 3 RGB, 4 RGBA
  encoded.bytes(4, {reinterpret_cast<const char*>(png.data()), png.size()});
  ProtoMessage entry = tagged(tag);
  entry.message(value_field::kImage, encoded);
  write_record(summary_event(wall_time, step, entry));
}

void TensorBoardWriter::text(std::string_view tag, std::int64_t step, std::string_view markdown,
                             double wall_time) {
  ProtoMessage plugin;
  plugin.bytes(1, "text");
  ProtoMessage metadata;
  metadata.message(1, plugin);
  ProtoMessage dimension;
  dimension.integer(1, 1);
  ProtoMessage shape;
  shape.message(2, dimension);
  ProtoMessage tensor;
  tensor.integer(1, 7);  // DT_STRING
  tensor.message(2, shape);
  tensor.bytes(8, markdown);
  ProtoMessage entry = tagged(tag);
  entry.message(value_field::kTensor, tensor);
  entry.message(value_field::kMetadata, metadata);
  write_record(summary_event(wall_time, step, entry));
}

void TensorBoardWriter::histogram(std::string_view tag, std::int64_t step,
                                  std::span<const float> values, double wall_time) {
  std::vector<double> finite;
  for (const float x : values) {
    if (std::isfinite(x)) finite.push_back(x);
  }
  if (finite.empty()) return;
  ProtoMessage entry = tagged(tag);
  entry.message(value_field::kHistogram, make_histogram(finite));
  write_record(summary_event(wall_time, step, entry));
}

void TensorBoardWriter::write_record(std::string_view data) {
  std::string record;
  append_le(record, static_cast<std::uint64_t>(data.size()));
  append_le(record, mask_crc(crc32c(record)));
  record.append(data);
  append_le(record, mask_crc(crc32c(data)));
  file_.append(record);
}

}  // namespace conopa::report
