#include "checkers.h"

#include "conopa/arch/position_resize.h"
#include "conopa/arch/rotary.h"
#include "conopa/eval/rank.h"
#include "models.h"

namespace conopa::parity {
namespace {

// Builds the model at the resolution of the input images; the weights may belong to another.
nn::Encoder load_at(const Case& c, const arch::EncoderSpec& trained,
                    const arch::EncoderSpec& built) {
  nn::Encoder encoder(built);
  load_weights(c, encoder.parameters(), "official",
               [&](const std::string& name, HostTensor value) -> HostTensor {
                 if (!arch::is_position(trained, name)) return value;
                 return arch::resize_position(trained, built, name, value);
               });
  return encoder;
}

void compare_captured(const Case& c, Outcome& out, const nn::Capture& capture) {
  for (const auto& [name, value] : capture) {
    if (c.io->contains(name)) out.compare(name, values(value));
  }
}

void compare_rotation(const Case& c, Outcome& out, const arch::EncoderSpec& spec) {
  const arch::RotaryTable table =
      arch::rotary_table(arch::rotary_ladder(spec, spec.stages()[0], arch::RotaryRole::kTokens),
                         arch::token_coordinates(spec));
  if (c.io->contains("rope_cos")) out.compare("rope_cos", table.cos);
  if (c.io->contains("rope_sin")) out.compare("rope_sin", table.sin);
}

void compare_rank(const Case& c, Outcome& out, const arch::EncoderSpec& spec,
                  const nn::Capture& capture) {
  if (!c.io->contains("rank_curve")) return;
  std::vector<double> maps;
  for (std::int64_t i = 0; i < spec.depth; ++i) {
    const at::Tensor mean =
        capture.at(fmt::format("block{}_attn_map", i)).to(at::kDouble).mean(0).contiguous();
    const double* data = mean.data_ptr<double>();
    maps.insert(maps.end(), data, data + mean.numel());
  }
  const eval::RankCurves curves =
      eval::attention_rank(maps, spec.depth, spec.heads, spec.num_tokens());
  out.compare("rank_curve", curves.cumulative);
  if (c.io->contains("rank_index_080")) out.compare_integers("rank_index_080", curves.index);
}

double mask_rate(const Case& c) {
  const auto rate = c.json.find("soft_mask_rate");
  return rate != c.json.end() && rate->is_number() ? rate->get<double>() : 0.0;
}

// Outputs "name_i" belong to rates[i].
void check_rates(const Case& c, Outcome& out, const nn::Encoder& encoder, const at::Tensor& image) {
  const std::vector<double> rates = c.io->read("rates").to_f64();
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const std::string suffix = fmt::format("_{}", i);
    for (const OpsVariant& variant : kOpsVariants) {
      nn::ForwardOptions options;
      options.training = c.json.value("mode", "eval") == "train";
      options.mask_rate = rates[i];
      options.exec.ops = variant.ops;
      if (!c.io->contains("logits" + suffix)) continue;
      out.compare("logits" + suffix, values(encoder.forward(image, options).logits), variant.name);
    }
    if (c.json.value("mode", "eval") == "eval") {
      compare_native(c, out, encoder, image, "logits" + suffix, rates[i]);
    }
    nn::Capture capture;
    nn::ForwardOptions options;
    options.mask_rate = rates[i];
    options.capture = &capture;
    static_cast<void>(encoder.forward(image, options));
    for (const auto& [name, value] : capture) {
      if (c.io->contains(name + suffix)) out.compare(name + suffix, values(value));
    }
  }
}

}  // namespace

arch::EncoderSpec illama_spec(const nlohmann::json& args) {
  arch::EncoderSpec spec = arch::EncoderSpec{};
  spec.family = "illama";
  spec.dim = args.value("embed_dim", std::int64_t{768});
  spec.depth = args.value("depth", std::int64_t{12});
  spec.heads = args.value("num_heads", std::int64_t{12});
  spec.patch = args.value("patch_size", std::int64_t{16});
  spec.channels = args.value("in_chans", std::int64_t{3});
  spec.num_classes = args.value("num_classes", std::int64_t{1000});
  spec.qkv_bias = args.value("qkv_bias", false);
  spec.mlp_ratio = args.value("mlp_ratio", 4.0);
  set_image_size(spec, args.value("img_size", nlohmann::json(224)));
  if (args.value("norm", "RMSNorm").starts_with("LayerNorm")) spec.norm = arch::Norm::kLayer;
  if (args.contains("nbits_w")) {
    spec.quantization = arch::Quantization::kLsq;
    spec.qk_norm = arch::QkNorm::kRmsAfterRotary;
    spec.weight_bits = args.at("nbits_w");
    spec.activation_bits = args.value("nbits_a", spec.weight_bits);
  }
  spec.resolve();
  return spec;
}

