#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <regex>

#include "checkers.h"
#include "conopa/nn/convert.h"
#include "conopa/train/adamw.h"
#include "conopa/train/gradients.h"
#include "models.h"

namespace conopa::parity {
namespace {

// A number that the case states in words only, e.g. "weight decay 0.05".
double stated(const Case& c, const std::string& key, const std::string& pattern, double otherwise) {
  if (c.json.contains(key) && c.json[key].is_number()) return c.json[key];
  std::smatch match;
  const std::string text = c.notes() + " " + c.json.value("loss", "");
  if (std::regex_search(text, match, std::regex(pattern))) return std::stod(match[1]);
  return otherwise;
}

double rate_of(const Case& c, const char* mode) {
  const auto rate = c.json.find("soft_mask_rate");
  if (rate == c.json.end()) return 0.0;
  return rate->is_object() ? rate->value(mode, 0.0) : rate->get<double>();
}

// Classes as labels or as a distribution.
at::Tensor loss_of(const Case& c, const at::Tensor& logits, const nn::Exec& exec) {
  const HostTensor target = c.io->read("target");
  if (target.shape().size() == 1) {
    const double smoothing = stated(c, "smoothing", "smoothing[^0-9]*([0-9]*\\.[0-9]+)", 0.0);
    return nn::label_cross_entropy(logits, nn::to_torch(target), smoothing, exec);
  }
  return nn::soft_target_cross_entropy(logits, nn::to_torch(target, at::kFloat), exec);
}

void compare_gradient_norm(const Case& c, Outcome& out, const nn::Encoder& encoder,
                           std::string_view variant) {
  if (!c.io->contains("grad_norm")) return;
  const double norm = train::gradient_norm(encoder.parameters()).item<double>();
  out.compare("grad_norm", std::span<const double>(&norm, 1), variant);
}

// AdamW on the same batch, each step with its own learning rate and mask rate.
void run_steps(const Case& c, Outcome& out, const OpsVariant& variant) {
  nn::Encoder encoder = load_encoder(c, illama_spec(c.args()));
  train::AdamW optimizer(encoder.parameters(), {});
  const double weight_decay = stated(c, "weight_decay", "weight decay ([0-9]*\\.?[0-9]+)", 0.0);
  const std::vector<double> rates = c.io->read("step_rate").to_f64();
  const std::vector<double> lrs = c.io->read("step_lr").to_f64();
  const double clip = stated(c, "clip_grad", "clipp[a-z]+ (?:at|to|with) ([0-9]*\\.?[0-9]+)", 0.0);
  const at::Tensor image = tensor(c, "image");
  nn::ForwardOptions options;
  options.training = true;
  options.drop_path = 0.0;
  options.exec.ops = variant.ops;
  std::vector<double> losses;
  for (std::size_t s = 0; s < lrs.size(); ++s) {
    options.mask_rate = rates.at(s);
    const at::Tensor loss = loss_of(c, encoder.forward(image, options).logits, options.exec);
    losses.push_back(loss.item<double>());
    loss.backward();
    const double norm = train::gradient_norm(encoder.parameters()).item<double>();
    optimizer.step(lrs[s], weight_decay, train::clip_factor(norm, clip));
    encoder.parameters().zero_grad();
  }
  out.compare("step_losses", std::span<const double>(losses), variant.name);
  compare_parameters(c, out, encoder.parameters(), "official", "after.", false, variant.name);
  if (c.io->contains("logits_after")) {
    nn::ForwardOptions eval;
    eval.exec.ops = variant.ops;
    eval.mask_rate = 0.0;
    out.compare("logits_after", values(encoder.forward(image, eval).logits), variant.name);
  }
}

}  // namespace

void check_illama_training(const Case& c, Outcome& out) {
  for (const OpsVariant& variant : kOpsVariants) {
    for (const bool checkpointed : {false, true}) {
      nn::Encoder encoder = load_encoder(c, illama_spec(c.args()));
      nn::ForwardOptions options;
      options.training = true;
      options.drop_path = 0.0;
      options.mask_rate = rate_of(c, "train");
      options.exec.ops = variant.ops;
      options.checkpoint_blocks = checkpointed;
      const at::Tensor logits = encoder.forward(tensor(c, "image"), options).logits;
      const at::Tensor loss = loss_of(c, logits, options.exec);
      loss.backward();
      if (c.io->contains("logits")) out.compare("logits", values(logits), variant.name);
      out.compare("loss", values(loss), variant.name);
      compare_parameters(c, out, encoder.parameters(), "official", "grad.", true, variant.name);
      compare_gradient_norm(c, out, encoder, variant.name);
    }
    if (c.io->contains("step_lr")) run_steps(c, out, variant);
  }
}

void check_illama_quantized(const Case& c, Outcome& out) {
  const arch::EncoderSpec spec = illama_spec(c.args());
  nn::Encoder encoder = load_encoder(c, spec);
  const at::Tensor image = tensor(c, "image");
  nn::ForwardOptions eval;
  eval.mask_rate = rate_of(c, "logits");
  out.compare("logits", values(encoder.forward(image, eval).logits));
  compare_native(c, out, encoder, image, "logits", eval.mask_rate);

  nn::ForwardOptions train;
  train.training = true;
  train.drop_path = 0.0;
  train.mask_rate = rate_of(c, "train");
  const at::Tensor logits = encoder.forward(image, train).logits;
  out.compare("train_logits", values(logits));
  const at::Tensor loss = loss_of(c, logits, train.exec);
  loss.backward();
  out.compare("loss", values(loss));
  compare_parameters(c, out, encoder.parameters(), "official", "grad.", true, "");

  // The first training batch sets step sizes and zero points.
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < encoder.parameters().size(); ++i) {
    const std::string& name = encoder.parameters().table().entries()[i].name;
    at::Tensor parameter = encoder.parameters().tensors()[i];
    for (const char* reset : {".init_state", ".signed", ".zero_point"}) {
      if (name.ends_with(reset)) parameter.zero_();
    }
  }
  static_cast<void>(encoder.forward(image, train));
  compare_parameters(c, out, encoder.parameters(), "official", "init.", false, "");
}

}  // namespace conopa::parity
