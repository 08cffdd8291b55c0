#include "conopa/data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "data/batch_builder.h"

namespace conopa::data {
namespace {

std::int64_t settle_workers(std::int64_t workers) {
  if (workers >= 0) return workers;
  const auto cores = static_cast<std::int64_t>(std::thread::hardware_concurrency());
  return std::clamp<std::int64_t>(cores / 2, 1, 8);
}

/// Samples [begin, end) of a slot, for one worker.
struct Portion {
  std::shared_ptr<BatchSlot> slot;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

}  // namespace

void LoaderOptions::visit(FieldVisitor& v) {
  v.field("batch", batch, "samples per step and rank");
  v.field("workers", workers, "threads that decode; 0 = none, -1 = half the cores, at most 8");
  v.field("prefetch", prefetch, "batches made ahead");
  v.field("drop_last", drop_last, "leave out a last batch that is not full");
}

void LoaderOptions::validate() const {
  if (batch < 1) throw ConfigError("loader", "batch must be at least 1, got {}", batch);
  if (workers < -1 || workers > 1024) {
    throw ConfigError("loader", "workers must be -1 to 1024, got {}", workers);
  }
  if (prefetch < 1 || prefetch > 1024) {
    throw ConfigError("loader", "prefetch must be 1 to 1024, got {}", prefetch);
  }
  mixup.validate();
}

class Loader::Impl {
 public:
  Impl(std::shared_ptr<const SampleSource> source, const Sampler& sampler,
       const LoaderOptions& options)
      : builder_(std::move(source), sampler, options),
        prefetch_(static_cast<std::size_t>(options.prefetch)),
        workers_(settle_workers(options.workers)),
        // Small enough to share a batch evenly, large enough that the lock does not count.
        portion_(std::clamp<std::int64_t>(options.batch / (4 * std::max<std::int64_t>(1, workers_)),
                                          1, 32)) {
    threads_.reserve(static_cast<std::size_t>(workers_));
    for (std::int64_t i = 0; i < workers_; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
  }

  ~Impl() {
    {
      const std::scoped_lock lock(mutex_);
      cancel();
    }
    for (std::jthread& thread : threads_) thread.request_stop();
    threads_.clear();  // joins before the members they use go
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void begin_epoch(std::int64_t epoch, std::int64_t start_step) {
    if (start_step < 0 || start_step > builder_.steps_per_epoch()) {
      throw ConfigError("loader",
                        "expected a step in 0..{}, found {}; the run was made with "
                        "another batch or dataset",
                        builder_.steps_per_epoch(), start_step);
    }
    std::shared_ptr<const EpochPlan> plan = builder_.plan(epoch);
    const std::scoped_lock lock(mutex_);
    cancel();
    plan_ = std::move(plan);
    next_step_ = start_step;
    work_ready_.notify_all();
  }

  std::optional<Batch> next() { return workers_ == 0 ? next_here() : next_made(); }

  [[nodiscard]] const BatchBuilder& builder() const noexcept { return builder_; }
  [[nodiscard]] std::int64_t workers() const noexcept { return workers_; }

 private:
  // Without threads: makes the batch now.
  std::optional<Batch> next_here() {
    if (!plan_ || next_step_ >= plan_->steps) return std::nullopt;
    const std::shared_ptr<BatchSlot> slot = builder_.start(plan_, next_step_++);
    try {
      for (std::int64_t i = 0; i < slot->count; ++i) builder_.fill(*slot, i);
      return builder_.finish(*slot);
    } catch (...) {
      plan_.reset();  // the epoch is over
      throw;
    }
  }

  std::optional<Batch> next_made() {
    std::unique_lock lock(mutex_);
    if (!plan_ || (slots_.empty() && next_step_ >= plan_->steps)) return std::nullopt;
    batch_ready_.wait(lock, [this] { return !slots_.empty() && slots_.front()->done; });
    const std::shared_ptr<BatchSlot> slot = std::move(slots_.front());
    slots_.pop_front();
    if (slot->failure) {
      cancel();
      std::rethrow_exception(slot->failure);
    }
    work_ready_.notify_all();
    return std::move(slot->batch);
  }

  // Ends the epoch; samples in work are finished by their workers and forgotten. Needs the lock.
  void cancel() {
    for (const auto& slot : slots_) slot->cancelled = true;
    slots_.clear();
    plan_.reset();
  }

  void work(const std::stop_token& stop) {
    set_num_threads(1);  // an OpenMP team per worker would fight with training for the cores
    for (;;) {
      Portion portion;
      {
        std::unique_lock lock(mutex_);
        work_ready_.wait(lock, stop, [&] { return take_portion(portion); });
        if (stop.stop_requested()) return;
      }
      make(portion);
    }
  }

  // Hands out the next samples, opening a new batch if there is room. Needs the lock.
  bool take_portion(Portion& portion) {
    for (const auto& slot : slots_) {
      if (slot->assigned < slot->count) return assign(slot, portion);
    }
    if (!plan_ || next_step_ >= plan_->steps || slots_.size() >= prefetch_) return false;
    slots_.push_back(open_slot());
    work_ready_.notify_all();
    return slots_.back()->count > 0 && assign(slots_.back(), portion);
  }

  // A batch to fill; if even its memory cannot be had, a failed one for next() to report.
  std::shared_ptr<BatchSlot> open_slot() {
    try {
      return builder_.start(plan_, next_step_++);
    } catch (...) {
      auto slot = std::make_shared<BatchSlot>();
      slot->failure = std::current_exception();
      slot->done = true;
      next_step_ = plan_->steps;
      batch_ready_.notify_all();
      return slot;
    }
  }

  bool assign(const std::shared_ptr<BatchSlot>& slot, Portion& portion) {
    const std::int64_t end = std::min(slot->count, slot->assigned + portion_);
    portion = {.slot = slot, .begin = slot->assigned, .end = end};
    slot->assigned = end;
    return true;
  }

  void make(const Portion& portion) {
    BatchSlot& slot = *portion.slot;
    std::int64_t i = portion.begin;
    std::exception_ptr failure;
    try {
      for (; i < portion.end && !slot.cancelled; ++i) builder_.fill(slot, i);
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::scoped_lock lock(mutex_);
      if (failure && (!slot.failure || i < slot.failed_sample)) {
        slot.failure = failure;
        slot.failed_sample = i;
      }
      slot.finished += portion.end - portion.begin;
      if (slot.finished < slot.count || slot.cancelled) return;
    }
    complete(slot);
  }

  // Runs on the worker that handed in the last sample; nobody else touches the slot then.
  void complete(BatchSlot& slot) {
    Batch batch;
    std::exception_ptr failure = slot.failure;
    try {
      if (!failure) batch = builder_.finish(slot);
    } catch (...) {
      failure = std::current_exception();
    }
    const std::scoped_lock lock(mutex_);
    slot.batch = std::move(batch);
    slot.failure = failure;
    slot.done = true;
    batch_ready_.notify_all();
  }

  BatchBuilder builder_;
  std::size_t prefetch_;
  std::int64_t workers_;
  std::int64_t portion_;

  std::mutex mutex_;
  std::condition_variable_any work_ready_;
  std::condition_variable batch_ready_;
  std::shared_ptr<const EpochPlan> plan_;
  std::int64_t next_step_ = 0;
  std::deque<std::shared_ptr<BatchSlot>> slots_;
  std::vector<std::jthread> threads_;
};

Loader::Loader(std::shared_ptr<const Dataset> dataset,
               std::shared_ptr<const image::Transform> transform, Sampler sampler,
               const LoaderOptions& options)
    : Loader(make_image_source(std::move(dataset), std::move(transform)), std::move(sampler),
             options) {}

Loader::Loader(std::shared_ptr<const SampleSource> source, Sampler sampler,
               const LoaderOptions& options) {
  options.validate();
  impl_ = std::make_unique<Impl>(std::move(source), sampler, options);
}

Loader::~Loader() = default;

std::int64_t Loader::steps_per_epoch() const noexcept { return impl_->builder().steps_per_epoch(); }

const Dataset& Loader::dataset() const noexcept { return impl_->builder().dataset(); }

std::int64_t Loader::workers() const noexcept { return impl_->workers(); }

void Loader::begin_epoch(std::int64_t epoch, std::int64_t start_step) {
  impl_->begin_epoch(epoch, start_step);
}

std::optional<Batch> Loader::next() { return impl_->next(); }

}  // namespace conopa::data
