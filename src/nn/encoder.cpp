#include "conopa/nn/encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/nn/attention_pool.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/probe_norm.h"
#include "nn/block.h"
#include "nn/dropout.h"
#include "nn/encoder_stream.h"
#include "nn/language_unit.h"
#include "nn/neck.h"

namespace conopa::nn {
namespace {

namespace names = arch::names;

void check_images(const at::Tensor& images, const arch::EncoderSpec& spec) {
  if (images.dim() != 4 || images.size(1) != spec.channels || images.size(2) != spec.height ||
      images.size(3) != spec.width) {
    throw ShapeError("encoder",
                     "expected images [B, {}, {}, {}], found {}; resize the images or "
                     "the model (conopa resize)",
                     spec.channels, spec.height, spec.width, to_string(images.sizes().vec()));
  }
}

void check_tokens(const at::Tensor& tokens, const arch::EncoderSpec& spec) {
  if (tokens.dim() != 2 || tokens.size(1) != spec.width || tokens.scalar_type() != at::kLong) {
    throw ShapeError("encoder", "expected token numbers [B, {}] int64, found {}", spec.width,
                     to_string(tokens.sizes().vec()));
  }
  if (tokens.numel() == 0) return;
  const auto low = tokens.min().item<std::int64_t>();
  const auto high = tokens.max().item<std::int64_t>();
  if (low < 0 || high >= spec.vocabulary) {
    throw ShapeError("encoder", "expected token numbers 0..{}, found {}..{}", spec.vocabulary - 1,
                     low, high);
  }
}

void check_clouds(const at::Tensor& clouds, const arch::EncoderSpec& spec) {
  const std::int64_t least = std::max(spec.width, spec.point.group);
  if (clouds.dim() != 3 || clouds.size(2) != spec.channels || clouds.size(1) < least) {
    throw ShapeError("encoder",
                     "expected clouds [B, N, {}] with at least {} points ({} groups of {}), found "
                     "{}; give denser clouds or set fewer groups (width, point_group)",
                     spec.channels, least, spec.width, spec.point.group,
                     to_string(clouds.sizes().vec()));
  }
  if (!clouds.isfinite().all().item<bool>()) {
    throw FormatError("encoder", "expected finite coordinates, found others; remove such clouds");
  }
}

void check_prefix(const at::Tensor& prefix, const at::Tensor& images,
                  const arch::EncoderSpec& spec) {
  if (!prefix.defined() || spec.mask != arch::Mask::kPrefixCausal) return;
  if (prefix.dim() != 1 || prefix.size(0) != images.size(0) || prefix.size(0) == 0) {
    throw ShapeError("encoder", "expected a prefix length per image, [{}], found {}",
                     images.size(0), to_string(prefix.sizes().vec()));
  }
  const auto low = prefix.min().item<std::int64_t>();
  const auto high = prefix.max().item<std::int64_t>();
  if (low < 0 || high > spec.num_tokens()) {
    throw ShapeError("encoder", "prefix lengths must be 0 to the {} tokens of an image, got {}..{}",
                     spec.num_tokens(), low, high);
  }
}

void check_visible(const at::Tensor& visible, const at::Tensor& images,
                   const arch::EncoderSpec& spec) {
  if (!visible.defined()) return;
  if (spec.pyramid() || spec.position == arch::Position::kConditional) {
    throw ConfigError("encoder",
                      "masked patches need blocks that work without the whole map; use "
                      "a plain encoder without position = \"conditional\"");
  }
  if (visible.dim() != 2 || visible.size(0) != images.size(0) || visible.size(1) < 1 ||
      visible.size(1) > spec.num_patches()) {
    throw ShapeError("encoder", "expected visible patches [{}, 1..{}], found {}", images.size(0),
                     spec.num_patches(), to_string(visible.sizes().vec()));
  }
}

}  // namespace

Encoder::Encoder(arch::EncoderSpec spec, at::Device device)
    : spec_(std::move(spec)),
      parameters_(arch::TensorTable(spec_), device),
      blocks_(arch::encoder_blocks(spec_)),
      language_(arch::language_blocks(spec_)) {
  for (const arch::Stage& stage : spec_.stages()) {
    stages_.push_back(make_stage_tables(spec_, stage, device));
  }
}

Encoder::~Encoder() = default;
Encoder::Encoder(Encoder&&) noexcept = default;

Pass Encoder::make_pass(const at::Tensor& images, const ForwardOptions& options) const {
  if (spec_.input == arch::Input::kTokens) {
    check_tokens(images, spec_);
  } else if (spec_.input == arch::Input::kPoints) {
    check_clouds(images, spec_);
  } else {
    check_images(images, spec_);
  }
  check_prefix(options.prefix, images, spec_);
  check_visible(options.visible, images, spec_);
  check_keys(options.keys_seen, images.size(0), spec_.num_tokens());
  return {.options = options,
          .spec = spec_,
          .batch = images.size(0),
          .drop_path = options.drop_path.value_or(spec_.drop_path),
          .mask_rate = options.mask_rate.value_or(spec_.mask_rate),
          .read_lists = {spec_.read_blocks}};
}

NormParameters Encoder::final_norm() const {
  return norm_of(parameters_, std::string(names::kFinalNorm), spec_.norm, spec_.norm_eps);
}

at::Tensor Encoder::normalised(const Stream& stream, const Pass& pass) const {
  at::Tensor x = stream.x;
  Branch pending = stream.pending;
  if (spec_.class_token == arch::ClassToken::kLate) {
    const at::Tensor tokens = add_branch(x, pending).view({pass.batch, -1, spec_.dim});
    const at::Tensor late =
        parameters_.require(names::kClassToken).expand({pass.batch, 1, spec_.dim});
    x = at::cat({late, tokens}, 1).view({-1, spec_.dim});
    pending = {};
  }
  at::Tensor y = add_norm(x, pending, final_norm(), pass.options.exec).second;
  pass.keep("final_norm", y);
  return y;
}

at::Tensor Encoder::read_tokens(const Stream& stream, const Pass& pass) const {
  if (spec_.read_blocks.empty()) {
    return normalised(stream, pass).view({pass.batch, -1, spec_.dim});
  }
  const auto count = static_cast<double>(spec_.read_blocks.size());
  at::Tensor average = stream.reads.front() / count;
  pass.keep("read_tokens", average);
  if (pass.captures()) static_cast<void>(normalised(stream, pass));
  return average.view({pass.batch, -1, spec_.dim});
}

at::Tensor Encoder::pooled(const Stream& stream, const Pass& pass) const {
  at::Tensor tokens = read_tokens(stream, pass);
  if (spec_.head_norm == arch::HeadNorm::kBatch) {
    tokens = probe_norm(tokens.reshape({-1, spec_.dim}), probe_statistics(parameters_),
                        pass.options.training)
                 .view(tokens.sizes());
  }
  return attention_pool(tokens, pool_parameters(parameters_, spec_.heads), pass.options.exec);
}

at::Tensor Encoder::read_out(const at::Tensor& images, const Stream& stream,
                             const Pass& pass) const {
  const auto mean = [&](const at::Tensor& rows) {
    return rows.view({pass.batch, -1, spec_.dim}).mean(1);
  };
  const auto norm = [&](const at::Tensor& rows) {
    return add_norm(rows, {}, final_norm(), pass.options.exec).second;
  };
  switch (spec_.read_out) {
    case arch::ReadOut::kToken:
      return normalised(stream, pass)
          .view({pass.batch, -1, spec_.dim})
          .select(1, spec_.class_token_index());
    case arch::ReadOut::kMean:
      return read_tokens(stream, pass).mean(1);
    case arch::ReadOut::kMeanNorm:
      return norm(mean(add_branch(stream.x, stream.pending)));
    case arch::ReadOut::kPatchMeanNorm: {
      const at::Tensor tokens =
          add_branch(stream.x, stream.pending).view({pass.batch, -1, spec_.dim});
      const std::int64_t first = spec_.class_token == arch::ClassToken::kFront ? 1 : 0;
      return norm(tokens.narrow(1, first, spec_.num_patches()).mean(1));
    }
    case arch::ReadOut::kNormMeanNorm:
      return norm(mean(normalised(stream, pass)));
    case arch::ReadOut::kAttention:
      return pooled(stream, pass);
    case arch::ReadOut::kTokenMax: {
      const at::Tensor tokens = normalised(stream, pass).view({pass.batch, -1, spec_.dim});
      const at::Tensor others = tokens.narrow(1, 1, tokens.size(1) - 1);
      return at::cat({tokens.select(1, 0), std::get<0>(others.max(1))}, 1);
    }
    case arch::ReadOut::kEnd: {
      const at::Tensor ends = images == spec_.end_token;
      if (!ends.any(1).all().item<bool>()) {
        throw ShapeError("encoder", "expected the end token {} in every sequence", spec_.end_token);
      }
      const at::Tensor place = ends.to(at::kLong).argmax(1).view({-1, 1, 1});
      return normalised(stream, pass)
          .view({pass.batch, -1, spec_.dim})
          .gather(1, place.expand({pass.batch, 1, spec_.dim}))
          .squeeze(1);
    }
  }
  throw std::logic_error("read-out without executor");
}

at::Tensor Encoder::classify(const at::Tensor& features, const ForwardOptions& options) const {
  if (spec_.outputs() == 0) return {};
  // The head stays float32: its cost is nothing and its logits feed the loss.
  const Exec exact{.precision = Precision::kFp32, .ops = options.exec.ops};
  const auto layer = [&](std::string_view name, const at::Tensor& x) {
    const std::string prefix(name);
    return linear(x, parameters_.require(prefix + ".weight"), parameters_.get(prefix + ".bias"),
                  exact)
        .to(at::kFloat);
  };
  at::Tensor x = features;
  if (spec_.num_classes > 0) {
    if (spec_.head_norm == arch::HeadNorm::kBatch && spec_.read_out != arch::ReadOut::kAttention) {
      x = probe_norm(x, probe_statistics(parameters_), options.training);
    }
    if (spec_.head_hidden > 0) {
      x = layer(names::kHeadHidden, x).relu();
      if (options.training && spec_.head_dropout > 0.0) {
        x = dropout(x, spec_.head_dropout, options.random, DropPlace::kHead);
      }
    }
    x = layer(names::kHead, x);
  }
  return spec_.projection > 0 ? layer(names::kProjection, x) : x;
}

at::Tensor Encoder::read_one_token(const at::Tensor& images, Pass& pass) const {
  const Exec& exec = pass.options.exec;
  const std::int64_t place = spec_.class_token_index();
  const LanguageUnit unit(spec_, language_, parameters_);
  if (spec_.llm_last() && spec_.llm.mixes_tokens()) {
    const Stream stream = run_blocks(images, blocks_.size(), pass);
    const at::Tensor rows = add_branch(stream.x, stream.pending);
    return add_norm(unit.run_for_token(rows, place, pass), {}, final_norm(), exec).second;
  }
  const Stream stream = run_through(images, blocks_.size() - 1, pass);
  auto [token, fed] =
      Block(blocks_.back(), parameters_).run_for_token(stream.x, stream.pending, place, pass);
  if (spec_.llm_last()) {
    pass.tokens = 1;
    token = unit.run(add_branch(token, fed), pass);
    fed = {};
  }
  return add_norm(token, fed, final_norm(), exec).second;
}

ForwardResult Encoder::forward(const at::Tensor& images, const ForwardOptions& options) const {
  Pass pass = make_pass(images, options);
  const AutocastScope autocast = autocast_of(images, options.exec);
  ForwardResult result;
  if (!pass.captures() && arch::reads_one_token(spec_)) {
    result.features = read_one_token(images, pass);
  } else {
    const std::size_t count =
        pass.captures() ? blocks_.size() : static_cast<std::size_t>(spec_.blocks_to_run());
    result.features = read_out(images, run_through(images, count, pass), pass);
  }
  result.logits = classify(result.features, options);
  return result;
}

at::Tensor Encoder::encode(const at::Tensor& images, const ForwardOptions& options) const {
  Pass pass = make_pass(images, options);
  const AutocastScope autocast = autocast_of(images, options.exec);
  const Stream stream = run_through(images, blocks_.size(), pass);
  return normalised(stream, pass).view({pass.batch, -1, spec_.dim});
}

std::vector<at::Tensor> Encoder::encode_layers(const at::Tensor& images,
                                               const std::vector<std::vector<std::int64_t>>& lists,
                                               const ForwardOptions& options) const {
  std::int64_t count = 0;  // blocks to run
  for (const std::vector<std::int64_t>& list : lists) {
    if (list.empty()) count = spec_.depth;
    for (const std::int64_t block : list) {
      if (block < 0 || block >= spec_.depth) {
        throw ConfigError("layers", "expected blocks from 0 to {}, got {}", spec_.depth - 1, block);
      }
      count = std::max(count, block + 1);
    }
  }
  Pass pass = make_pass(images, options);
  pass.read_lists = lists;
  const AutocastScope autocast = autocast_of(images, options.exec);
  const Stream stream = run_through(images, static_cast<std::size_t>(count), pass);
  std::vector<at::Tensor> out;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const at::Tensor rows = lists[i].empty()
                                ? normalised(stream, pass)
                                : stream.reads[i] / static_cast<double>(lists[i].size());
    out.push_back(rows.view({pass.batch, -1, spec_.dim}));
  }
  return out;
}

std::vector<at::Tensor> Encoder::feature_maps(const at::Tensor& images,
                                              const ForwardOptions& options) const {
  Capture capture;
  ForwardOptions capturing = options;
  capturing.capture = &capture;
  Pass pass = make_pass(images, capturing);
  static_cast<void>(forward(images, capturing));
  std::vector<at::Tensor> maps;
  for (const std::int64_t index : spec_.feature_blocks) {
    const arch::BlockSpec& block = blocks_[static_cast<std::size_t>(index)];
    pass.tables = &stages_[static_cast<std::size_t>(block.stage)];
    const arch::Stage& stage = pass.tables->stage;
    at::Tensor tokens = capture.at(block.label + "_out");
    const std::int64_t first = spec_.class_token == arch::ClassToken::kFront ? 1 : 0;
    tokens = tokens.narrow(1, first, stage.tokens());
    maps.push_back(
        tokens.transpose(1, 2).reshape({tokens.size(0), stage.dim, stage.rows, stage.cols}));
  }
  if (spec_.neck == arch::Neck::kDeconvPyramid) return deconv_pyramid(maps, parameters_);
  return maps;
}

}  // namespace conopa::nn
