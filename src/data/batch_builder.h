#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "conopa/data/loader.h"
#include "data/buffer_pool.h"

namespace conopa::data {

/// One epoch as the loader walks it; immutable.
struct EpochPlan {
  std::int64_t epoch = 0;
  EpochOrder order;
  std::int64_t steps = 0;
};

/// A batch under construction. Several threads fill different samples of it.
struct BatchSlot {
  std::shared_ptr<const EpochPlan> plan;
  std::int64_t step = 0;
  std::int64_t first = 0;  ///< position of its first sample in the epoch
  std::int64_t count = 0;
  std::shared_ptr<float> images;
  std::vector<std::int64_t> labels;
  std::vector<std::int64_t> indices;
  std::vector<std::string> captions;   ///< empty if the dataset has none
  std::atomic<bool> cancelled{false};  ///< nobody waits for it any more

  // The rest belongs to whoever schedules, under its lock.
  std::int64_t assigned = 0;  ///< samples handed out
  std::int64_t finished = 0;  ///< samples handed back
  bool done = false;
  std::exception_ptr failure;
  std::int64_t failed_sample = 0;
  Batch batch;
};

/// Turns samples into batches; knows nothing of threads. All members are thread-safe.
class BatchBuilder {
 public:
  BatchBuilder(std::shared_ptr<const SampleSource> source, const Sampler& sampler,
               const LoaderOptions& options);

  [[nodiscard]] const Dataset& dataset() const noexcept { return source_->dataset(); }
  [[nodiscard]] std::int64_t steps_per_epoch() const noexcept { return steps_; }

  [[nodiscard]] std::shared_ptr<const EpochPlan> plan(std::int64_t epoch) const;
  [[nodiscard]] std::shared_ptr<BatchSlot> start(std::shared_ptr<const EpochPlan> plan,
                                                 std::int64_t step) const;

  /// Decodes and augments sample `i` of a slot.
  void fill(BatchSlot& slot, std::int64_t i) const;

  /// Mixes, makes the targets and wraps everything up, once all samples are filled.
  [[nodiscard]] Batch finish(BatchSlot& slot) const;

 private:
  std::shared_ptr<const SampleSource> source_;
  Sampler sampler_;
  LoaderOptions options_;
  std::int64_t steps_ = 0;
  std::int64_t sample_floats_ = 0;
  std::shared_ptr<BufferPool> pool_;
};

}  // namespace conopa::data
