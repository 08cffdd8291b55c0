#include <algorithm>
#include <nlohmann/json.hpp>

#include "conopa/core/error.h"
#include "conopa/eval/classification.h"

namespace conopa::eval {
namespace {

using Json = nlohmann::ordered_json;

// Bounds what a file can make us allocate: more than any known label set.
constexpr std::int64_t kMaxClasses = 1'000'000;

[[noreturn]] void refuse(std::string_view what) {
  throw FormatError("eval",
                    "expected a saved classification result, found {}; run the evaluation "
                    "again",
                    what);
}

/// A count; counts are never negative or fractional.
std::int64_t read_count(const Json& json) {
  if (!json.is_number_integer() || json.get<std::int64_t>() < 0)
    refuse("a count of " + json.dump(-1, ' ', false, Json::error_handler_t::replace));
  return json.get<std::int64_t>();
}

Json bins_to_json(const Calibration& calibration) {
  Json bins = Json::array();
  for (const CalibrationBin& bin : calibration.bins) {
    bins.push_back({{"low", bin.low},
                    {"high", bin.high},
                    {"count", bin.count},
                    {"confidence", bin.confidence},
                    {"accuracy", bin.accuracy}});
  }
  return bins;
}

Json confusion_to_json(const ClassificationResult& result) {
  Json triples = Json::array();
  for (std::size_t i = 0; i < result.confusion.size(); ++i) {
    const auto cell = static_cast<std::int64_t>(i);
    if (result.confusion[i] == 0) continue;
    triples.push_back({cell / result.num_classes, cell % result.num_classes, result.confusion[i]});
  }
  return triples;
}

void read_calibration(const Json& json, Calibration& calibration) {
  calibration.ece = json.at("ece").get<double>();
  calibration.mce = json.at("mce").get<double>();
  const Json& bins = json.at("bins");
  if (bins.size() != static_cast<std::size_t>(kCalibrationBins)) refuse("another number of bins");
  for (const Json& bin : bins) {
    calibration.bins.push_back({.low = bin.at("low").get<double>(),
                                .high = bin.at("high").get<double>(),
                                .count = read_count(bin.at("count")),
                                .confidence = bin.at("confidence").get<double>(),
                                .accuracy = bin.at("accuracy").get<double>()});
  }
}

void read_confusion(const Json& triples, ClassificationResult& result) {
  const std::int64_t k = result.num_classes;
  if (k > kMaxConfusionClasses) refuse("a confusion matrix of too many classes");
  result.confusion.assign(static_cast<std::size_t>(k * k), 0);
  for (const Json& triple : triples) {
    const auto truth = read_count(triple.at(0));
    const auto predicted = read_count(triple.at(1));
    if (truth < 0 || truth >= k || predicted < 0 || predicted >= k) refuse("a class out of range");
    result.confusion[static_cast<std::size_t>(truth * k + predicted)] = read_count(triple.at(2));
  }
}

ClassificationResult read_result(const Json& json) {
  ClassificationResult result;
  result.num_classes = read_count(json.at("num_classes"));
  if (result.num_classes < 1 || result.num_classes > kMaxClasses) refuse("a wrong class count");
  result.samples = read_count(json.at("samples"));
  result.non_finite = read_count(json.at("non_finite"));
  result.top1 = json.at("top1").get<double>();
  result.top5 = json.at("top5").get<double>();
  result.top_k = static_cast<int>(std::min<std::int64_t>(read_count(json.at("top_k")), 5));
  result.loss = json.at("loss").get<double>();
  read_calibration(json.at("calibration"), result.calibration);
  for (const Json& scores : json.at("classes")) {
    result.classes.push_back({.support = read_count(scores.at("support")),
                              .predicted = read_count(scores.at("predicted")),
                              .correct = read_count(scores.at("correct"))});
  }
  if (static_cast<std::int64_t>(result.classes.size()) != result.num_classes) {
    refuse("another number of classes in the list than stated");
  }
  if (json.contains("confusion")) read_confusion(json.at("confusion"), result);
  return result;
}

}  // namespace

std::string to_json(const ClassificationResult& result) {
  Json classes = Json::array();
  for (const ClassScores& scores : result.classes) {
    classes.push_back({{"support", scores.support},
                       {"predicted", scores.predicted},
                       {"correct", scores.correct}});
  }
  Json json = {{"num_classes", result.num_classes},
               {"samples", result.samples},
               {"non_finite", result.non_finite},
               {"top1", result.top1},
               {"top5", result.top5},
               {"top_k", result.top_k},
               {"loss", result.loss},
               {"macro_f1", result.macro_f1()},
               {"balanced_accuracy", result.balanced_accuracy()},
               {"calibration",
                {{"ece", result.calibration.ece},
                 {"mce", result.calibration.mce},
                 {"bins", bins_to_json(result.calibration)}}},
               {"classes", std::move(classes)}};
  if (result.has_confusion()) json["confusion"] = confusion_to_json(result);
  return json.dump();
}

ClassificationResult classification_result_from_json(std::string_view text) {
  try {
    return read_result(Json::parse(text));
  } catch (const nlohmann::json::exception& error) {
    refuse(error.what());
  }
}

}  // namespace conopa::eval
