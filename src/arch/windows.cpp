#include "conopa/arch/windows.h"

namespace conopa::arch {
namespace {

struct Span {
  std::int64_t begin, length, window;
};

// A side cut into whole windows and, if masked, a smaller last one.
std::vector<Span> cut(std::int64_t side, std::int64_t window, bool masked) {
  if (!masked) return {{0, (side + window - 1) / window * window, window}};
  const std::int64_t whole = side / window * window;
  std::vector<Span> out;
  if (whole > 0) out.push_back({0, whole, window});
  if (whole < side) out.push_back({whole, side - whole, side - whole});
  return out;
}

}  // namespace

Windows stage_windows(const EncoderSpec& spec, const Stage& stage) {
  Windows out{.groups = {}, .padded_rows = stage.rows, .padded_cols = stage.cols};
  if (stage.window == 0) return out;
  const bool masked = spec.window_padding == WindowPadding::kMasked;
  for (const Span& rows : cut(stage.rows, stage.window, masked)) {
    for (const Span& cols : cut(stage.cols, stage.window, masked)) {
      out.groups.push_back({.row = rows.begin,
                            .col = cols.begin,
                            .rows = rows.length,
                            .cols = cols.length,
                            .window_rows = rows.window,
                            .window_cols = cols.window});
      out.padded_rows = rows.begin + rows.length;
      out.padded_cols = cols.begin + cols.length;
    }
  }
  return out;
}

}  // namespace conopa::arch
