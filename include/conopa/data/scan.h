#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "conopa/data/broken_files.h"
#include "conopa/data/dataset.h"

namespace conopa::data {

/// Spread of one image side, in pixels.
struct SizeStats {
  std::int64_t min = 0;
  std::int64_t median = 0;
  std::int64_t max = 0;
  double mean = 0.0;
};

/// What `conopa data` tells about a dataset.
struct DatasetSummary {
  std::int64_t size = 0;  ///< samples, broken ones included
  std::int64_t good = 0;
  std::vector<std::int64_t> class_counts;               ///< by stated label, broken ones included
  std::map<std::int64_t, std::int64_t> channel_counts;  ///< images per number of channels
  SizeStats width;
  SizeStats height;
  /// Per colour, of all pixels of all good images together, scaled to 0..1. One entry if every
  /// image is gray, else three, gray counting for each. Alpha is left out.
  std::vector<double> mean;
  std::vector<double> std;
  std::vector<BrokenFile> broken;  ///< sorted by name
};

struct ScanOptions {
  int workers = 0;  ///< threads; 0 = the calling one
  /// Called now and then with samples done, from any one thread at a time.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

/// Decodes every image once. Give it a dataset without the skip policy, which would hide the broken
/// files. The result does not depend on the number of threads.
/// @complexity size() decodes; 8 bytes per image.
[[nodiscard]] DatasetSummary scan_dataset(const Dataset& dataset, const ScanOptions& options = {});

}  // namespace conopa::data
