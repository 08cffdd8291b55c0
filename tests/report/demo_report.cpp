#include "tests/report/demo_report.h"

#include <algorithm>
#include <cmath>

#include "conopa/core/rng.h"
#include "conopa/eval/classification_meter.h"

namespace conopa::report {
namespace {

const std::vector<std::string> kClothes = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                           "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                           "Bag",         "Ankle boot"};

/// Which classes look alike: logits of a class leak into its neighbours.
double likeness(std::size_t a, std::size_t b) {
  constexpr std::size_t kTops[] = {0, 2, 4, 6};
  constexpr std::size_t kShoes[] = {5, 7, 9};
  const auto both = [a, b](auto& group) {
    return std::find(std::begin(group), std::end(group), a) != std::end(group) &&
           std::find(std::begin(group), std::end(group), b) != std::end(group);
  };
  return a == b ? 6.2 : both(kTops) ? 3.4 : both(kShoes) ? 2.6 : 0.0;
}

std::vector<MetricSeries> demo_series() {
  constexpr std::int64_t kSteps = 1870;
  constexpr std::int64_t kPerEpoch = 187;
  Rng rng(5, RngPurpose::kTest);
  std::vector<MetricEvent> events;
  for (std::int64_t step = 5; step <= kSteps; step += 5) {
    const double t = static_cast<double>(step) / kSteps;
    const double loss = 0.52 + 1.75 * std::exp(-t * 9) - 0.16 * t;
    const double lr = t < 0.1 ? t * 10 * 2e-3 : 1e-3 * (1 + std::cos(3.14159265 * (t - 0.1) / 0.9));
    events.push_back({step,
                      step / kPerEpoch,
                      0,
                      "train",
                      {{"loss", loss * (1 + 0.06 * rng.normal())},
                       {"lr", lr},
                       {"grad_norm", 0.6 * std::exp(0.3 * rng.normal()) + 30 * std::exp(-t * 60)},
                       {"images_per_second", 2950 + 60 * rng.normal() - (step == 5 ? 1900 : 0)}}});
    if (step % kPerEpoch < 5) {
      events.push_back({step,
                        step / kPerEpoch,
                        0,
                        "eval",
                        {{"loss", 0.28 + 0.6 * std::exp(-t * 6) + 0.008 * rng.normal()},
                         {"top1", 0.914 - 0.2 * std::exp(-t * 6) + 0.003 * rng.normal()}}});
    }
  }
  return to_series(events);
}

/// A 28×28 silhouette with some shading, different for every class.
image::Image clothes(std::size_t label, Rng& rng) {
  image::Image out(28, 28, 1);
  for (std::int64_t y = 3; y < 25; ++y) {
    for (std::int64_t x = 3; x < 25; ++x) {
      const double dx = std::abs(static_cast<double>(x) - 13.5);
      const double dy = static_cast<double>(y);
      bool inside = dx < 6;  // tops
      if (label == 2 || label == 4 || label == 6)
        inside = dx < 6 || (dx > 7 && dx < 10.5 && dy > 6);
      if (label == 0) inside = dx < 6 || (dx < 10.5 && dy < 10);
      if (label == 1) inside = dx < 6 && (dx > 1 || dy < 8);
      if (label == 3) inside = dx < 3 + dy / 5;
      if (label == 8) inside = (dy > 10 && dx < 10) || (dx > 4 && dx < 6);
      if (label == 5) inside = dy > 14 && (static_cast<std::int64_t>(dy) + x) % 5 < 3;
      if (label == 7) inside = dy > 13 && dy < 22 && (x > 12 || dy > 16);
      if (label == 9) inside = dy < 23 && (x > 15 || dy > 15);
      const double shade = 150 + 40 * std::sin(static_cast<double>(x) * 0.9) + 18 * rng.normal();
      if (inside) out.row(y)[x] = static_cast<std::uint8_t>(std::clamp(shade, 40.0, 255.0));
    }
  }
  return out;
}

std::vector<ReportSample> demo_samples() {
  Rng rng(9, RngPurpose::kTest);
  std::vector<ReportSample> samples;
  for (std::size_t i = 0; i < 24; ++i) {
    const std::size_t label = i % kClothes.size();
    std::vector<std::pair<double, std::size_t>> scores;
    double sum = 0.0;
    for (std::size_t k = 0; k < kClothes.size(); ++k) {
      scores.emplace_back(std::exp(likeness(label, k) + 1.3 * rng.normal()), k);
      sum += scores.back().first;
    }
    std::sort(scores.rbegin(), scores.rend());
    ReportSample sample{clothes(label, rng), "test " + std::to_string(i), kClothes[label], {}};
    for (std::size_t k = 0; k < 5; ++k) {
      sample.top.push_back({kClothes[scores[k].second], scores[k].first / sum});
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

/// What a model makes of clothes of which three quarters were hidden: the right shape, blurred.
ReconstructionSample demo_reconstruction(std::size_t label, Rng& rng) {
  constexpr std::int64_t kPatch = 4;
  const image::Image input = clothes(label, rng);
  image::Image masked = input;
  image::Image predicted = input;
  for (std::int64_t top = 0; top < 28; top += kPatch) {
    for (std::int64_t left = 0; left < 28; left += kPatch) {
      if (rng.uniform() < 0.25) continue;
      double sum = 0.0;
      for (std::int64_t i = 0; i < kPatch * kPatch; ++i) {
        sum += input.row(top + i / kPatch)[left + i % kPatch];
      }
      for (std::int64_t i = 0; i < kPatch * kPatch; ++i) {
        std::uint8_t* hidden = masked.row(top + i / kPatch) + left + i % kPatch;
        std::uint8_t* guess = predicted.row(top + i / kPatch) + left + i % kPatch;
        *hidden = 128;
        *guess = static_cast<std::uint8_t>(0.5 * *guess + 0.5 * sum / (kPatch * kPatch));
      }
    }
  }
  return {.pictures = {{"input", input}, {"masked", masked}, {"prediction", predicted}},
          .name = "test " + std::to_string(label) + ", " + kClothes[label]};
}

ReportSection demo_section() {
  LineChart accuracy{.title = "Accuracy by input size", .x_label = "input side, px"};
  accuracy.x_axis = XAxis::kLinear;
  accuracy.y_format = ValueFormat::kPercent;
  const std::vector<double> sides{28, 44, 56, 84};
  accuracy.series = {{"rotary, anchored", sides, {0.914, 0.905, 0.884, 0.811}, 0},
                     {"rotary", sides, {0.914, 0.862, 0.740, 0.482}, 1},
                     {"learned, interpolated", sides, {0.911, 0.889, 0.842, 0.690}, 2}};
  accuracy.series[0].y_low = {0.911, 0.897, 0.871, 0.780};
  accuracy.series[0].y_high = {0.917, 0.911, 0.893, 0.834};
  LineChart rates{.title = "Loss by learning rate", .x_label = "peak learning rate"};
  rates.x_axis = XAxis::kLog;
  rates.series = {{"10 epochs", {1e-4, 3e-4, 1e-3, 3e-3, 1e-2}, {0.41, 0.33, 0.28, 0.27, 0.39}, 3}};
  TextTable table{.title = "Results by input size",
                  .header = {"size", "tokens", "GMACs", "top-1", "loss", "positions"},
                  .rows = {{"28x28", "50", "0.0318", "91.40 %", "0.2511", "trained"},
                           {"44x44", "122", "0.0798", "90.52 %", "0.2790", "scaled"},
                           {"56x56", "197", "0.1352", "88.43 %", "0.3402", "scaled"},
                           {"84x84", "442", "0.3544", "81.07 %", "0.5521", "scaled"}}};
  return {"Input sizes", "same weights at every size", {accuracy, rates}, {table}};
}

}  // namespace

eval::ClassificationResult demo_result(std::int64_t classes, std::int64_t samples) {
  Rng rng(11, RngPurpose::kTest);
  eval::ClassificationMeter meter(classes);
  std::vector<float> logits(static_cast<std::size_t>(classes));
  for (std::int64_t i = 0; i < samples; ++i) {
    const std::int64_t label = i % classes;
    for (std::int64_t k = 0; k < classes; ++k) {
      const double base =
          classes == 10 ? likeness(static_cast<std::size_t>(label), static_cast<std::size_t>(k))
                        : 9.0 - 1.5 * static_cast<double>(std::abs(k - label));
      logits[static_cast<std::size_t>(k)] =
          static_cast<float>(std::max(base, 0.0) + 1.15 * rng.normal());
    }
    meter.add(logits, std::vector<std::int64_t>{label});
  }
  return meter.result();
}

RunReport demo_report() {
  RunReport report;
  report.title = "illama-fmnist";
  report.subtitle = "iLLaMA, 212,874 parameters, trained on Fashion-MNIST for 10 epochs";
  report.evaluation = demo_result(10, 10000);
  report.evaluation_title = "test split, 10,000 images";
  report.key_numbers = key_numbers(*report.evaluation);
  report.key_numbers.push_back({"Training time", "3 min 41 s", "2 CPU cores, bf16"});
  report.class_names = kClothes;
  report.series = demo_series();
  report.samples = demo_samples();
  report.sections = {demo_section()};
  Rng rng(13, RngPurpose::kTest);
  for (std::size_t label = 0; label < 6; ++label) {
    report.reconstructions.push_back(demo_reconstruction(label, rng));
  }
  report.configuration = {{"Model",
                           {{"family", "illama"},
                            {"width", "96"},
                            {"depth", "6"},
                            {"heads", "3"},
                            {"patch", "4"},
                            {"mask", "soft, constant, 2 epochs"}}},
                          {"Training",
                           {{"epochs", "10"},
                            {"batch", "320"},
                            {"optimiser", "AdamW (0.9, 0.999)"},
                            {"peak lr", "0.002"},
                            {"schedule", "cosine, 1 epoch warm-up"},
                            {"label smoothing", "0.1"}}},
                          {"Data",
                           {{"dataset", "Fashion-MNIST (IDX)"},
                            {"train", "60,000 images"},
                            {"test", "10,000 images"},
                            {"input", "28×28, 1 channel"},
                            {"augmentation", "shift 2, flip, random erasing 0.1"}}}};
  report.environment = {
      {"Software", {{"conopa", "0.1.0"}, {"compiler", "GCC 12.2"}, {"libtorch", "1.13.1"}}},
      {"Machine", {{"processor", "Xeon, 2 cores"}, {"instruction set", "AMX"}}},
      {"Run", {{"seed", "0"}, {"threads", "2"}}}};
  report.command = "conopa train recipes/illama/fmnist.toml --set train.epochs=10 --seed 0";
  report.generator = "conopa 0.1.0";
  return report;
}

}  // namespace conopa::report
