#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conopa/core/fields.h"
#include "conopa/core/host_tensor.h"
#include "conopa/data/dataset.h"
#include "conopa/data/mixup.h"
#include "conopa/data/sample_source.h"
#include "conopa/data/sampler.h"
#include "conopa/image/transform.h"

namespace conopa::data {

struct LoaderOptions {
  std::int64_t batch = 256;
  /// Threads that decode and augment; 0 = the calling thread, when it asks; -1 = half the cores, at
  /// least 1 and at most 8.
  std::int64_t workers = -1;
  /// Batches made or being made ahead of the consumer.
  std::int64_t prefetch = 2;
  /// Leaves out a last batch that is not full.
  bool drop_last = false;
  std::int64_t seed = 0;
  MixupOptions mixup = {};

  /// batch, workers, prefetch and drop_last; the seed comes from the run, mixup has its own table.
  void visit(FieldVisitor& v);
  /// @throws ConfigError naming the field that is out of range.
  void validate() const;
};

/// One step's input. The tensors must not be written; their memory goes back to the loader when the
/// last copy is gone (also after the loader's own end).
struct Batch {
  std::int64_t step = 0;  ///< in its epoch, from 0
  HostTensor images;      ///< [B, C, H, W], float32; or [B, ...] as the source shapes its samples
  HostTensor labels;      ///< [B], int64; of the unmixed images
  HostTensor targets;     ///< [B, K], float32; empty unless mixup or smoothing is on
  std::vector<std::int64_t> indices;  ///< [B], places in the dataset, after replacements
  std::vector<std::string> captions;  ///< [B]; empty if the dataset has none

  [[nodiscard]] std::int64_t size() const noexcept {
    return static_cast<std::int64_t>(indices.size());
  }
};

/// Makes batches ahead of time on several threads.
///
/// What comes out is a function of (options, dataset, transform, sampler, epoch, step) alone: the
/// random stream of a sample is keyed by (seed, kAugment, epoch, place in the order of all ranks),
/// that of mixing by (seed, kMixup, epoch, step·world_size + rank). So neither the number of
/// workers, nor prefetching, nor entering an epoch in the middle changes a byte.
///
/// Workers share the samples of a batch in small portions, so one batch is ready early and memory
/// stays at prefetch + 1 batches (and those the consumer holds). They never start an OpenMP team.
///
/// An exception in a worker is thrown by the next() that would have returned its batch (of several,
/// the one that comes first in the batch); that ends the epoch. All members are for one consumer
/// thread; destruction in the middle of an epoch waits for the samples in work only.
class Loader {
 public:
  /// @throws ConfigError for bad options, mixing of data without classes, or if an epoch would hold
  ///   no batch.
  Loader(std::shared_ptr<const Dataset> dataset, std::shared_ptr<const image::Transform> transform,
         Sampler sampler, const LoaderOptions& options);
  /// The same of any samples.
  Loader(std::shared_ptr<const SampleSource> source, Sampler sampler, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  [[nodiscard]] std::int64_t steps_per_epoch() const noexcept;
  [[nodiscard]] const Dataset& dataset() const noexcept;
  /// Threads in use; 0 = the consumer's.
  [[nodiscard]] std::int64_t workers() const noexcept;

  /// Starts an epoch at a step, 0 ≤ start_step ≤ steps_per_epoch(); drops what is left of another.
  void begin_epoch(std::int64_t epoch, std::int64_t start_step = 0);

  /// The next batch; nothing at the end of the epoch or before the first begin_epoch.
  /// @throws whatever made the batch fail.
  [[nodiscard]] std::optional<Batch> next();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conopa::data
