// Which column and row every token stands at, under each rule of the spec.

#include <cmath>

#include "conopa/arch/rotary.h"

namespace conopa::arch {
namespace {

struct AxisScale {
  double x = 1.0;
  double y = 1.0;
};

double ratio(std::int64_t a, std::int64_t b) {
  return static_cast<double>(a) / static_cast<double>(b);
}

// Factors of the coordinates on a map of `rows`×`cols`.
AxisScale axis_scale(const EncoderSpec& spec, std::int64_t rows) {
  AxisScale out{spec.rope_scale, spec.rope_scale};
  const bool each = spec.rope_grid == RopeGrid::kTrue;
  if (spec.rope_scaling == RopeScaling::kAnchor) {
    out.x *= ratio(spec.rope_anchor, each ? spec.width : spec.height);
    out.y *= ratio(spec.rope_anchor, spec.height);
  } else if (spec.rope_scaling == RopeScaling::kOfficial14) {
    out.x *= ratio(14, rows);
    out.y *= ratio(14, rows);
  }
  return out;
}

void scale(Coordinates& at, const AxisScale& by) {
  for (double& x : at.x) x *= by.x;
  for (double& y : at.y) y *= by.y;
}

// Tokens 0..count−1 in rows of `cols`, or their indices for one axis.
Coordinates grid(const EncoderSpec& spec, std::int64_t count, std::int64_t cols) {
  Coordinates out;
  for (std::int64_t i = 0; i < count; ++i) {
    if (spec.rotary == Rotary::kLine) {
      out.x.push_back(static_cast<double>(i));
    } else {
      out.x.push_back(static_cast<double>(i % cols));
      out.y.push_back(static_cast<double>(i / cols));
    }
  }
  return out;
}

// Row width of plain models.
std::int64_t plain_columns(const EncoderSpec& spec) {
  if (spec.rope_grid == RopeGrid::kTrue) return spec.grid_cols();
  return static_cast<std::int64_t>(std::sqrt(static_cast<double>(spec.num_patches())));
}

void insert(Coordinates& at, std::int64_t index, double x, double y) {
  at.x.insert(at.x.begin() + index, x);
  at.y.insert(at.y.begin() + index, y);
}

}  // namespace

Coordinates token_coordinates(const EncoderSpec& spec) {
  if (spec.rotary == Rotary::kLine) {  // the class token is one of the sequence
    Coordinates out = grid(spec, spec.num_tokens(), spec.grid_cols());
    scale(out, axis_scale(spec, spec.grid_rows()));
    return out;
  }
  const std::int64_t cols = plain_columns(spec);
  Coordinates out = grid(spec, spec.num_patches(), cols);
  const bool fixed = spec.rope_class == RopeClass::kFixed;
  const bool with_class = spec.class_token_in_blocks();
  if (with_class && !fixed) {
    insert(out, spec.class_token_index(), static_cast<double>(cols - 1),
           spec.rope_class == RopeClass::kWrapped ? -1.0 : 0.0);
  }
  scale(out, axis_scale(spec, spec.grid_rows()));
  if (with_class && fixed) {
    const auto at = static_cast<double>(spec.rope_class_at);
    insert(out, spec.class_token_index(), at, at);
  }
  return out;
}

Coordinates query_coordinates(const EncoderSpec& spec, const Stage& stage) {
  Coordinates out = grid(spec, stage.tokens(), stage.cols);
  scale(out, axis_scale(spec, stage.rows));
  return out;
}

Coordinates key_coordinates(const EncoderSpec& spec, const Stage& stage) {
  const auto r = static_cast<double>(stage.reduction);
  const bool official = spec.rope_keys == RopeKeys::kOfficial;
  // The released code divides the key's index by the full-resolution width, which is wrong but what
  // its weights have learned.
  const std::int64_t cols = official ? stage.cols : stage.key_cols();
  const double offset = official ? 1.0 - 1.0 / r : 0.5 * (r - 1.0);
  const std::int64_t keys = stage.key_rows() * stage.key_cols();
  Coordinates out;
  for (std::int64_t i = 0; i < keys; ++i) {
    const double x = r * static_cast<double>(i % cols) + offset;
    const double y = r * static_cast<double>(i / cols) + offset;
    if (spec.rotary == Rotary::kLine) {
      out.x.push_back(y * static_cast<double>(stage.cols) + x);  // mean index of the pooled tokens
    } else {
      out.x.push_back(x);
      out.y.push_back(y);
    }
  }
  scale(out, axis_scale(spec, stage.rows));
  return out;
}

Coordinates window_coordinates(const EncoderSpec& spec, const Stage& stage, std::int64_t rows,
                               std::int64_t cols) {
  Coordinates out;
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    const std::int64_t x = i % cols;
    const std::int64_t y = i / cols;
    if (spec.rotary == Rotary::kLine) {
      out.x.push_back(static_cast<double>(y * stage.window + x));
    } else {
      out.x.push_back(static_cast<double>(x));
      out.y.push_back(static_cast<double>(y));
    }
  }
  return out;
}

}  // namespace conopa::arch
