#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "conopa/core/fields.h"
#include "conopa/data/mixture.h"

namespace conopa::data {

/// In which order an epoch visits the samples.
enum class SampleOrder {
  kShuffled,    ///< every sample once, in a new random order each epoch
  kSequential,  ///< 0, 1, 2, ...; for evaluation
  kRepeated,    ///< repeated augmentation: few samples, each several times in a row over the ranks
  kBalanced     ///< every class equally often; samples of small classes come several times
};

/// What happens when the samples do not divide by the number of ranks.
enum class ShardTail {
  kPad,    ///< the first samples of the order are visited again, so that ranks are equally long
  kDrop,   ///< the last samples are left out, so that ranks are equally long
  kUneven  ///< nothing is added or lost; low ranks are one sample longer; for exact evaluation
};

struct SamplerOptions {
  SampleOrder order = SampleOrder::kShuffled;
  std::int64_t seed = 0;
  /// kRepeated: how often a sample comes in a row.
  std::int64_t repeats = 3;
  /// kRepeated: the epoch's length is rounded down to a multiple of this before it is divided
  /// among the ranks; 0 keeps the dataset's size. Datasets smaller than this are not rounded.
  std::int64_t round = 256;
  std::int64_t rank = 0;
  std::int64_t world_size = 1;
  ShardTail tail = ShardTail::kPad;

  /// @throws ConfigError naming the field that is out of range.
  void validate() const;
  /// The recipe's fields: order, repeats. Seed and rank come from the run.
  void visit(FieldVisitor& v);
};

/// The order in which one rank visits the samples during one epoch; cheap to copy.
class EpochOrder {
 public:
  /// Samples that this rank visits.
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  /// Dataset index at a position, 0 ≤ position < size(). O(1), thread-safe.
  [[nodiscard]] std::int64_t operator[](std::int64_t position) const {
    return (*base_)[static_cast<std::size_t>((global(position) % period_) / repeats_)];
  }
  /// Position in the order of all ranks together; the key of a sample's random stream.
  [[nodiscard]] std::int64_t global(std::int64_t position) const noexcept {
    return first_ + position * stride_;
  }

 private:
  friend class Sampler;
  std::shared_ptr<const std::vector<std::int64_t>> base_;
  std::int64_t repeats_ = 1;
  std::int64_t period_ = 1;  // length of the order before padding wraps around
  std::int64_t first_ = 0;
  std::int64_t stride_ = 1;
  std::int64_t size_ = 0;
};

/// Draws the order of an epoch as a pure function of (options, dataset, epoch).
///
/// Nothing is remembered between epochs, so any epoch can be entered at any position: a resumed run
/// only needs the two numbers. With several ranks, rank r takes positions r, r + world_size, ... of
/// one common order. Thread-safe.
///
/// kRepeated follows timm 0.5.4's repeated-augmentation sampler: the shuffled order with every
/// sample `repeats` times in a row is dealt to the ranks, so that the copies land on different
/// ranks, and each rank stops after floor(size/round)·round/world_size samples: an epoch keeps the
/// length of the dataset and sees about a third of its images three times. The random order itself
/// comes from this library's generator and differs from torch's.
class Sampler {
 public:
  /// @param size number of samples, at least 1.
  /// @throws ConfigError for bad options or kBalanced, which needs labels.
  Sampler(const SamplerOptions& options, std::int64_t size);

  /// @param labels one class index ≥ 0 per sample; read by kBalanced only.
  /// @throws ConfigError for bad options or no samples.
  Sampler(const SamplerOptions& options, std::span<const std::int64_t> labels);

  /// The order of a mixture of sources, as places in their MixtureDataset.
  /// @throws ConfigError for bad options or an order that is not kShuffled.
  Sampler(const SamplerOptions& options, MixturePlan mixture);

  /// @complexity O(size) time and memory (8 bytes per sample).
  [[nodiscard]] EpochOrder order(std::int64_t epoch) const;

  /// Samples per epoch of this rank; the same in every epoch.
  [[nodiscard]] std::int64_t epoch_size() const noexcept { return epoch_size_; }
  [[nodiscard]] const SamplerOptions& options() const noexcept { return options_; }

 private:
  [[nodiscard]] std::vector<std::int64_t> base_order(std::int64_t epoch) const;
  [[nodiscard]] std::vector<std::int64_t> balanced_order(std::int64_t epoch) const;
  [[nodiscard]] std::int64_t shard_size() const;

  SamplerOptions options_;
  std::int64_t size_ = 0;
  std::vector<std::vector<std::int64_t>> members_;  // kBalanced: samples of each class that has any
  MixturePlan mixture_;  // empty unless samples come from several sources
  std::int64_t epoch_size_ = 0;
};

/// Batches that `samples` make: a last incomplete one counts unless `drop_last`.
[[nodiscard]] constexpr std::int64_t batch_count(std::int64_t samples, std::int64_t batch,
                                                 bool drop_last) noexcept {
  return drop_last ? samples / batch : (samples + batch - 1) / batch;
}

}  // namespace conopa::data

template <>
struct conopa::EnumNames<conopa::data::SampleOrder> {
  static constexpr std::array<std::string_view, 4> kNames = {"shuffled", "sequential", "repeated",
                                                             "balanced"};
};

template <>
struct conopa::EnumNames<conopa::data::ShardTail> {
  static constexpr std::array<std::string_view, 3> kNames = {"pad", "drop", "uneven"};
};
