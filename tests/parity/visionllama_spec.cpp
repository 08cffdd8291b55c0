// Official VisionLLaMA constructors as specs.

#include <algorithm>
#include <regex>

#include "conopa/arch/rotary.h"
#include "models.h"
#include "visionllama.h"

namespace conopa::parity {
namespace {

using nlohmann::json;

// "LayerNorm(eps=1e-06)"
void set_norm(arch::EncoderSpec& spec, const std::string& text) {
  spec.norm = text.starts_with("RMSNorm") ? arch::Norm::kRms : arch::Norm::kLayer;
  std::smatch match;
  if (std::regex_search(text, match, std::regex("eps=([0-9.e+-]+)"))) {
    spec.norm_eps = std::stod(match[1]);
  }
}

// Class of the blocks: feed-forward kind and layer scale.
void set_block(arch::EncoderSpec& spec, const std::string& name) {
  const bool gelu = name.find("RBlock") != std::string::npos;
  if (gelu) {
    spec.mlp = arch::Mlp::kGelu;
    spec.mlp_bias = true;
  }
  const bool scaled =
      !name.starts_with("RBlock") && !name.ends_with("NoLS") && !name.ends_with("WoLS");
  spec.layer_scale = scaled ? 1e-4 : 0.0;
}

void set_common(arch::EncoderSpec& spec, const json& args) {
  spec.channels = args.value("in_chans", std::int64_t{3});
  spec.num_classes = args.value("num_classes", std::int64_t{1000});
  spec.patch = args.value("patch_size", spec.patch);
  spec.qkv_bias = args.value("qkv_bias", true);
  spec.mlp_ratio = args.value("mlp_ratio", 4.0);
  spec.rope_theta = args.value("theta", 10000.0);
  spec.rope_ratio = args.value("rpe_ratio", 1.0);
  spec.position = arch::Position::kNone;
  spec.class_token = arch::ClassToken::kNone;
  spec.rotary = arch::Rotary::kPlane;
  spec.rope_grid = arch::RopeGrid::kOfficial;
  spec.rope_keys = arch::RopeKeys::kOfficial;
  spec.rope_ntk_acts_on = arch::RopeNtk::kQueries;
  spec.window_padding = arch::WindowPadding::kAttended;
  spec.mask = arch::Mask::kBidirectional;
  if (args.contains("norm_layer")) set_norm(spec, args["norm_layer"]);
  if (args.contains("blk_cls")) set_block(spec, args["blk_cls"]);
  if (const auto flags = args.find("rpe_flags"); flags != args.end() && flags->is_array()) {
    for (std::size_t i = 0; i < flags->size(); ++i) {
      const json& on = (*flags)[i];
      const bool rotates = on.is_boolean() ? on.get<bool>() : on.get<double>() != 0.0;
      if (!rotates) spec.rope_off_blocks.push_back(static_cast<std::int64_t>(i));
    }
  }
}

void set_plain_sizes(arch::EncoderSpec& spec, const json& args) {
  set_image_size(spec, args.value("img_size", json(224)));
  spec.dim = args.value("embed_dim", std::int64_t{768});
  spec.depth = args.value("depth", std::int64_t{12});
  spec.heads = args.value("num_heads", std::int64_t{12});
}

bool is_set(const json& args, const char* key) {
  const auto it = args.find(key);
  return it != args.end() && !it->is_null() && *it != json(false);
}

std::int64_t round_up_256(std::int64_t value) { return (value + 255) / 256 * 256; }

// The SwiGLU layer of the released code widens feedforward_channels once more.
std::int64_t released_hidden(std::int64_t feedforward) { return round_up_256(feedforward * 8 / 3); }

void set_mmpretrain(arch::EncoderSpec& spec, const json& backbone) {
  const json& sizes = backbone.at("arch");
  spec.family = "visionllama";
  spec.dim = sizes.at("embed_dims");
  spec.depth = sizes.at("num_layers");
  spec.heads = sizes.at("num_heads");
  spec.mlp_hidden = released_hidden(sizes.at("feedforward_channels"));
  spec.mlp_bias = true;
  spec.norm = arch::Norm::kLayer;
  spec.norm_eps = 1e-6;
  spec.layer_scale = 0.0;
  spec.remainder = arch::Remainder::kPad;
  spec.channels = backbone.value("in_channels", std::int64_t{3});
  spec.patch = backbone.value("patch_size", std::int64_t{16});
  spec.position = arch::Position::kNone;
  spec.rotary = arch::Rotary::kPlane;
  spec.rope_grid = arch::RopeGrid::kOfficial;
  spec.mask = arch::Mask::kBidirectional;
  spec.drop_path_branches = arch::DropBranches::kAttention;
  set_image_size(spec, backbone.value("img_size", json(224)));
}

}  // namespace

arch::EncoderSpec visionllama_spec(const json& args) {
  arch::EncoderSpec spec;
  spec.family = "visionllama";
  set_common(spec, args);
  set_plain_sizes(spec, args);
  spec.rope_per_head = !args.value("share_rpe", true);
  if (args.value("auto_scale", false)) {
    spec.rope_scaling = arch::RopeScaling::kAnchor;
    spec.rope_anchor = 224;
  }
  const bool token = args.value("use_cls_token", true);
  spec.class_token = token ? arch::ClassToken::kFront : arch::ClassToken::kNone;
  spec.read_out = token ? arch::ReadOut::kToken : arch::ReadOut::kMeanNorm;
  if (const auto at = args.value("cls_pos", std::int64_t{-1}); at != -1) {
    spec.rope_class = arch::RopeClass::kFixed;
    spec.rope_class_at = at;
  }
  if (args.value("use_abs", false)) {
    spec.position = args.value("lr_pe", true) ? arch::Position::kLearned : arch::Position::kSinCos;
    spec.position_spare_row = !token;
  }
  spec.resolve();
  return spec;
}

arch::EncoderSpec visionllama_line_spec(const json& args) {
  arch::EncoderSpec spec;
  spec.family = "visionllama";
  set_common(spec, args);
  set_plain_sizes(spec, args);
  spec.rotary = arch::Rotary::kLine;
  spec.read_out = arch::ReadOut::kMean;
  spec.rope_scale = args.value("scale", 1.0);
  for (const char* key : {"use_ntk", "ntk", "ntk_factor", "factor"}) {
    if (!is_set(args, key)) continue;
    const double factor =
        args[key].is_number() ? args[key].get<double>() : args.value("factor", 1.0);
    spec.rope_theta =
        arch::ntk_theta(spec.rope_theta, factor, spec.rope_scale, spec.dim / spec.heads);
    spec.rope_scale = 1.0;
    break;
  }
  spec.resolve();
  return spec;
}

arch::EncoderSpec visionllama_pyramid_spec(const json& args, std::int64_t height,
                                           std::int64_t width) {
  arch::EncoderSpec spec;
  spec.family = "visionllama_pyramid";
  spec.patch = 4;
  set_common(spec, args);
  spec.height = height;
  spec.width = width;
  spec.patch_norm = true;
  spec.stage_dims = args.at("embed_dims").get<std::vector<std::int64_t>>();
  spec.stage_depths = args.at("depths").get<std::vector<std::int64_t>>();
  spec.stage_heads = args.at("num_heads").get<std::vector<std::int64_t>>();
  spec.stage_windows = args.at("wss").get<std::vector<std::int64_t>>();
  spec.stage_reductions = args.at("sr_ratios").get<std::vector<std::int64_t>>();
  spec.read_out = arch::ReadOut::kNormMeanNorm;
  if (args.contains("mlp_ratios") && args["mlp_ratios"].is_array()) {
    spec.mlp_ratio = args["mlp_ratios"].at(0);
  }
  if (is_set(args, "use_ntk")) {
    spec.rope_ntk = args["use_ntk"];
  } else if (args.value("auto_scale", false)) {
    spec.rope_scaling = arch::RopeScaling::kOfficial14;
  }
  spec.resolve();
  return spec;
}

arch::EncoderSpec mae_spec(const json& args) {
  const json& neck = args.at("neck");
  arch::EncoderSpec spec;
  set_mmpretrain(spec, args.at("backbone"));
  spec.class_token = arch::ClassToken::kLate;
  spec.num_classes = 0;
  spec.decoder = arch::Decoder::kMae;
  spec.decoder_dim = neck.value("decoder_embed_dim", std::int64_t{512});
  spec.decoder_depth = neck.value("decoder_depth", std::int64_t{8});
  spec.decoder_heads = neck.value("decoder_num_heads", std::int64_t{16});
  spec.decoder_mlp_ratio = neck.value("mlp_ratio", 4.0);
  spec.resolve();
  return spec;
}

arch::EncoderSpec mmpretrain_classifier_spec(const json& args) {
  arch::EncoderSpec spec;
  set_mmpretrain(spec, args.at("backbone"));
  spec.class_token = arch::ClassToken::kNone;
  spec.read_out = arch::ReadOut::kMeanNorm;
  spec.num_classes = args.value("num_classes", std::int64_t{1000});
  spec.resolve();
  return spec;
}

}  // namespace conopa::parity
