#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conopa/data/dataset.h"

namespace conopa::data {

/// Several datasets, one behind the other; which is visited how often is the sampler's matter
/// (MixturePlan). Captions stay; classes stay if all sources have the same names, else there are
/// none and every label is 0.
class MixtureDataset final : public Dataset {
 public:
  /// @throws ConfigError if there is no source.
  explicit MixtureDataset(std::vector<std::shared_ptr<const Dataset>> sources);

  [[nodiscard]] std::int64_t size() const noexcept override { return ends_.back(); }
  [[nodiscard]] Sample get(std::int64_t index) const override;
  [[nodiscard]] std::int64_t label(std::int64_t index) const override;
  [[nodiscard]] std::string name(std::int64_t index) const override;
  [[nodiscard]] bool has_captions() const noexcept override { return has_captions_; }
  [[nodiscard]] std::string_view caption(std::int64_t index) const override;
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept override {
    return class_names_;
  }

 private:
  // Source and place in it.
  [[nodiscard]] std::pair<std::size_t, std::int64_t> locate(std::int64_t index) const;
  [[nodiscard]] std::int64_t first(std::size_t source) const {
    return source == 0 ? 0 : ends_[source - 1];
  }

  std::vector<std::shared_ptr<const Dataset>> sources_;
  std::vector<std::int64_t> ends_;
  std::vector<std::string> class_names_;
  bool has_captions_ = false;
};

/// How an epoch draws from the sources of a MixtureDataset; empty for data that is no mixture.
struct MixturePlan {
  std::vector<std::int64_t> sizes;  ///< samples of each source
  std::vector<double> weights;      ///< shares, positive; their sum does not matter
  std::int64_t epoch = 0;           ///< draws of one epoch; 0 = the sum of sizes

  [[nodiscard]] bool empty() const noexcept { return sizes.empty(); }
  /// Draws of one epoch.
  [[nodiscard]] std::int64_t epoch_draws() const noexcept;
  /// @throws ConfigError if sizes and weights do not belong together or are out of range.
  void validate() const;

  /// How many draws each source gets: its share of the epoch, rounded up or down by one random
  /// number of (seed, epoch), so that the mean over epochs is the share; they add up to
  /// epoch_draws().
  [[nodiscard]] std::vector<std::int64_t> quotas(std::int64_t seed, std::int64_t epoch) const;

  /// The epoch's order, as places in the MixtureDataset. The sources alternate at random; each goes
  /// on where the epoch before left it, through all its samples once, then again in a new order.
  /// A pure function of its arguments.
  /// @complexity O(draws + sizes of the sources + epoch).
  [[nodiscard]] std::vector<std::int64_t> order(std::int64_t seed, std::int64_t epoch) const;
};

}  // namespace conopa::data
