#include "visionllama.h"

#include <ATen/TensorOperators.h>

#include "checkers.h"
#include "conopa/arch/rotary.h"
#include "conopa/train/gradients.h"
#include "models.h"

namespace conopa::parity {
namespace {

// [heads, N, pairs of a head] → [N, rotated pairs of all heads], as the cases store tables.
std::vector<float> flatten_table(const arch::RotaryTable& table, const std::vector<float>& values,
                                 std::int64_t pairs) {
  std::vector<float> out;
  for (std::int64_t n = 0; n < table.tokens; ++n) {
    for (std::int64_t h = 0; h < table.heads; ++h) {
      for (std::int64_t p = 0; p < pairs; ++p) {
        out.push_back(values[static_cast<std::size_t>((h * table.tokens + n) * table.half + p)]);
      }
    }
  }
  return out;
}

void compare_table(const Case& c, Outcome& out, const std::string& name,
                   const arch::RotaryLadder& ladder, const arch::Coordinates& at) {
  if (!c.io->contains(name + "_cos")) return;
  const arch::RotaryTable table = arch::rotary_table(ladder, at);
  out.compare(name + "_cos", flatten_table(table, table.cos, ladder.rotated / 2));
  out.compare(name + "_sin", flatten_table(table, table.sin, ladder.rotated / 2));
}

void compare_rotation(const Case& c, Outcome& out, const arch::EncoderSpec& spec) {
  using arch::RotaryRole;
  const std::vector<arch::Stage> stages = spec.stages();
  if (!spec.pyramid()) {
    compare_table(c, out, "inter.rope", arch::rotary_ladder(spec, stages[0], RotaryRole::kTokens),
                  arch::token_coordinates(spec));
    return;
  }
  for (const arch::Stage& stage : stages) {
    const std::string prefix = fmt::format("inter.stage{}.gsa_", stage.index);
    compare_table(c, out, prefix + "q_rope", arch::rotary_ladder(spec, stage, RotaryRole::kQueries),
                  arch::query_coordinates(spec, stage));
    compare_table(c, out, prefix + "k_rope", arch::rotary_ladder(spec, stage, RotaryRole::kKeys),
                  arch::key_coordinates(spec, stage));
  }
}

void compare_if(const Case& c, Outcome& out, const std::string& name, const nn::Capture& capture,
                const std::string& ours) {
  if (c.io->contains(name)) out.compare(name, values(capture.at(ours)));
}

void compare_captured(const Case& c, Outcome& out, const arch::EncoderSpec& spec,
                      const nn::Capture& capture) {
  for (const arch::Stage& stage : spec.stages()) {
    const std::string theirs =
        spec.pyramid() ? fmt::format("inter.stage{}.", stage.index) : "inter.";
    const std::string ours = spec.pyramid() ? fmt::format("stage{}_", stage.index) : "";
    compare_if(c, out, theirs + "patch_embed", capture, ours + "patch_embed");
    for (std::int64_t i = 0; i < stage.depth; ++i) {
      compare_if(c, out, fmt::format("{}block{}", theirs, i), capture,
                 fmt::format("{}block{}_out", ours, i));
    }
    compare_if(c, out, theirs + "last_block", capture,
               fmt::format("{}block{}_out", ours, stage.depth - 1));
  }
}

void check_forward(const Case& c, Outcome& out, const arch::EncoderSpec& spec,
                   const nn::Encoder& encoder) {
  const at::Tensor image = tensor(c, "image");
  for (const OpsVariant& variant : kOpsVariants) {
    nn::Capture capture;
    for (nn::Capture* captured : {static_cast<nn::Capture*>(nullptr), &capture}) {
      nn::ForwardOptions options;
      options.exec.ops = variant.ops;
      options.capture = captured;
      const nn::ForwardResult result = encoder.forward(image, options);
      out.compare("logits", values(result.logits), variant.name);
      if (c.io->contains("inter.features")) {
        out.compare("inter.features", values(result.features), variant.name);
      }
    }
    compare_captured(c, out, spec, capture);
  }
  compare_native(c, out, encoder, image);
  compare_rotation(c, out, spec);
}

void check_gradients(const Case& c, Outcome& out, nn::Encoder& encoder) {
  for (const OpsVariant& variant : kOpsVariants) {
    for (const bool checkpointed : {false, true}) {
      nn::ForwardOptions options;
      options.training = true;
      options.exec.ops = variant.ops;
      options.checkpoint_blocks = checkpointed;
      encoder.parameters().zero_grad();
      const at::Tensor logits = encoder.forward(tensor(c, "image"), options).logits;
      const at::Tensor loss = nn::binary_cross_entropy(logits, tensor(c, "target"), options.exec);
      loss.backward();
      out.compare("loss", values(loss), variant.name);
      compare_parameters(c, out, encoder.parameters(), "official", "grad.", true, variant.name);
      if (!c.io->contains("grad_norm_total")) continue;
      const double norm = train::gradient_norm(encoder.parameters()).item<double>();
      out.compare("grad_norm_total", std::span<const double>(&norm, 1), variant.name);
    }
  }
}

void check_model(const Case& c, Outcome& out, const arch::EncoderSpec& spec) {
  const std::string_view scheme = spec.mlp == arch::Mlp::kGelu ? "official_gelu" : "official";
  nn::Encoder encoder = load_encoder(c, spec, scheme);
  check_forward(c, out, spec, encoder);
  if (c.io->contains("target")) check_gradients(c, out, encoder);
}

}  // namespace

void check_visionllama(const Case& c, Outcome& out) {
  check_model(c, out, visionllama_spec(c.args()));
}

void check_visionllama_line(const Case& c, Outcome& out) {
  check_model(c, out, visionllama_line_spec(c.args()));
}

void check_visionllama_pyramid(const Case& c, Outcome& out) {
  const Shape image = c.io->info("image").shape;
  check_model(c, out, visionllama_pyramid_spec(c.args(), image.at(2), image.at(3)));
}

void check_mmpretrain_classifier(const Case& c, Outcome& out) {
  const arch::EncoderSpec spec = mmpretrain_classifier_spec(c.args());
  const nn::Encoder encoder = load_encoder(c, spec, "mmpretrain_finetune");
  check_forward(c, out, spec, encoder);
  if (!c.io->contains("loss")) return;
  // Label smoothing of the released fine-tuning: 0.1 of the mass spread over all classes.
  constexpr double kSmoothing = 0.1;
  const at::Tensor targets = tensor(c, "soft_target") * (1.0 - kSmoothing) +
                             kSmoothing / static_cast<double>(spec.num_classes);
  for (const OpsVariant& variant : kOpsVariants) {
    nn::ForwardOptions options;
    options.exec.ops = variant.ops;
    const at::Tensor logits = encoder.forward(tensor(c, "image"), options).logits;
    out.compare("loss", values(nn::soft_target_cross_entropy(logits, targets, options.exec)),
                variant.name);
  }
}

}  // namespace conopa::parity
