// The attention layers of a block: over the sequence, inside windows, with pooled keys.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/matmul.h>

#include "nn/block.h"
#include "nn/patches.h"
#include "nn/quantize.h"

namespace conopa::nn {

namespace names = arch::names;

namespace {

at::Tensor head_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  NormParameters norm{.kind = arch::Norm::kRms, .weight = weight, .bias = {}, .eps = eps};
  const Exec stock{.precision = Precision::kFp32, .ops = Ops::kStock};
  const std::int64_t Dh = x.size(-1);
  return add_norm(x.reshape({-1, Dh}), {}, norm, stock).second.view(x.sizes());
}

// [B, rows, cols, C] → rows [B·windows·tokens, C]
at::Tensor split_windows(const at::Tensor& map, const WindowGroup& g) {
  const std::int64_t C = map.size(3);
  return map.narrow(1, g.row, g.rows)
      .narrow(2, g.col, g.cols)
      .reshape({map.size(0), g.rows / g.window_rows, g.window_rows, g.cols / g.window_cols,
                g.window_cols, C})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({-1, C});
}

// The inverse: [B, g.rows, g.cols, C]
at::Tensor merge_windows(const at::Tensor& rows, std::int64_t batch, const WindowGroup& g) {
  const std::int64_t C = rows.size(1);
  return rows
      .view(
          {batch, g.rows / g.window_rows, g.cols / g.window_cols, g.window_rows, g.window_cols, C})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({batch, g.rows, g.cols, C});
}

// Rectangles that tile a map in reading order: [B, rows, cols, C]
at::Tensor assemble(const std::vector<at::Tensor>& parts, const std::vector<WindowGroup>& groups) {
  std::vector<at::Tensor> bands;
  for (std::size_t i = 0; i < parts.size();) {
    std::vector<at::Tensor> band;
    const std::int64_t row = groups[i].row;
    for (; i < parts.size() && groups[i].row == row; ++i) band.push_back(parts[i]);
    bands.push_back(band.size() == 1 ? band.front() : at::cat(band, 2));
  }
  return bands.size() == 1 ? bands.front() : at::cat(bands, 1);
}

}  // namespace

at::Tensor Block::whole_attention(const at::Tensor& y, const Pass& pass) const {
  const at::Tensor qkv = layer(names::kQkv, y, pass);
  const bool by_hand = pass.captures() || spec_.quantization != arch::Quantization::kNone ||
                       spec_.qk_norm != arch::QkNorm::kNone;
  return by_hand ? explicit_attention(qkv, pass)
                 : attention(qkv, pass.tokens, constants(pass), pass.options.exec);
}

at::Tensor Block::explicit_attention(const at::Tensor& qkv, const Pass& pass) const {
  const AttentionConstants c = constants(pass);
  std::vector<at::Tensor> heads = qkv.view({pass.batch, pass.tokens, 3, c.heads, c.head_dim})
                                      .permute({2, 0, 3, 1, 4})
                                      .unbind(0);  // three of [B, H, N, Dh]
  for (std::size_t i = 0; i < 2; ++i) heads[i] = rotate(heads[i], c.rotation);
  if (spec_.qk_norm == arch::QkNorm::kRmsAfterRotary) {
    const auto weight = [&](std::string_view name) {
      return parameters_.require(spec_.name(name) + ".weight");
    };
    heads[0] = head_norm(heads[0], weight(names::kQueryNorm), spec_.norm_eps);
    heads[1] = head_norm(heads[1], weight(names::kKeyNorm), spec_.norm_eps);
  }
  const auto quantize = [&](std::string_view act, const at::Tensor& x) {
    if (spec_.quantization != arch::Quantization::kLsq) return x;
    return quantize_heads(parameters_, spec_.name(act), x, pass.spec, pass.options.training);
  };
  heads[0] = quantize(names::kQueryAct, heads[0]);
  heads[1] = quantize(names::kKeyAct, heads[1]);
  heads[2] = quantize(names::kValueAct, heads[2]);
  at::Tensor weights = attention_weights(heads[0], heads[1], c);
  if (pass.captures()) {
    (*pass.options.capture)[spec_.label + "_attn_map"] = weights.detach();
  }
  weights = quantize(names::kMapAct, weights);
  return at::matmul(weights.to(heads[2].scalar_type()), heads[2])
      .transpose(1, 2)
      .reshape({pass.batch * pass.tokens, spec_.dim});
}

at::Tensor Block::window_attention(const at::Tensor& y, const Pass& pass) const {
  const StageTables& t = *pass.tables;
  const std::int64_t C = spec_.dim;
  at::Tensor map = y.view({pass.batch, t.stage.rows, t.stage.cols, C});
  const std::int64_t below = t.padded_rows - t.stage.rows;
  const std::int64_t right = t.padded_cols - t.stage.cols;
  if (below + right > 0) map = at::constant_pad_nd(map, {0, 0, 0, right, 0, below}, 0);
  std::vector<at::Tensor> parts;
  for (const WindowGroup& group : t.windows) {
    AttentionConstants c = constants(pass);
    c.rotation = spec_.rotary ? group.rotation : Rotation{};
    const at::Tensor qkv = layer(names::kQkv, split_windows(map, group), pass);
    const at::Tensor mixed = attention(qkv, group.window_tokens(), c, pass.options.exec);
    parts.push_back(merge_windows(mixed, pass.batch, group));
  }
  at::Tensor whole = assemble(parts, t.windows);
  if (below + right > 0) whole = whole.narrow(1, 0, t.stage.rows).narrow(2, 0, t.stage.cols);
  return whole.reshape({pass.batch * pass.tokens, C});
}

at::Tensor Block::pooled_attention(const at::Tensor& y, const Pass& pass) const {
  const StageTables& t = *pass.tables;
  const Exec& exec = pass.options.exec;
  const std::int64_t C = spec_.dim;
  at::Tensor keys = y;
  if (spec_.reduction > 1) {
    const std::string pool = spec_.name(names::kPool);
    const at::Tensor patches =
        map_patches(y.view({pass.batch, t.stage.rows, t.stage.cols, C}), spec_.reduction);
    keys = linear(patches, parameters_.require(pool + ".weight").view({C, -1}),
                  parameters_.get(pool + ".bias"), exec);
    keys = add_norm(keys, {}, norm(names::kPoolNorm), exec).second;
  }
  const at::Tensor q = layer(names::kQuery, y, pass);
  const at::Tensor kv = layer(names::kKeyValue, keys, pass);
  return cross_attention(q, kv, t.stage.key_rows() * t.stage.key_cols(), constants(pass),
                         spec_.rotary ? t.keys : Rotation{}, exec);
}

}  // namespace conopa::nn
