#include "conopa/arch/rotary.h"

#include <fmt/format.h>

#include <cmath>

namespace conopa::arch {
namespace {

std::vector<float> frequencies(const RotaryLadder& ladder) {
  const std::int64_t channels = ladder.rotated * ladder.heads;
  const std::int64_t step = ladder.kind == Rotary::kPlane ? 4 : 2;
  std::vector<float> out(static_cast<std::size_t>(channels / step));
  for (std::size_t k = 0; k < out.size(); ++k) {
    const double exponent =
        static_cast<double>(step) * static_cast<double>(k) / static_cast<double>(channels);
    out[k] = static_cast<float>(1.0 / std::pow(ladder.theta, exponent));
  }
  return out;
}

}  // namespace

RotaryTable rotary_table(const RotaryLadder& ladder, const Coordinates& at) {
  RotaryTable table;
  table.tokens = std::ssize(at.x);
  table.half = ladder.head_dim / 2;
  table.heads = ladder.heads;
  const std::vector<float> frequency = frequencies(ladder);
  const bool plane = ladder.kind == Rotary::kPlane;
  const std::int64_t pairs = ladder.rotated / 2;  // of one head
  const auto size = static_cast<std::size_t>(table.heads * table.tokens * table.half);
  table.cos.reserve(size);
  table.sin.reserve(size);
  for (std::int64_t head = 0; head < ladder.heads; ++head) {
    for (std::size_t n = 0; n < at.x.size(); ++n) {
      for (std::int64_t p = 0; p < table.half; ++p) {
        double angle = 0.0;
        if (p < pairs) {
          const std::int64_t slot = head * pairs + p;  // of the whole ladder
          const double position = plane && slot % 2 == 1 ? at.y[n] : at.x[n];
          const float f = frequency[static_cast<std::size_t>(plane ? slot / 2 : slot)];
          angle = static_cast<double>(static_cast<float>(position) * f);
        }
        table.cos.push_back(static_cast<float>(std::cos(angle)));
        table.sin.push_back(static_cast<float>(std::sin(angle)));
      }
    }
  }
  return table;
}

std::int64_t rotated_channels(const EncoderSpec& spec, std::int64_t head_dim) {
  return static_cast<std::int64_t>(spec.rope_ratio * static_cast<double>(head_dim));
}

double ntk_theta(double theta, double factor, double scale, std::int64_t head_dim) {
  const auto d = static_cast<double>(head_dim);
  return theta * std::pow(factor * scale - (factor - 1.0), d / (d - 2.0));
}

RotaryLadder rotary_ladder(const EncoderSpec& spec, const Stage& stage, RotaryRole role) {
  const bool global =
      role == RotaryRole::kTokens || role == RotaryRole::kQueries || role == RotaryRole::kKeys;
  const bool stretched =
      global && (spec.rope_ntk_acts_on == RopeNtk::kBoth || role == RotaryRole::kQueries);
  return {.kind = spec.rotary,
          .theta = spec.rope_theta * (stretched ? spec.rope_ntk : 1.0),
          .head_dim = stage.head_dim(),
          .rotated = rotated_channels(spec, stage.head_dim()),
          .heads = spec.rope_per_head ? stage.heads : 1};
}

namespace {

std::string class_rule(const EncoderSpec& spec) {
  std::string out = fmt::format(", class token {}", enum_name(spec.rope_class));
  if (spec.rope_class == RopeClass::kFixed) out += fmt::format(" at {}", spec.rope_class_at);
  return out;
}

std::string patch_rule(const EncoderSpec& spec) {
  if (spec.rotary == Rotary::kNone) return "no rotation";
  std::string out = fmt::format("{}, theta {:g}", enum_name(spec.rotary), spec.rope_theta);
  if (spec.rope_ratio != 1.0) out += fmt::format(", ratio {:g}", spec.rope_ratio);
  if (spec.rope_per_head) out += ", per head";
  if (spec.rope_scale != 1.0) out += fmt::format(", scale {:g}", spec.rope_scale);
  if (spec.rotary == Rotary::kPlane) {
    out += spec.rope_scaling == RopeScaling::kAnchor
               ? fmt::format(", anchor {} px", spec.rope_anchor)
               : fmt::format(", scaling {}", enum_name(spec.rope_scaling));
    out += fmt::format(", grid {}", enum_name(spec.rope_grid));
  }
  if (spec.pyramid()) out += fmt::format(", keys {}", enum_name(spec.rope_keys));
  if (spec.rope_ntk != 1.0) {
    out += fmt::format(", ntk {:g} on {}", spec.rope_ntk, enum_name(spec.rope_ntk_acts_on));
  }
  return out;
}

bool has_class_rule(const EncoderSpec& spec) {
  return spec.rotary == Rotary::kPlane && spec.class_token_in_blocks();
}

}  // namespace

std::string rotary_rule(const EncoderSpec& spec) {
  return patch_rule(spec) + (has_class_rule(spec) ? class_rule(spec) : "");
}

bool rotary_rules_agree(const EncoderSpec& a, const EncoderSpec& b) {
  if (patch_rule(a) != patch_rule(b)) return false;
  return !has_class_rule(a) || !has_class_rule(b) || class_rule(a) == class_rule(b);
}

}  // namespace conopa::arch
