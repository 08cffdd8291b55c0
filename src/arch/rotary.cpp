#include "conopa/arch/rotary.h"

#include <cmath>

namespace conopa::arch {

RotaryTable rotary_table(const EncoderSpec& spec) {
  RotaryTable table;
  if (spec.rotary == Rotary::kNone) return table;
  table.tokens = spec.num_tokens();
  table.half = spec.head_dim() / 2;
  std::vector<float> frequency(static_cast<std::size_t>(table.half));
  for (std::size_t j = 0; j < frequency.size(); ++j) {
    const double exponent = 2.0 * static_cast<double>(j) / static_cast<double>(spec.head_dim());
    frequency[j] = static_cast<float>(1.0 / std::pow(spec.rope_theta, exponent));
  }
  const auto size = static_cast<std::size_t>(table.tokens * table.half);
  table.cos.reserve(size);
  table.sin.reserve(size);
  for (std::int64_t p = 0; p < table.tokens; ++p) {
    for (const float f : frequency) {
      const double angle = static_cast<double>(static_cast<float>(p) * f);
      table.cos.push_back(static_cast<float>(std::cos(angle)));
      table.sin.push_back(static_cast<float>(std::sin(angle)));
    }
  }
  return table;
}

}  // namespace conopa::arch
