#include "conopa/data/subset.h"

#include <algorithm>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"

namespace conopa::data {

Subset::Subset(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> indices)
    : dataset_(std::move(dataset)), indices_(std::move(indices)) {
  if (indices_.empty())
    throw ConfigError("data", "a subset needs at least one sample; check limit");
}

Sample Subset::get(std::int64_t index) const {
  Sample sample = dataset_->get(source(index));
  sample.index = index;
  return sample;
}

std::int64_t Subset::label(std::int64_t index) const { return dataset_->label(source(index)); }

std::string Subset::name(std::int64_t index) const { return dataset_->name(source(index)); }

std::vector<std::int64_t> pick_balanced(std::span<const std::int64_t> labels, std::int64_t count,
                                        std::int64_t seed) {
  // A random order of all samples is a random order inside every class; a sample's rank there is
  // the round in which it would be picked.
  struct Candidate {
    std::int64_t round;
    std::int64_t label;
    std::int64_t index;
  };
  Rng rng(static_cast<std::uint64_t>(seed), RngPurpose::kSample);
  const std::vector<std::int64_t> order = rng.permutation(static_cast<std::int64_t>(labels.size()));
  std::vector<std::int64_t> seen;
  std::vector<Candidate> candidates;
  candidates.reserve(order.size());
  for (const std::int64_t index : order) {
    const std::int64_t label = labels[static_cast<std::size_t>(index)];
    CONOPA_ASSERT(label >= 0);
    if (label >= static_cast<std::int64_t>(seen.size())) {
      seen.resize(static_cast<std::size_t>(label) + 1);
    }
    candidates.push_back({seen[static_cast<std::size_t>(label)]++, label, index});
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::pair(a.round, a.label) < std::pair(b.round, b.label);
  });
  candidates.resize(
      std::min(candidates.size(), static_cast<std::size_t>(std::max<std::int64_t>(count, 0))));
  std::vector<std::int64_t> picked;
  picked.reserve(candidates.size());
  for (const Candidate& candidate : candidates) picked.push_back(candidate.index);
  std::sort(picked.begin(), picked.end());
  return picked;
}

}  // namespace conopa::data
