// README.md of the final model.

#include <fmt/format.h>

#include "conopa/core/system.h"
#include "conopa/report/model_card.h"
#include "conopa/train/finish.h"
#include "train/run_names.h"

namespace conopa::train {
namespace {

namespace fs = std::filesystem;

std::string data_name(const RunConfig& config) {
  if (config.data.mixture.empty()) return fs::path(config.data.path).filename().string();
  std::string names;
  for (const std::string& source : config.data.mixture) {
    if (!names.empty()) names += '+';
    names += fs::path(source).filename().string();
  }
  return names;
}

report::CardResult card_result(const FinishInput& input, std::string_view value,
                               std::string_view task, const std::string& metric,
                               const std::string& name) {
  const std::string data = data_name(input.config);
  return {.task = std::string(task),
          .dataset = data,
          .dataset_id = data,
          .split = input.eval_split,
          .metric = metric,
          .metric_name = name,
          .value = input.evaluation.value(value)};
}

void describe_classifier(const FinishInput& input, report::ModelCard& card) {
  constexpr std::string_view kTask = "image-classification";
  card.tags = {std::string(kTask), input.config.model.spec.family};
  card.metrics = {"accuracy"};
  if (input.evaluation.classification) {
    const std::string top_k =
        fmt::format("Top-{} accuracy", input.evaluation.classification->top_k);
    card.results = {card_result(input, "top1", kTask, "accuracy", "Top-1 accuracy"),
                    card_result(input, "top5", kTask, "top_5_accuracy", top_k),
                    card_result(input, "loss", kTask, "loss", "Cross entropy"),
                    card_result(input, "ece", kTask, "expected_calibration_error",
                                "Calibration error (15 bins)")};
  }
  card.summary += fmt::format(", {} classes.", input.config.model.spec.num_classes);
  card.use = "Classifies images:\n\n```\nconopa predict MODEL_FOLDER IMAGE...\n```";
  card.limits =
      "It knows the classes it was trained on and nothing else; images unlike the "
      "training data get confident wrong answers.";
}

void describe_autoencoder(const FinishInput& input, report::ModelCard& card) {
  constexpr std::string_view kTask = "image-feature-extraction";
  card.tags = {std::string(kTask), "masked-autoencoder", input.config.model.spec.family};
  card.metrics = {"loss"};
  card.results = {
      card_result(input, "loss", kTask, "loss", "Mean squared error of removed patches")};
  card.summary +=
      fmt::format("; a masked auto-encoder that saw {:.0f} % of the patches while it learnt.",
                  100.0 * (1.0 - input.config.mae.mask_ratio));
  card.use =
      "Gives a classifier of the same encoder its first weights; the decoder is left out:\n\n```\n"
      "conopa train RECIPE --set train.init_from=MODEL_FOLDER --set train.init_policy=partial\n```";
  card.limits =
      "It fills in patches and names nothing: without fine-tuning or a probe it does not classify.";
}

void describe_autoregressor(const FinishInput& input, report::ModelCard& card) {
  constexpr std::string_view kTask = "image-feature-extraction";
  card.tags = {std::string(kTask), "autoregressive", input.config.model.spec.family};
  card.metrics = {"loss"};
  card.results = {card_result(input, "loss", kTask, "loss", "Error of patches behind the prefix")};
  card.summary += "; pre-trained to predict the next patch of an image.";
  card.use =
      "Probe its features, or give a classifier of the same encoder its first weights:\n\n```\n"
      "conopa probe MODEL_FOLDER --data DATA --out PROBE\n"
      "conopa train RECIPE --set train.init_from=MODEL_FOLDER --set train.init_policy=partial\n```";
  card.limits =
      "It continues images and names nothing: without a probe or fine-tuning it does not classify.";
}

std::string input_text(const arch::EncoderSpec& spec) {
  if (spec.input == arch::Input::kPoints) {
    return fmt::format("{} points in {} groups of {}", spec.point.count, spec.width,
                       spec.point.group);
  }
  return fmt::format("{}x{} pixels", spec.height, spec.width);
}

}  // namespace

std::string model_card(const FinishInput& input) {
  const RunConfig& config = input.config;
  report::ModelCard card;
  card.name = run_title(config, input.folder);
  card.summary = fmt::format("{} with {} parameters, {}", model_name(config),
                             format_count(static_cast<double>(input.parameters)),
                             input_text(config.model.spec));
  if (config.train.task == TaskKind::kMae) {
    describe_autoencoder(input, card);
  } else if (config.train.task == TaskKind::kAim) {
    describe_autoregressor(input, card);
  } else {
    describe_classifier(input, card);
  }
  card.data = fmt::format(
      "Trained on {} images of `{}`, evaluated on {} images of its split `{}`. Preprocessing is in "
      "`preprocessor_config.json`.",
      input.train_images, data_name(config), input.eval_images, input.eval_split);
  card.reproduction = fmt::format(
      "conopa {}, {} epochs of {} images a step, seed {}. The recipe is `config.toml` of the run "
      "folder.{}",
      input.version, config.train.epochs, config.train.batch, config.train.seed,
      input.command.empty() ? "" : "\n\n```\n" + input.command + "\n```");
  return report::render_model_card(card);
}

}  // namespace conopa::train
