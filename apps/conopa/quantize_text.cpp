#include "quantize_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "conopa/core/system.h"
#include "conopa/report/model_card.h"
#include "model_text.h"

namespace conopa::app {
namespace {

struct Accuracies {
  eval::ClassificationResult before, after;
};

std::optional<Accuracies> accuracies(const QuantizeOutcome& outcome) {
  const std::optional<Agreement>& measured = outcome.measured;
  if (!measured || !measured->before || !measured->after) return std::nullopt;
  return Accuracies{measured->before->result(), measured->after->result()};
}

double percent(double share) { return 100.0 * share; }

// Name of a model: of its folder, or of the run whose model/ it is.
std::string folder_name(const std::filesystem::path& path) {
  std::filesystem::path plain = std::filesystem::absolute(path).lexically_normal();
  if (!plain.has_filename()) plain = plain.parent_path();
  if (plain.filename() == "model") plain = plain.parent_path();
  return plain.filename().string();
}

std::string size_text(const QuantizeOutcome& outcome) {
  return fmt::format(
      "{} to {} ({:.2f} times smaller)", format_bytes(outcome.bytes_before),
      format_bytes(outcome.bytes_after),
      static_cast<double>(outcome.bytes_before) / static_cast<double>(outcome.bytes_after));
}

std::string distance_text(const OutputDistance& distance) {
  return fmt::format("same top-1 {:.2f} %, relative error {:.4f}, largest {:.4f}",
                     percent(distance.same_top1()), distance.relative_error(),
                     distance.largest_error());
}

std::string how_text(const QuantizeOutcome& outcome) {
  if (outcome.calibrated_on.empty()) {
    return "Scales were searched for the smallest squared error of the weights.";
  }
  std::string out = fmt::format(
      "Calibrated on {}: of the variants below, the one with the smallest relative error of the "
      "outputs was kept ({}).\n\n| variant | relative error |\n|---|---|\n",
      outcome.calibrated_on, outcome.chosen.name);
  for (const QuantizeTrial& trial : outcome.trials) {
    out += fmt::format("| {} | {:.5f} |\n", trial.name, trial.error);
  }
  return out;
}

std::string limits_text(const QuantizeOutcome& outcome) {
  if (!outcome.measured) return "How much accuracy the smaller weights cost was not measured.";
  return fmt::format(
      "Measured in {} against the float model in fp32 on {}: {}. The relative error is the root of "
      "the mean squared difference of the outputs over their own spread.",
      outcome.precision, outcome.measured_on, distance_text(outcome.measured->distance));
}

report::CardResult accuracy(const QuantizeOutcome& outcome, std::string name, double value) {
  return {.dataset = outcome.dataset,
          .split = outcome.split,
          .metric = "accuracy",
          .metric_name = std::move(name),
          .value = value};
}

}  // namespace

std::int64_t bytes_of(const std::vector<NamedTensor>& tensors) {
  std::int64_t sum = 0;
  for (const NamedTensor& named : tensors) sum += std::ssize(named.tensor.bytes());
  return sum;
}

std::int64_t bytes_of(const TensorSource& source) {
  std::int64_t sum = 0;
  for (const std::string& name : source.names()) {
    const TensorInfo& info = source.info(name);
    if (info.dtype) sum += element_count(info.shape) * dtype_size(*info.dtype);
  }
  return sum;
}

std::string outcome_text(const QuantizeOutcome& outcome) {
  std::string out = fmt::format("weights     {}\n", size_text(outcome));
  if (!outcome.calibrated_on.empty()) {
    out += fmt::format("calibrated  {}: {}\n", outcome.calibrated_on, outcome.chosen.name);
  }
  if (!outcome.measured) return out;
  out += fmt::format("measured    {} ({} against fp32)\n", outcome.measured_on, outcome.precision);
  if (const auto found = accuracies(outcome)) {
    out += fmt::format("top-1       {:.2f} % to {:.2f} %\ntop-{}       {:.2f} % to {:.2f} %\n",
                       percent(found->before.top1), percent(found->after.top1), found->after.top_k,
                       percent(found->before.top5), percent(found->after.top5));
  }
  return out + fmt::format("agreement   {}\n", distance_text(outcome.measured->distance));
}

std::string outcome_json(const QuantizeOutcome& outcome, const std::string& out) {
  nlohmann::ordered_json json{{"out", out},
                              {"format", enum_name(outcome.form)},
                              {"bytes_before", outcome.bytes_before},
                              {"bytes_after", outcome.bytes_after}};
  if (outcome.measured) {
    const OutputDistance& distance = outcome.measured->distance;
    json["precision"] = outcome.precision;
    json["measured_on"] = outcome.measured_on;
    json["images"] = distance.images();
    json["same_top1"] = distance.same_top1();
    json["relative_error"] = distance.relative_error();
    json["largest_error"] = distance.largest_error();
  }
  if (const auto found = accuracies(outcome)) {
    json["top1"] = {{"before", found->before.top1}, {"after", found->after.top1}};
    json["top5"] = {{"before", found->before.top5}, {"after", found->after.top5}};
  }
  if (!outcome.calibrated_on.empty()) {
    json["calibrated_on"] = outcome.calibrated_on;
    json["chosen"] = outcome.chosen.name;
    for (const QuantizeTrial& trial : outcome.trials) json["trials"][trial.name] = trial.error;
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string quantized_card(const StoredModel& model, const std::filesystem::path& out,
                           const QuantizeOutcome& outcome, const std::string& command_line) {
  report::ModelCard card;
  card.name = folder_name(out);
  card.tags = {model.spec.num_classes > 0 ? "image-classification" : "image-feature-extraction",
               model.spec.family, std::string(enum_name(outcome.form))};
  card.summary =
      fmt::format("{}, weights in {}.\n\nMade from `{}`; weights {}.", spec_summary(model.spec),
                  enum_name(outcome.form), folder_name(model.path), size_text(outcome));
  card.use = model.spec.num_classes > 0
                 ? "Classifies images:\n\n```\nconopa predict MODEL_FOLDER IMAGE...\n```"
                 : "Features: `conopa features MODEL_FOLDER IMAGE...`.";
  card.data = "Preprocessing is in `preprocessor_config.json`.\n\n" + how_text(outcome);
  if (const auto found = accuracies(outcome)) {
    const std::string top_k = fmt::format("Top-{} accuracy", found->after.top_k);
    card.metrics = {"accuracy"};
    card.results = {accuracy(outcome, "Top-1 accuracy", found->after.top1),
                    accuracy(outcome, "Top-1 accuracy before, in fp32", found->before.top1),
                    accuracy(outcome, top_k, found->after.top5),
                    accuracy(outcome, top_k + " before, in fp32", found->before.top5)};
  }
  card.limits = limits_text(outcome);
  card.reproduction = code_block(command_line);
  return report::render_model_card(card);
}

}  // namespace conopa::app
