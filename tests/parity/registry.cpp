#include "checkers.h"

namespace conopa::parity {
namespace {

bool has_output(const Case& c, const std::string& name) { return c.io->contains(name); }

struct Row {
  std::string_view family;
  std::string_view builder;  ///< must be part of the builder's name
  std::string_view output;   ///< must be among the tensors; empty for any
  Checker checker;
};

// The first row that fits runs the case.
constexpr Row kRows[] = {
    {"illama", "schedules", "", check_schedules},
    {"illama", "weight_selection", "", check_illama_selection},
    {"illama", "roadmap", "", check_illama_roadmap},
    {"illama", "segmentation backbone", "", check_illama_features},
    {"illama", "QAT", "", check_illama_quantized},
    {"illama", "VisionTransformer", "loss", check_illama_training},
    {"illama", "VisionTransformer", "", check_illama_model},
    {"visionllama", "MAE(", "", check_mae},
    {"visionllama", "trained with LARS", "", check_linear_probe},
    {"visionllama", "mmpretrain", "", check_mmpretrain_classifier},
    {"visionllama", "PyramidVisionLLaMA", "", check_visionllama_pyramid},
    {"visionllama", "VisionTransformerRotate", "", check_visionllama_line},
    {"visionllama", "VisionLLaMA", "logits", check_visionllama},
    {"aim", "torch AdamW", "losses", check_aim_steps},
    {"aim", "SimpleDecoder", "preds", check_aim_pretraining},
    {"aim", "paper's text", "preds", check_aim_pretraining},
    {"aim", "InSeriesMetaModels", "text_logits", check_aim_captions},
    {"aim", "AIMv2LiT", "", check_aim_pair},
    {"aim", "AIMv2VisionEncoder", "image0", check_aim_native},
    {"aim", "AIMv2VisionEncoder", "", check_aim_encoder},
    {"aim", "PrefixCausalAttention", "", check_aim_encoder},
    {"aim", "AttentionPoolingClassifier", "", check_attention_probe},
    {"aim", "LoraAttention", "", check_lora},
    {"aim", "AIM(", "logits", check_aim_probe},
    {"aim", "val_transforms", "", check_eval_transform},
    {"aim", "ar_patterns", "", check_aim_objective},
    {"lm4v", "ViTLLaMA", "loss", check_vit_llama_gradients},
    {"lm4v", "ViTLLaMA", "image", check_vit_llama},
    {"lm4v", "OPTDecoderLayer", "", check_opt_block},
    {"lm4v", "LLaMATransformer", "mask", check_language_padding},
    {"lm4v", "pseudo-mask IoU", "", check_filter_analysis},
    {"lm4v", "PointTransformer", "", check_point_bert},
    {"gen_preprocess", "centre crop", "", check_halving_crop},
};

}  // namespace

Checker find_checker(const Case& c, std::string& pending) {
  const std::string family = c.family();
  const std::string builder = c.builder();
  bool known_family = false;
  for (const Row& row : kRows) {
    if (row.family != family) continue;
    known_family = true;
    if (builder.find(row.builder) == std::string::npos) continue;
    if (!row.output.empty() && !has_output(c, std::string(row.output))) continue;
    return row.checker;
  }
  pending = known_family ? "no task runs builder '" + builder + "' yet"
                         : "family " + family + " is not built yet";
  return nullptr;
}

}  // namespace conopa::parity
