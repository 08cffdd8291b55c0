// Activation maps and pseudo-masks of the information-filtering analysis.

#include "checkers.h"
#include "conopa/eval/activation_map.h"
#include "conopa/eval/pseudo_mask.h"

namespace conopa::parity {
namespace {

using Maps = std::vector<std::vector<double>>;  // per image

std::vector<double> joined(const Maps& maps) {
  std::vector<double> out;
  for (const std::vector<double>& map : maps) out.insert(out.end(), map.begin(), map.end());
  return out;
}

void compare_scores(const Case& c, const std::string& kind, const Maps& maps, Outcome& out) {
  const HostTensor masks = c.io->read("gt");
  const std::span<const float> values = masks.data<float>();
  std::vector<double> ious;
  double best = 0.0;
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const std::size_t tokens = maps[i].size();
    const std::span<const float> one = values.subspan(i * tokens, tokens);
    const std::vector<std::uint8_t> mask(one.begin(), one.end());
    const eval::PseudoMaskScore score = eval::pseudo_mask_score(maps[i], mask);
    ious.insert(ious.end(), score.iou.begin(), score.iou.end());
    best += score.best_iou() / static_cast<double>(maps.size());
  }
  out.compare("iou_" + kind, ious);
  out.compare("miou_" + kind, std::vector<double>{best});
}

}  // namespace

void check_filter_analysis(const Case& c, Outcome& out) {
  const HostTensor tokens = c.io->read("tokens");  // [B, H, W, C]
  const HostTensor scores = c.io->read("att");     // [B, heads, H·W]
  Maps magnitude, frequency, magnitude_column, frequency_column, phases, attention;
  for (std::int64_t image = 0; image < tokens.dim(0); ++image) {
    const HostTensor one = tokens.rows(image, 1);
    const eval::TokenGrid grid{.tokens = one.data<float>(),
                               .rows = tokens.dim(1),
                               .cols = tokens.dim(2),
                               .width = tokens.dim(3)};
    magnitude.push_back(eval::magnitude_activation(grid));
    frequency.push_back(eval::frequency_activation(grid));
    magnitude_column.push_back(eval::magnitude_activation(grid, eval::MeanOver::kColumn));
    frequency_column.push_back(eval::frequency_activation(grid, eval::MeanOver::kColumn));
    phases.push_back(eval::channel_phases(grid));
    const HostTensor seen = scores.rows(image, 1);
    attention.push_back(eval::attention_activation(seen.data<float>(), grid.rows * grid.cols));
  }
  out.compare("mag", joined(magnitude));
  out.compare("freq", joined(frequency));
  out.compare("mag_rowmean", joined(magnitude_column));
  out.compare("freq_rowmean", joined(frequency_column));
  out.compare("phase", joined(phases));
  out.compare("att_map", joined(attention));
  compare_scores(c, "mag", magnitude, out);
  compare_scores(c, "freq", frequency, out);
  compare_scores(c, "att", attention, out);
}

}  // namespace conopa::parity
