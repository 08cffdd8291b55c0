#include "conopa/data/sampler.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"

namespace conopa::data {
namespace {

// Streams of one epoch's shuffle purpose: the whole order first, then one per class.
constexpr std::uint64_t kOrderStream = 0;
constexpr std::uint64_t kClassStream = 1;

Rng shuffle_rng(std::int64_t seed, std::int64_t epoch, std::uint64_t stream) {
  return {static_cast<std::uint64_t>(seed), RngPurpose::kShuffle, static_cast<std::uint64_t>(epoch),
          stream};
}

std::vector<std::vector<std::int64_t>> group_by_class(std::span<const std::int64_t> labels) {
  std::vector<std::vector<std::int64_t>> members;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    CONOPA_ASSERT(labels[i] >= 0);  // datasets check their labels when they are opened
    const auto label = static_cast<std::size_t>(labels[i]);
    if (label >= members.size()) members.resize(label + 1);
    members[label].push_back(static_cast<std::int64_t>(i));
  }
  std::erase_if(members, [](const auto& samples) { return samples.empty(); });
  return members;
}

}  // namespace

void SamplerOptions::validate() const {
  if (world_size < 1 || rank < 0 || rank >= world_size) {
    throw ConfigError("sampler", "expected 0 <= rank < world_size, found rank {} of {}", rank,
                      world_size);
  }
  if (repeats < 1) {
    throw ConfigError("sampler", "repeats must be at least 1, got {}; 3 is usual", repeats);
  }
  if (round < 0) throw ConfigError("sampler", "round must not be negative, got {}", round);
}

void SamplerOptions::visit(FieldVisitor& v) {
  enum_field(v, "order", order, "order of the samples in an epoch");
  v.field("repeats", repeats, "order repeated: times a sample comes in a row");
}

Sampler::Sampler(const SamplerOptions& options, std::int64_t size)
    : options_(options), size_(size) {
  options_.validate();
  if (size_ < 1) throw ConfigError("sampler", "the dataset holds no samples; check its path");
  if (options_.order == SampleOrder::kBalanced) {
    throw ConfigError("sampler", "balanced order needs a dataset with labels");
  }
  epoch_size_ = shard_size();
}

Sampler::Sampler(const SamplerOptions& options, std::span<const std::int64_t> labels)
    : options_(options), size_(static_cast<std::int64_t>(labels.size())) {
  options_.validate();
  if (size_ < 1) throw ConfigError("sampler", "the dataset holds no samples; check its path");
  if (options_.order == SampleOrder::kBalanced) members_ = group_by_class(labels);
  epoch_size_ = shard_size();
}

Sampler::Sampler(const SamplerOptions& options, MixturePlan mixture)
    : options_(options), size_(mixture.epoch_draws()), mixture_(std::move(mixture)) {
  options_.validate();
  mixture_.validate();
  if (size_ < 1) throw ConfigError("sampler", "the mixture holds no samples; check its paths");
  if (options_.order != SampleOrder::kShuffled) {
    throw ConfigError("sampler", "expected order 'shuffled' for a mixture, found '{}'",
                      enum_name(options_.order));
  }
  epoch_size_ = shard_size();
}

std::int64_t Sampler::shard_size() const {
  const std::int64_t world = options_.world_size;
  if (options_.order == SampleOrder::kRepeated) {
    const bool rounds = options_.round > 0 && size_ >= options_.round;
    return rounds ? size_ / options_.round * options_.round / world : (size_ + world - 1) / world;
  }
  switch (options_.tail) {
    case ShardTail::kPad:
      return (size_ + world - 1) / world;
    case ShardTail::kDrop:
      return size_ / world;
    case ShardTail::kUneven:
      return size_ / world + (options_.rank < size_ % world ? 1 : 0);
  }
  return 0;
}

EpochOrder Sampler::order(std::int64_t epoch) const {
  EpochOrder out;
  out.base_ = std::make_shared<const std::vector<std::int64_t>>(base_order(epoch));
  out.repeats_ = options_.order == SampleOrder::kRepeated ? options_.repeats : 1;
  out.period_ = size_ * out.repeats_;
  out.first_ = options_.rank;
  out.stride_ = options_.world_size;
  out.size_ = epoch_size_;
  return out;
}

std::vector<std::int64_t> Sampler::base_order(std::int64_t epoch) const {
  if (!mixture_.empty()) return mixture_.order(options_.seed, epoch);
  switch (options_.order) {
    case SampleOrder::kBalanced:
      return balanced_order(epoch);
    case SampleOrder::kShuffled:
    case SampleOrder::kRepeated:
      return shuffle_rng(options_.seed, epoch, kOrderStream).permutation(size_);
    case SampleOrder::kSequential:
      break;
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(size_));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return order;
}

std::vector<std::int64_t> Sampler::balanced_order(std::int64_t epoch) const {
  const auto classes = static_cast<std::int64_t>(members_.size());
  Rng rng = shuffle_rng(options_.seed, epoch, kOrderStream);
  // Classes that get the remainder of size / classes change with the epoch.
  const std::vector<std::int64_t> lucky = rng.permutation(classes);
  std::vector<std::int64_t> drawn;
  drawn.reserve(static_cast<std::size_t>(size_));
  for (std::int64_t k = 0; k < classes; ++k) {
    const std::vector<std::int64_t>& samples = members_[static_cast<std::size_t>(k)];
    const auto count = static_cast<std::int64_t>(samples.size());
    std::int64_t quota =
        size_ / classes + (lucky[static_cast<std::size_t>(k)] < size_ % classes ? 1 : 0);
    Rng class_rng = shuffle_rng(options_.seed, epoch, kClassStream + static_cast<std::uint64_t>(k));
    while (quota > 0) {  // whole rounds through the class, each in a new order
      const std::vector<std::int64_t> round = class_rng.permutation(count);
      const std::int64_t taken = std::min(quota, count);
      for (std::int64_t i = 0; i < taken; ++i) {
        drawn.push_back(samples[static_cast<std::size_t>(round[static_cast<std::size_t>(i)])]);
      }
      quota -= taken;
    }
  }
  const std::vector<std::int64_t> shuffle = rng.permutation(size_);
  std::vector<std::int64_t> order(drawn.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = drawn[static_cast<std::size_t>(shuffle[i])];
  }
  return order;
}

}  // namespace conopa::data
