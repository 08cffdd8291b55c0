#include "conopa/data/mixture.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"

namespace conopa::data {
namespace {

// Streams of the shuffle purpose, apart from those of the plain sampler. The passes through a
// source are numbered like epochs.
constexpr std::uint64_t kQuotaStream = std::uint64_t{1} << 40;
constexpr std::uint64_t kTurnStream = kQuotaStream + 1;
constexpr std::uint64_t kSourceStream = kQuotaStream + 2;

Rng stream(std::int64_t seed, std::int64_t epoch, std::uint64_t number) {
  return {static_cast<std::uint64_t>(seed), RngPurpose::kShuffle, static_cast<std::uint64_t>(epoch),
          number};
}

/// Walks one source, pass by pass.
class SourceWalk {
 public:
  SourceWalk(std::int64_t seed, std::uint64_t number, std::int64_t size, std::int64_t start)
      : seed_(seed), number_(number), size_(size), position_(start) {}

  std::int64_t next() {
    const std::int64_t pass = position_ / size_;
    if (pass != pass_) {
      order_ = stream(seed_, pass, number_).permutation(size_);
      pass_ = pass;
    }
    return order_[static_cast<std::size_t>(position_++ % size_)];
  }

 private:
  std::int64_t seed_;
  std::uint64_t number_;
  std::int64_t size_;
  std::int64_t position_;
  std::int64_t pass_ = -1;
  std::vector<std::int64_t> order_;
};

}  // namespace

MixtureDataset::MixtureDataset(std::vector<std::shared_ptr<const Dataset>> sources)
    : sources_(std::move(sources)) {
  if (sources_.empty()) throw ConfigError("data", "a mixture needs at least one source");
  bool same = true;
  std::int64_t end = 0;
  for (const auto& source : sources_) {
    end += source->size();
    ends_.push_back(end);
    has_captions_ = has_captions_ || source->has_captions();
    same = same && source->class_names() == sources_.front()->class_names();
  }
  if (same) class_names_ = sources_.front()->class_names();
}

std::pair<std::size_t, std::int64_t> MixtureDataset::locate(std::int64_t index) const {
  CONOPA_ASSERT(index >= 0 && index < size());
  const auto source =
      static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin());
  return {source, index - first(source)};
}

Sample MixtureDataset::get(std::int64_t index) const {
  const auto [source, place] = locate(index);
  Sample sample = sources_[source]->get(place);
  sample.index += first(source);  // a source may have replaced a broken sample
  if (class_names_.empty()) sample.label = 0;
  return sample;
}

std::int64_t MixtureDataset::label(std::int64_t index) const {
  const auto [source, place] = locate(index);
  return class_names_.empty() ? 0 : sources_[source]->label(place);
}

std::string MixtureDataset::name(std::int64_t index) const {
  const auto [source, place] = locate(index);
  return sources_[source]->name(place);
}

std::string_view MixtureDataset::caption(std::int64_t index) const {
  const auto [source, place] = locate(index);
  return sources_[source]->caption(place);
}

std::int64_t MixturePlan::epoch_draws() const noexcept {
  return epoch > 0 ? epoch : std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
}

void MixturePlan::validate() const {
  if (sizes.size() != weights.size()) {
    throw ConfigError("data", "expected one mixture weight per source, found {} for {}",
                      weights.size(), sizes.size());
  }
  for (std::size_t s = 0; s < sizes.size(); ++s) {
    if (sizes[s] < 1) throw ConfigError("data", "source {} of the mixture holds no samples", s + 1);
    if (!(weights[s] > 0.0) || !std::isfinite(weights[s])) {
      throw ConfigError("data", "mixture_weights must be positive, got {}", weights[s]);
    }
  }
  if (epoch < 0) throw ConfigError("data", "mixture_epoch must not be negative, got {}", epoch);
}

std::vector<std::int64_t> MixturePlan::quotas(std::int64_t seed, std::int64_t epoch_number) const {
  // Systematic sampling: ticks at a common random offset cut the line of shares.
  const double offset = stream(seed, epoch_number, kQuotaStream).uniform();
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const std::int64_t draws = epoch_draws();
  std::vector<std::int64_t> out;
  double share = 0.0;
  std::int64_t given = 0;
  for (std::size_t s = 0; s < weights.size(); ++s) {
    share += weights[s];
    const double edge = share / sum * static_cast<double>(draws) + offset;
    const bool last = s + 1 == weights.size();  // rounding must not lose a draw
    const std::int64_t upto =
        last ? draws : std::clamp(static_cast<std::int64_t>(std::floor(edge)), given, draws);
    out.push_back(upto - given);
    given = upto;
  }
  return out;
}

std::vector<std::int64_t> MixturePlan::order(std::int64_t seed, std::int64_t epoch_number) const {
  std::vector<std::int64_t> starts(sizes.size());  // draws of all epochs before
  for (std::int64_t e = 0; e < epoch_number; ++e) {
    const std::vector<std::int64_t> before = quotas(seed, e);
    for (std::size_t s = 0; s < starts.size(); ++s) starts[s] += before[s];
  }
  std::vector<std::int64_t> turns;  // the source of each draw, before they are mixed
  turns.reserve(static_cast<std::size_t>(epoch_draws()));
  std::vector<SourceWalk> walks;
  std::vector<std::int64_t> firsts;
  const std::vector<std::int64_t> now = quotas(seed, epoch_number);
  std::int64_t first = 0;
  for (std::size_t s = 0; s < sizes.size(); ++s) {
    turns.insert(turns.end(), static_cast<std::size_t>(now[s]), static_cast<std::int64_t>(s));
    walks.emplace_back(seed, kSourceStream + s, sizes[s], starts[s]);
    firsts.push_back(first);
    first += sizes[s];
  }
  std::vector<std::int64_t> order =
      stream(seed, epoch_number, kTurnStream).permutation(epoch_draws());
  for (std::int64_t& place : order) {
    const auto source = static_cast<std::size_t>(turns[static_cast<std::size_t>(place)]);
    place = firsts[source] + walks[source].next();
  }
  return order;
}

}  // namespace conopa::data
