#include "conopa/data/scan.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include "conopa/core/error.h"

namespace conopa::data {
namespace {

// Exact sums over pixels: integers, so the order of threads does not matter.
struct ColourSums {
  std::uint64_t pixels = 0;
  std::array<std::uint64_t, 3> sum{};
  std::array<std::uint64_t, 3> squares{};

  void add_pixels(const image::Image& image, std::size_t colours) {
    const auto step = static_cast<std::size_t>(image.channels);
    pixels += image.pixels.size() / step;
    for (std::size_t i = 0; i < image.pixels.size(); i += step) {
      for (std::size_t c = 0; c < colours; ++c) {
        const std::uint64_t value = image.pixels[i + c];
        sum[c] += value;
        squares[c] += value * value;
      }
    }
  }

  void merge(const ColourSums& other) {
    pixels += other.pixels;
    for (std::size_t c = 0; c < 3; ++c) {
      sum[c] += other.sum[c];
      squares[c] += other.squares[c];
    }
  }
};

/// What one thread has seen.
struct Tally {
  ColourSums gray;  // colour 0 alone
  ColourSums colour;
  std::vector<std::int64_t> widths;
  std::vector<std::int64_t> heights;
  std::map<std::int64_t, std::int64_t> channel_counts;

  void add(const image::Image& image) {
    widths.push_back(image.width);
    heights.push_back(image.height);
    ++channel_counts[image.channels];
    if (image.channels >= 3) {
      colour.add_pixels(image, 3);
    } else {
      gray.add_pixels(image, 1);
    }
  }

  void merge(const Tally& other) {
    gray.merge(other.gray);
    colour.merge(other.colour);
    widths.insert(widths.end(), other.widths.begin(), other.widths.end());
    heights.insert(heights.end(), other.heights.begin(), other.heights.end());
    for (const auto& [channels, count] : other.channel_counts) channel_counts[channels] += count;
  }
};

/// The threads' common state.
class Scan {
 public:
  Scan(const Dataset& dataset, const ScanOptions& options) : dataset_(dataset), options_(options) {}

  void run() {
    if (options_.workers <= 0) {
      work();
    } else {
      std::vector<std::jthread> threads;
      for (int i = 0; i < options_.workers; ++i) threads.emplace_back([this] { work(); });
    }
    if (failure_) std::rethrow_exception(failure_);
  }

  Tally tally;
  BrokenFiles broken;

 private:
  void work() {
    Tally own;
    try {
      const std::int64_t total = dataset_.size();
      for (std::int64_t i = next_++; i < total; i = next_++) {
        scan_one(i, own);
        report(total);
      }
    } catch (...) {
      next_ = dataset_.size();  // the others stop too
      const std::scoped_lock lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    const std::scoped_lock lock(mutex_);
    tally.merge(own);
  }

  void scan_one(std::int64_t index, Tally& own) {
    try {
      own.add(dataset_.get(index).image);
    } catch (const Error& error) {
      if (error.code() != ExitCode::kBadData) throw;
      broken.add(dataset_.name(index), error.what());
    }
  }

  void report(std::int64_t total) {
    const std::int64_t done = ++done_;
    if (!options_.progress || (done % 64 != 0 && done != total)) return;
    const std::scoped_lock lock(mutex_);
    options_.progress(done, total);
  }

  const Dataset& dataset_;
  const ScanOptions& options_;
  std::atomic<std::int64_t> next_{0};
  std::atomic<std::int64_t> done_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

SizeStats size_stats(std::vector<std::int64_t> sizes) {
  if (sizes.empty()) return {};
  std::sort(sizes.begin(), sizes.end());
  const auto sum =
      static_cast<double>(std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}));
  return {.min = sizes.front(),
          .median = sizes[sizes.size() / 2],
          .max = sizes.back(),
          .mean = sum / static_cast<double>(sizes.size())};
}

void fill_colours(const Tally& tally, DatasetSummary& summary) {
  ColourSums sums = tally.gray;
  std::size_t colours = sums.pixels > 0 ? 1 : 0;
  if (tally.colour.pixels > 0) {
    colours = 3;
    for (std::size_t c = 1; c < 3; ++c) {  // gray has all colours alike
      sums.sum[c] = sums.sum[0];
      sums.squares[c] = sums.squares[0];
    }
    sums.merge(tally.colour);
  }
  const auto pixels = static_cast<double>(sums.pixels);
  for (std::size_t c = 0; c < colours; ++c) {
    const double mean = static_cast<double>(sums.sum[c]) / pixels;
    const double square = static_cast<double>(sums.squares[c]) / pixels;
    summary.mean.push_back(mean / 255.0);
    summary.std.push_back(std::sqrt(std::max(0.0, square - mean * mean)) / 255.0);
  }
}

}  // namespace

DatasetSummary scan_dataset(const Dataset& dataset, const ScanOptions& options) {
  Scan scan(dataset, options);
  scan.run();
  DatasetSummary summary;
  summary.size = dataset.size();
  summary.good = static_cast<std::int64_t>(scan.tally.widths.size());
  summary.class_counts.resize(static_cast<std::size_t>(dataset.num_classes()));
  if (dataset.num_classes() > 0) {
    for (const std::int64_t label : all_labels(dataset)) {
      ++summary.class_counts[static_cast<std::size_t>(label)];
    }
  }
  summary.channel_counts = scan.tally.channel_counts;
  summary.width = size_stats(scan.tally.widths);
  summary.height = size_stats(scan.tally.heights);
  fill_colours(scan.tally, summary);
  summary.broken = scan.broken.list();
  return summary;
}

}  // namespace conopa::data