void check_illama_model(const Case& c, Outcome& out) {
  const arch::EncoderSpec trained = illama_spec(c.args());
  const at::Tensor image = tensor(c, "image");
  arch::EncoderSpec built = trained;
  built.height = image.size(2);
  built.width = image.size(3);
  built.resolve();
  const nn::Encoder encoder = load_at(c, trained, built);
  if (c.io->contains("pos_embed_new")) {
    out.compare("pos_embed_new", values(encoder.parameters().require(arch::names::kPosition)));
  }
  compare_rotation(c, out, built);
  if (c.io->contains("rates")) return check_rates(c, out, encoder, image);

  for (const OpsVariant& variant : kOpsVariants) {
    nn::ForwardOptions options;
    options.training = c.json.value("mode", "eval") == "train";
    options.mask_rate = mask_rate(c);
    options.drop_path = 0.0;
    options.exec.ops = variant.ops;
    const nn::ForwardResult result = encoder.forward(image, options);
    if (c.io->contains("logits")) out.compare("logits", values(result.logits), variant.name);
    if (c.io->contains("cls_feature")) {
      out.compare("cls_feature", values(result.features), variant.name);
    }
  }
  if (c.json.value("mode", "eval") == "eval") {
    compare_native(c, out, encoder, image, "logits", mask_rate(c));
  }
  nn::Capture capture;
  nn::ForwardOptions options;
  options.mask_rate = mask_rate(c);
  options.capture = &capture;
  static_cast<void>(encoder.forward(image, options));
  compare_captured(c, out, capture);
  compare_rank(c, out, built, capture);
}

void check_illama_features(const Case& c, Outcome& out) {
  arch::EncoderSpec spec = illama_spec(c.args());
  spec.num_classes = 0;
  spec.feature_blocks = c.args().at("out_indices").get<std::vector<std::int64_t>>();
  spec.neck = arch::Neck::kDeconvPyramid;
  spec.resolve();
  const nn::Encoder encoder = load_encoder(c, spec);
  for (const OpsVariant& variant : kOpsVariants) {
    nn::ForwardOptions options;
    options.exec.ops = variant.ops;
    const std::vector<at::Tensor> maps = encoder.feature_maps(tensor(c, "image"), options);
    for (std::size_t i = 0; i < maps.size(); ++i) {
      out.compare(fmt::format("feature_{}", i), values(maps[i]), variant.name);
    }
  }
}

void check_illama_roadmap(const Case& c, Outcome& out) {
  using arch::ClassToken, arch::Mask, arch::Norm, arch::Position, arch::Rotary;
  struct Variant {
    std::string_view name;
    Norm norm;
    ClassToken token;
    Mask mask;
    Rotary rotary;
    Position position;
  };
  static constexpr Variant kVariants[] = {
      {"swiglu_ln_bidir", Norm::kLayer, ClassToken::kFront, Mask::kBidirectional, Rotary::kNone,
       Position::kLearned},
      {"rms_bidir", Norm::kRms, ClassToken::kFront, Mask::kBidirectional, Rotary::kNone,
       Position::kLearned},
      {"causal_cls_first", Norm::kRms, ClassToken::kFront, Mask::kCausal, Rotary::kNone,
       Position::kLearned},
      {"causal_pscls", Norm::kRms, ClassToken::kBack, Mask::kCausal, Rotary::kNone,
       Position::kLearned},
      {"modified_mask", Norm::kRms, ClassToken::kFront, Mask::kCausalFirstOpen, Rotary::kNone,
       Position::kLearned},
      {"rope_only", Norm::kRms, ClassToken::kBack, Mask::kCausal, Rotary::kLine, Position::kNone},
      {"rope_lpe", Norm::kRms, ClassToken::kBack, Mask::kCausal, Rotary::kLine, Position::kLearned},
      {"released", Norm::kRms, ClassToken::kBack, Mask::kSoftCausal, Rotary::kLine,
       Position::kLearned}};
  for (const Variant& v : kVariants) {
    const std::string output = fmt::format("logits.{}", v.name);
    if (!c.io->contains(output)) continue;
    arch::EncoderSpec spec = illama_spec(c.args());
    spec.norm = v.norm;
    spec.class_token = v.token;
    spec.mask = v.mask;
    spec.rotary = v.rotary;
    spec.position = v.position;
    spec.resolve();
    const nn::Encoder encoder = load_encoder(c, spec);
    for (const OpsVariant& ops : kOpsVariants) {
      nn::ForwardOptions options;
      options.exec.ops = ops.ops;
      out.compare(output, values(encoder.forward(tensor(c, "image"), options).logits), ops.name);
    }
    compare_native(c, out, encoder, tensor(c, "image"), output);
  }
}

}  // namespace conopa::parity
