// Point-BERT (arXiv 2111.14819) as the encoder of point clouds with a frozen block of a language
// model (LM4V, arXiv 2310.12973, section 4.2).

#include <fmt/format.h>

#include <array>

#include "arch/families/families.h"

namespace conopa::arch {
namespace {

constexpr std::string_view kName = "point_bert";
constexpr std::int64_t kHeadDim = 64;

EncoderSpec make(std::string_view preset) {
  EncoderSpec spec;
  spec.family = kName;
  spec.input = Input::kPoints;
  spec.channels = 3;
  spec.height = 1;
  spec.width = 64;
  spec.patch = 1;
  spec.class_token = ClassToken::kFront;
  spec.position = Position::kCentres;
  spec.rotary = Rotary::kNone;
  spec.mask = Mask::kBidirectional;
  spec.norm = Norm::kLayer;
  spec.norm_eps = 1e-5;
  spec.mlp = Mlp::kGelu;
  spec.mlp_multiple_of = 1;
  spec.mlp_bias = true;
  spec.qkv_bias = false;
  spec.drop_path = 0.1;
  spec.read_out = ReadOut::kTokenMax;
  spec.head_hidden = 256;
  spec.head_dropout = 0.5;
  spec.num_classes = 40;
  spec.weight_init = WeightInit::kFramework;
  set_standard_size(spec, "small");
  if (preset.find("llama") != std::string_view::npos) spec.llm.unit = LanguageUnit::kBlock;
  if (preset.find("4k") != std::string_view::npos) {
    spec.width = 256;
    spec.point.count = 4096;
  } else if (preset.find("8k") != std::string_view::npos) {
    spec.width = 512;
    spec.point.count = 8192;
  }
  return spec;
}

// Names in a ShapeNet pre-training, whose student is "transformer_q"; a classifier's leave that
// out.
constexpr std::string_view kStudent = "transformer_q.";
constexpr std::array<RenameRule, 13> kStudentNames{
    {{"point_embed.conv1.", "transformer_q.encoder.first_conv.0."},
     {"point_embed.norm1.", "transformer_q.encoder.first_conv.1."},
     {"point_embed.conv2.", "transformer_q.encoder.first_conv.3."},
     {"point_embed.conv3.", "transformer_q.encoder.second_conv.0."},
     {"point_embed.norm2.", "transformer_q.encoder.second_conv.1."},
     {"point_embed.conv4.", "transformer_q.encoder.second_conv.3."},
     {"point_embed.reduce.", "transformer_q.reduce_dim."},
     {"centre_embed.", "transformer_q.pos_embed."},
     {"blocks.", "transformer_q.blocks.blocks."},
     {"norm.", "transformer_q.norm."},
     {"cls_", "transformer_q.cls_"},
     {"head.hidden.", "transformer_q.cls_head_finetune.0."},
     {"head.", "transformer_q.cls_head_finetune.3."}}};

std::vector<NamingScheme> schemes() {
  const std::vector<RenameRule> layers{{".mlp.up.", ".mlp.fc1."}, {".mlp.down.", ".mlp.fc2."}};
  NamingScheme official{.name = "official", .replace = layers};
  for (RenameRule rule : kStudentNames) {
    rule.to.remove_prefix(kStudent.size());
    official.begin.push_back(rule);
  }
  add_language_names(official);
  NamingScheme start{.name = "shapenet", .replace = layers};
  start.begin.assign(kStudentNames.begin(), kStudentNames.end());
  start.ignored = {"transformer_q.cls_head.",
                   "transformer_q.lm_head.",
                   "transformer_q.mask_token",
                   "transformer_k.",
                   "dvae.",
                   "queue"};
  start.serves = [](const EncoderSpec&) { return false; };
  return {official, start};
}

// Sizes that every tensor tells; the number of groups is in none of them.
bool read_shapes(EncoderSpec& spec, const ForeignView& view) {
  const Shape* last = view.shape("point_embed.conv4.weight");
  const Shape* reduce = view.shape("point_embed.reduce.weight");
  const Shape* up = view.shape(names::block(0, names::kUp) + ".weight");
  if (last == nullptr || last->empty() || reduce == nullptr || reduce->size() != 2 ||
      up == nullptr || up->size() != 2) {
    return false;
  }
  spec.point.width = (*last)[0];
  spec.dim = (*reduce)[0];
  spec.heads = spec.dim % kHeadDim == 0 ? spec.dim / kHeadDim : 1;
  spec.mlp_hidden = (*up)[0];
  spec.depth = 0;
  while (view.has(names::block(spec.depth, names::kUp) + ".weight")) ++spec.depth;
  spec.num_classes = read_classes(view);
  const Shape* hidden = view.shape(std::string(names::kHeadHidden) + ".weight");
  spec.head_hidden = hidden != nullptr && !hidden->empty() ? (*hidden)[0] : 0;
  spec.qkv_bias = view.has(names::block(0, names::kQkv) + ".bias");
  return true;
}

std::optional<EncoderSpec> infer(const TensorIndex& tensors) {
  const auto view = find_view(
      family(kName), tensors,
      {"point_embed.conv1.weight", "centre_embed.0.weight",
       names::block(0, names::kUp) + ".weight"},
      {std::string(names::kFinalNorm) + ".weight", std::string(names::kHead) + ".weight"});
  if (!view) return std::nullopt;
  EncoderSpec spec = make("");
  spec.point.rule = CentreRule::kReleased;
  if (!read_shapes(spec, *view)) return std::nullopt;
  if (view->has(std::string(names::kLanguageIn) + ".weight")) {
    static_cast<void>(read_language_shapes(spec.llm, *view));
  }
  return spec;
}

std::vector<std::string> doubts(const EncoderSpec& guess) {
  std::vector<std::string> out{fmt::format(
      "{} groups of {} points out of {}; --set width=N, point_group=N, point_count=N for others",
      guess.width, guess.point.group, guess.point.count)};
  if (guess.llm.has_blocks()) {
    out.push_back(
        fmt::format("the language block is taken to have {} heads of {} channels; --set "
                    "llm_heads=N for others",
                    guess.llm.heads, guess.llm.dim / guess.llm.heads));
  }
  return out;
}

}  // namespace

Family point_bert_family() {
  return {.name = kName,
          .summary = "Point-BERT: a Transformer of point clouds",
          .presets = {{"point_bert_small", "1024 points; 22.1 M parameters"},
                      {"point_bert_small_4k", "4096 points in 256 groups"},
                      {"point_bert_small_8k", "8192 points in 512 groups"},
                      {"point_bert_llama_small", "25.2 M trained beside a LLaMA-7B block"},
                      {"point_bert_llama_small_4k", "4096 points in 256 groups"},
                      {"point_bert_llama_small_8k", "8192 points in 512 groups"}},
          .make = make,
          .schemes = schemes(),
          .infer = infer,
          .doubts = doubts};
}

}  // namespace conopa::arch
