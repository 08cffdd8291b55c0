#include "conopa/data/broken_files.h"

#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/log.h"

namespace conopa::data {

void BrokenFiles::add(std::string_view name, std::string_view error) {
  const std::scoped_lock lock(mutex_);
  errors_.try_emplace(std::string(name), error);
}

std::int64_t BrokenFiles::count() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::int64_t>(errors_.size());
}

std::vector<BrokenFile> BrokenFiles::list() const {
  const std::scoped_lock lock(mutex_);
  std::vector<BrokenFile> files;
  files.reserve(errors_.size());
  for (const auto& [name, error] : errors_) files.push_back({name, error});
  return files;
}

SkipBroken::SkipBroken(std::shared_ptr<const Dataset> dataset, std::shared_ptr<BrokenFiles> report)
    : dataset_(std::move(dataset)),
      report_(std::move(report)),
      known_broken_(static_cast<std::size_t>(dataset_->size())) {}

Sample SkipBroken::get(std::int64_t index) const {
  const std::int64_t count = size();
  for (std::int64_t step = 0; step < count; ++step) {
    const std::int64_t candidate = (index + step) % count;
    if (known_broken_.at(static_cast<std::size_t>(candidate)).load(std::memory_order_relaxed)) {
      continue;
    }
    try {
      Sample sample = dataset_->get(candidate);
      sample.index = candidate;
      return sample;
    } catch (const Error& error) {
      if (error.code() != ExitCode::kBadData) throw;
      report(candidate, error.what());
    }
  }
  throw FormatError("data", "expected at least one good image, found {} broken ones; the first: {}",
                    count, name(0));
}

void SkipBroken::report(std::int64_t index, std::string_view error) const {
  auto& known = known_broken_[static_cast<std::size_t>(index)];
  if (known.exchange(true, std::memory_order_relaxed)) return;  // another thread met it first
  report_->add(name(index), error);
  log_warning("skipped a broken image: {}", error);
}

}  // namespace conopa::data
