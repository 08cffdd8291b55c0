// Attention inside the windows of a map.

#include <fmt/format.h>

#include "onnx/block.h"

namespace conopa::onnx {

namespace names = arch::names;

// [B, rows, cols, C] → [B·windows, tokens, C]
Value BlockWriter::split_windows(const Value& map, const arch::WindowGroup& g) {
  const arch::Windows& windows = stage_.windows;
  Value part = map;
  if (g.rows != windows.padded_rows) part = graph_.slice(part, 1, g.row, g.rows, "rows");
  if (g.cols != windows.padded_cols) part = graph_.slice(part, 2, g.col, g.cols, "cols");
  const Value cut = graph_.reshape(part,
                                   {0, g.rows / g.window_rows, g.window_rows,
                                    g.cols / g.window_cols, g.window_cols, 3 * block_.dim},
                                   "cut");
  return graph_.reshape(graph_.transpose(cut, {0, 1, 3, 2, 4, 5}, "gather"),
                        {-1, g.window_tokens(), 3 * block_.dim}, "windows");
}

// The inverse for the result of attention: [B, g.rows, g.cols, C]
Value BlockWriter::merge_windows(const Value& rows, const arch::WindowGroup& g) {
  const Value cut = graph_.reshape(rows,
                                   {-1, g.rows / g.window_rows, g.cols / g.window_cols,
                                    g.window_rows, g.window_cols, block_.dim},
                                   "uncut");
  return graph_.reshape(graph_.transpose(cut, {0, 1, 3, 2, 4, 5}, "scatter"),
                        {0, g.rows, g.cols, block_.dim}, "map");
}

// Rectangles that tile a map in reading order: [B, rows, cols, C]
Value BlockWriter::assemble(const std::vector<Value>& parts) {
  const auto joined = [&](const std::vector<Value>& pieces, std::int64_t axis,
                          const std::string& what) {
    return pieces.size() == 1 ? pieces.front()
                              : graph_.add("Concat", what, pieces, {{"axis", axis}});
  };
  const std::vector<arch::WindowGroup>& groups = stage_.windows.groups;
  std::vector<Value> bands;
  for (std::size_t i = 0; i < parts.size();) {
    std::vector<Value> band;
    const std::int64_t row = groups[i].row;
    for (; i < parts.size() && groups[i].row == row; ++i) band.push_back(parts[i]);
    bands.push_back(joined(band, 2, fmt::format("band{}", bands.size())));
  }
  return joined(bands, 1, "bands");
}

Value BlockWriter::window_attention(const Value& y) {
  using enum Part;
  const arch::Stage& s = stage_.stage;
  const arch::Windows& windows = stage_.windows;
  const std::int64_t below = windows.padded_rows - s.rows;
  const std::int64_t right = windows.padded_cols - s.cols;
  const std::int64_t D = block_.dim;
  Value map = graph_.reshape(y, {0, s.rows, s.cols, D}, "map");
  if (below + right > 0) map = graph_.pad(map, {0, 0, 0, 0, 0, below, right, 0}, "pad");
  // One product over the whole map: a projection works on tokens and knows no windows.
  const Value qkv = layers_.linear(
      map, parts_of(names::kQkv, {kQuery, kKey, kValue}, {kQuery, kKey, kValue}, ""), "qkv");
  std::vector<Value> parts;
  for (const arch::WindowGroup& group : windows.groups) {
    const auto scope = graph_.scope(fmt::format("windows{}", parts.size()));
    const std::vector<Value> qkv_parts =
        graph_.add_several("Split", "split", {split_windows(qkv, group), graph_.ints({D, D, D})}, 3,
                           {{"axis", std::int64_t{-1}}});
    const Rotation rotation = block_.rotary ? window_rotation(graph_, spec_, s, group) : Rotation{};
    const Value mixed = attend(qkv_parts[0], qkv_parts[1], qkv_parts[2], rotation, rotation, 0);
    parts.push_back(merge_windows(mixed, group));
  }
  Value whole = assemble(parts);
  if (below > 0) whole = graph_.slice(whole, 1, 0, s.rows, "unpad_rows");
  if (right > 0) whole = graph_.slice(whole, 2, 0, s.cols, "unpad_cols");
  return graph_.reshape(whole, {0, s.tokens(), D}, "tokens");
}

}  // namespace conopa::onnx
