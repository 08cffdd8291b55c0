#include "data_captions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>

namespace conopa::app {
namespace {

using Json = nlohmann::ordered_json;

struct CaptionStats {
  std::vector<std::int64_t> lengths;  ///< sorted
  std::int64_t total = 0;
  std::vector<std::string> first;
};

// Characters, not bytes: what continues a character does not count.
std::int64_t length_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

// One line on a terminal, whatever the caption holds.
std::string on_one_line(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return out;
}

CaptionStats caption_stats(const data::Dataset& dataset) {
  constexpr std::size_t kShown = 5;
  CaptionStats out;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const std::string_view caption = dataset.caption(i);
    if (caption.empty()) continue;  // of a mixture's other sources
    if (out.first.size() < kShown) out.first.emplace_back(caption);
    out.lengths.push_back(length_of(caption));
    out.total += out.lengths.back();
  }
  std::sort(out.lengths.begin(), out.lengths.end());
  return out;
}

// Part of the epoch that a source gets.
double share(const data::MixturePlan& plan, std::size_t source) {
  return plan.weights[source] / std::accumulate(plan.weights.begin(), plan.weights.end(), 0.0);
}

}  // namespace

void add_captions(Json& out, const data::Dataset& dataset) {
  if (!dataset.has_captions()) return;
  const CaptionStats stats = caption_stats(dataset);
  const auto count = stats.lengths.size();
  out["captions"] = {{"captions", count},
                     {"characters",
                      {{"min", stats.lengths.front()},
                       {"median", stats.lengths[count / 2]},
                       {"max", stats.lengths.back()},
                       {"mean", static_cast<double>(stats.total) / static_cast<double>(count)}}},
                     {"first", stats.first}};
}

void print_captions(const data::Dataset& dataset) {
  if (!dataset.has_captions()) return;
  const CaptionStats stats = caption_stats(dataset);
  const auto count = stats.lengths.size();
  fmt::print("  captions  {}, {} to {} characters, median {}, mean {:.1f}\n", count,
             stats.lengths.front(), stats.lengths.back(), stats.lengths[count / 2],
             static_cast<double>(stats.total) / static_cast<double>(count));
  for (const std::string& caption : stats.first) fmt::print("    {}\n", on_one_line(caption));
}

void add_mixture(Json& out, const data::MixturePlan& plan, const std::vector<std::string>& paths) {
  if (plan.empty()) return;
  Json sources = Json::array();
  for (std::size_t s = 0; s < paths.size(); ++s) {
    sources.push_back({{"path", paths[s]}, {"images", plan.sizes[s]}, {"share", share(plan, s)}});
  }
  out["mixture"] = {{"epoch", plan.epoch_draws()}, {"sources", std::move(sources)}};
}

void print_mixture(const data::MixturePlan& plan, const std::vector<std::string>& paths) {
  if (plan.empty()) return;
  const auto draws = static_cast<double>(plan.epoch_draws());
  fmt::print("  mixture   {} images an epoch\n", plan.epoch_draws());
  for (std::size_t s = 0; s < paths.size(); ++s) {
    const double drawn = share(plan, s) * draws;
    fmt::print("    {:5.1f} %  {} ({} images, each {:.2f} times an epoch)\n",
               100.0 * share(plan, s), paths[s], plan.sizes[s],
               drawn / static_cast<double>(plan.sizes[s]));
  }
}

}  // namespace conopa::app
