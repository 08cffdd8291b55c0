#include "tests/onnx/cases.h"

#include <cmath>
#include <functional>
#include <utility>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/rng.h"

namespace conopa::onnx::testing {
namespace {

using arch::EncoderSpec;
using Edit = std::function<void(EncoderSpec&)>;

/// A plain encoder with the switches of iLLaMA.
EncoderSpec plain(const Edit& edit) {
  EncoderSpec spec;
  spec.height = 12;
  spec.width = 16;
  spec.patch = 4;
  spec.dim = 24;
  spec.heads = 3;
  spec.depth = 3;
  spec.num_classes = 5;
  spec.mlp_hidden = 40;
  edit(spec);
  spec.resolve();
  return spec;
}

/// A plain encoder that rotates by column and row.
EncoderSpec plane(const Edit& edit) {
  return plain([&](EncoderSpec& s) {
    s.family = "visionllama";
    s.rotary = arch::Rotary::kPlane;
    s.position = arch::Position::kNone;
    s.class_token = arch::ClassToken::kFront;
    s.mask = arch::Mask::kBidirectional;
    s.norm = arch::Norm::kLayer;
    edit(s);
  });
}

/// Maps of 9x12 and 5x6 tokens: windows and pooling leave remainders.
EncoderSpec pyramid(const Edit& edit) {
  return plane([&](EncoderSpec& s) {
    s.family = "visionllama_pyramid";
    s.height = 36;
    s.width = 48;
    s.remainder = arch::Remainder::kPad;
    s.stage_dims = {16, 24};
    s.stage_depths = {3, 2};
    s.stage_heads = {2, 3};
    s.stage_windows = {4, 4};
    s.stage_reductions = {2, 1};
    s.stage_hidden = {20, 28};
    s.patch_norm = true;
    s.class_token = arch::ClassToken::kNone;
    s.layer_scale = 0.1;
    s.read_out = arch::ReadOut::kMeanNorm;
    edit(s);
  });
}

void add_masks(std::vector<Case>& out) {
  using arch::ClassToken;
  using arch::Mask;
  out.push_back({"released", plain([](auto&) {})});
  out.push_back({"soft_mask", plain([](auto& s) { s.mask_rate = 0.4; })});
  out.push_back({"soft_mask_open", plain([](auto& s) { s.mask_rate = 1.0; })});
  for (const Mask mask :
       {Mask::kBidirectional, Mask::kCausal, Mask::kCausalFirstOpen, Mask::kSoftCausal}) {
    for (const ClassToken token :
         {ClassToken::kNone, ClassToken::kFront, ClassToken::kBack, ClassToken::kLate}) {
      out.push_back({"mask_" + std::string(enum_name(mask)) + "_" + std::string(enum_name(token)),
                     plain([&](auto& s) {
                       s.mask = mask;
                       s.class_token = token;
                       if (token == ClassToken::kNone) s.read_out = arch::ReadOut::kMean;
                     })});
    }
  }
}

void add_blocks(std::vector<Case>& out) {
  out.push_back({"vit", plain([](auto& s) {
                   s.norm = arch::Norm::kLayer;
                   s.mlp = arch::Mlp::kGelu;
                   s.mlp_bias = true;
                   s.mask = arch::Mask::kBidirectional;
                   s.rotary = arch::Rotary::kNone;
                   s.class_token = arch::ClassToken::kFront;
                 })});
  out.push_back({"bare_layers", plain([](auto& s) {
                   s.layer_scale = 0.1;
                   s.qkv_bias = false;
                   s.proj_bias = false;
                 })});
  out.push_back({"swiglu_bias", plain([](auto& s) { s.mlp_bias = true; })});
  out.push_back({"qk_norm", plain([](auto& s) { s.qk_norm = arch::QkNorm::kRmsAfterRotary; })});
  out.push_back({"qk_norm_unrotated", plain([](auto& s) {
                   s.qk_norm = arch::QkNorm::kRmsAfterRotary;
                   s.rotary = arch::Rotary::kNone;
                   s.read_out = arch::ReadOut::kMean;
                 })});
  out.push_back({"one_channel", plain([](auto& s) { s.channels = 1; })});
  out.push_back({"single_block", plain([](auto& s) { s.depth = 1; })});
  // Rounding of an activation may tip over where the reference's does not: one level of 2^bits.
  out.push_back({.name = "learned_steps",
                 .spec = plain([](auto& s) { s.quantization = arch::Quantization::kLsq; }),
                 .tolerance = 2e-2});
}

void add_read_outs(std::vector<Case>& out) {
  using arch::ReadOut;
  for (const ReadOut read_out : {ReadOut::kToken, ReadOut::kMean, ReadOut::kMeanNorm,
                                 ReadOut::kNormMeanNorm, ReadOut::kPatchMeanNorm}) {
    for (const arch::ClassToken token : {arch::ClassToken::kFront, arch::ClassToken::kLate}) {
      out.push_back(
          {"read_" + std::string(enum_name(read_out)) + "_" + std::string(enum_name(token)),
           plane([&](auto& s) {
             s.read_out = read_out;
             s.class_token = token;
           })});
    }
  }
  out.push_back({"no_head", plane([](auto& s) { s.num_classes = 0; })});
  out.push_back({"head_norm", plane([](auto& s) { s.head_norm = arch::HeadNorm::kBatch; })});
}

void add_positions(std::vector<Case>& out) {
  using arch::Position;
  for (const Position position : {Position::kNone, Position::kLearned, Position::kSinCos,
                                  Position::kSinCosComputed, Position::kConditional}) {
    for (const arch::ClassToken token : {arch::ClassToken::kNone, arch::ClassToken::kFront,
                                         arch::ClassToken::kBack, arch::ClassToken::kLate}) {
      out.push_back(
          {"position_" + std::string(enum_name(position)) + "_" + std::string(enum_name(token)),
           plane([&](auto& s) {
             s.position = position;
             s.class_token = token;
             s.read_out = arch::ReadOut::kMean;
           })});
    }
  }
  out.push_back({"spare_row", plane([](auto& s) {
                   s.position = Position::kLearned;
                   s.class_token = arch::ClassToken::kNone;
                   s.position_spare_row = true;
                   s.read_out = arch::ReadOut::kMeanNorm;
                 })});
  out.push_back({"no_class_row", plane([](auto& s) {
                   s.position = Position::kLearned;
                   s.position_class_row = false;
                   s.read_out = arch::ReadOut::kPatchMeanNorm;
                 })});
  out.push_back({"no_class_row_back", plane([](auto& s) {
                   s.position = Position::kLearned;
                   s.position_class_row = false;
                   s.class_token = arch::ClassToken::kBack;
                 })});
  out.push_back({"padded_image", plane([](auto& s) {
                   s.height = 10;
                   s.width = 15;
                   s.remainder = arch::Remainder::kPad;
                 })});
}

void add_rotations(std::vector<Case>& out) {
  const auto add = [&](std::string name, const Edit& edit) {
    out.push_back({"rotary_" + std::move(name), plane(edit)});
  };
  add("none", [](auto& s) { s.rotary = arch::Rotary::kNone; });
  add("line", [](auto& s) { s.rotary = arch::Rotary::kLine; });
  add("plane", [](auto&) {});
  add("anchored", [](auto& s) {
    s.rope_scaling = arch::RopeScaling::kAnchor;
    s.rope_anchor = 48;
  });
  add("per_head", [](auto& s) { s.rope_per_head = true; });
  add("partial", [](auto& s) { s.rope_ratio = 0.5; });
  add("some_blocks", [](auto& s) { s.rope_off_blocks = {0, 2}; });
  add("fixed_class", [](auto& s) {
    s.rope_class = arch::RopeClass::kFixed;
    s.rope_class_at = 2;
  });
}

void add_pyramids(std::vector<Case>& out) {
  const auto add = [&](std::string name, const Edit& edit) {
    out.push_back({"pyramid_" + std::move(name), pyramid(edit)});
  };
  add("masked", [](auto&) {});
  add("attended", [](auto& s) { s.window_padding = arch::WindowPadding::kAttended; });
  add("released", [](auto& s) {
    s.window_padding = arch::WindowPadding::kAttended;
    s.rope_keys = arch::RopeKeys::kOfficial;
    s.rope_grid = arch::RopeGrid::kOfficial;
    s.rope_scaling = arch::RopeScaling::kOfficial14;
    s.read_out = arch::ReadOut::kNormMeanNorm;
  });
  add("line", [](auto& s) { s.rotary = arch::Rotary::kLine; });
  add("no_rotation", [](auto& s) { s.rotary = arch::Rotary::kNone; });
  add("some_rotation", [](auto& s) { s.rope_off_blocks = {0, 1}; });
  add("learned", [](auto& s) { s.position = arch::Position::kLearned; });
  add("sincos_computed", [](auto& s) { s.position = arch::Position::kSinCosComputed; });
  add("conditional", [](auto& s) { s.position = arch::Position::kConditional; });
  add("no_windows", [](auto& s) { s.stage_windows = {0, 4}; });
  add("gelu_rms", [](auto& s) {
    s.mlp = arch::Mlp::kGelu;
    s.mlp_bias = true;
    s.norm = arch::Norm::kRms;
    s.layer_scale = 0.0;
    s.patch_norm = false;
  });
  add("partial_ntk", [](auto& s) {
    s.rope_ratio = 0.5;
    s.rope_ntk = 2.0;
  });
}

/// What AIM and AIMv2 share: a norm behind the embedding, no biases, no class token.
EncoderSpec aim(const Edit& edit) {
  return plane([&](EncoderSpec& s) {
    s.family = "aim_v1";
    s.rotary = arch::Rotary::kNone;
    s.position = arch::Position::kSinCosComputed;
    s.class_token = arch::ClassToken::kNone;
    s.patch_norm = true;
    s.mlp = arch::Mlp::kGelu;
    s.qkv_bias = s.proj_bias = s.head_bias = false;
    s.read_out = arch::ReadOut::kAttention;
    edit(s);
  });
}

void make_lit(EncoderSpec& s) {
  s.family = "aim_v2";
  s.norm = arch::Norm::kRms;
  s.norm_eps = 1e-5;
  s.mlp = arch::Mlp::kSwiglu;
  s.position = arch::Position::kLearned;
  s.head_bias = true;
  s.num_classes = s.dim;
  s.projection = 7;
}

void make_text(EncoderSpec& s) {
  s.family = "aim_v2_text";
  s.input = arch::Input::kTokens;
  s.vocabulary = 19;
  s.end_token = 18;
  s.channels = s.height = s.patch = 1;
  s.width = 9;
  s.patch_norm = false;
  s.norm = arch::Norm::kRms;
  s.mlp = arch::Mlp::kSwiglu;
  s.position = arch::Position::kLearned;
  s.mask = arch::Mask::kCausal;
  s.read_out = arch::ReadOut::kEnd;
  s.num_classes = 0;
  s.projection = 7;
}

void add_aim(std::vector<Case>& out) {
  const auto add = [&](std::string name, const Edit& edit) {
    out.push_back({"aim_" + std::move(name), aim(edit)});
  };
  add("pool", [](auto&) {});
  add("released", [](auto& s) {
    s.head_norm = arch::HeadNorm::kBatch;
    s.read_blocks = {0, 1};  // and the third block does not run
  });
  add("last_blocks", [](auto& s) { s.read_blocks = {1, 2}; });
  add("mean_of_blocks", [](auto& s) {
    s.read_blocks = {2, 0};
    s.read_out = arch::ReadOut::kMean;
    s.head_norm = arch::HeadNorm::kBatch;
  });
  add("prefix_mask", [](auto& s) { s.mask = arch::Mask::kPrefixCausal; });
  add("queries", [](auto& s) {
    s.pool_queries = 3;
    s.pool_bias = true;
    s.head_norm = arch::HeadNorm::kBatch;
    s.head_bias = true;
  });
  add("late_token", [](auto& s) { s.class_token = arch::ClassToken::kLate; });
  add("lit", make_lit);
  add("projection", [](auto& s) {
    make_lit(s);
    s.num_classes = 0;
  });
  add("v2", [](auto& s) {
    make_lit(s);
    s.read_out = arch::ReadOut::kMean;
    s.position = arch::Position::kSinCosComputed;
    s.num_classes = s.projection = 0;
  });
  add("lora", [](auto& s) {
    s.lora_rank = 2;
    s.lora_alpha = 3.0;
    s.qkv_bias = s.proj_bias = true;
  });
  add("lora_rotated_scaled", [](auto& s) {
    s.lora_rank = 2;
    s.rotary = arch::Rotary::kPlane;
    s.layer_scale = 0.1;
  });
  add("text", make_text);
  add("text_mean", [](auto& s) {
    make_text(s);
    s.read_out = arch::ReadOut::kMean;
    s.position = arch::Position::kNone;
    s.rotary = arch::Rotary::kLine;
    s.num_classes = 5;
    s.projection = 0;
  });
}

void add_files(std::vector<Case>& out) {
  out.push_back(
      {.name = "external_data", .spec = plain([](auto&) {}), .write = {.max_inline_bytes = 4096}});
  // Dynamic int8 against float32: 8 bits of weights and activations of a random narrow model.
  constexpr double kInt8 = 0.06;
  out.push_back({.name = "int8",
                 .spec = plain([](auto& s) { s.layer_scale = 0.5; }),
                 .options = {.precision = Precision::kInt8},
                 .tolerance = kInt8});
  out.push_back({.name = "int8_pyramid",
                 .spec = pyramid([](auto&) {}),
                 .options = {.precision = Precision::kInt8},
                 .tolerance = kInt8});
  out.push_back({.name = "int8_aim",
                 .spec = aim([](auto& s) {
                   s.lora_rank = 2;
                   s.head_norm = arch::HeadNorm::kBatch;
                 }),
                 .options = {.precision = Precision::kInt8},
                 .tolerance = kInt8});
}

HostTensor noise(const Shape& shape, std::uint64_t index) {
  Rng rng(7, RngPurpose::kTest, 0, index);
  HostTensor out = HostTensor::zeros(DType::kF32, shape);
  for (float& value : out.mutable_data<float>()) value = static_cast<float>(rng.normal());
  return out;
}

}  // namespace

std::vector<Case> all_cases() {
  std::vector<Case> out;
  add_masks(out);
  add_blocks(out);
  add_read_outs(out);
  add_positions(out);
  add_rotations(out);
  add_pyramids(out);
  add_aim(out);
  add_files(out);
  return out;
}

std::vector<NamedTensor> random_tensors(const EncoderSpec& spec) {
  std::vector<NamedTensor> out;
  std::uint64_t index = 100;
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    HostTensor tensor = noise(entry.shape, index++);
    const bool norm_like = entry.shape.size() <= 1;  // norms, scales, step sizes, variances
    for (float& value : tensor.mutable_data<float>()) {
      value = norm_like ? std::fabs(0.5F + 0.1F * value) + 0.05F : 0.2F * value;
    }
    if (entry.name.ends_with(".alpha")) {  // 8 bits reach from −2.5 to 2.5
      for (float& value : tensor.mutable_data<float>()) value *= 0.04F;
    }
    // Flags: some activation quantisers are signed, some are not.
    if (entry.name.ends_with(".signed") && index % 3 == 0) tensor.mutable_data<float>()[0] = 0.0F;
    out.push_back({entry.name, tensor});
  }
  return out;
}

HostTensor random_input(const EncoderSpec& spec) {
  constexpr std::int64_t kBatch = 3;
  if (spec.input == arch::Input::kImage) {
    return noise({kBatch, spec.channels, spec.height, spec.width}, 1);
  }
  HostTensor out = HostTensor::zeros(DType::kI64, {kBatch, spec.width});
  const std::span<std::int64_t> tokens = out.mutable_data<std::int64_t>();
  Rng rng(7, RngPurpose::kTest, 0, 2);
  for (std::int64_t& token : tokens) token = rng.below(spec.vocabulary - 1);
  for (std::int64_t row = 0; row < kBatch; ++row) {  // the first end counts
    for (const std::int64_t place : {2 + row, spec.width - 1}) {
      tokens[static_cast<std::size_t>(row * spec.width + place)] = spec.end_token;
    }
  }
  return out;
}

}  // namespace conopa::onnx::testing
