#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/fields.h"

namespace conopa::testing {

enum class Optimizer { kAdamW, kSgd, kLamb };

/// Every kind of field, with a nested section and a field after it.
struct SampleTrain {
  double lr_peak = 1e-3;
  std::int64_t epochs = 3;
  bool amp = false;
  Optimizer optimizer = Optimizer::kAdamW;
  std::vector<double> betas{0.9, 0.999};
  struct Ema {
    double decay = 0.9999;
    void visit(FieldVisitor& v) { v.field("decay", decay, "per step"); }
    friend bool operator==(const Ema&, const Ema&) = default;
  } ema;
  std::vector<std::int64_t> milestones;

  void visit(FieldVisitor& v);
  friend bool operator==(const SampleTrain&, const SampleTrain&) = default;
};

struct SampleRecipe {
  std::string name = "unnamed";
  SampleTrain train;
  std::vector<std::string> classes{"shirt", "bag"};
  bool verbose = true;

  void visit(FieldVisitor& v) {
    v.field("name", name, "of the run");
    v.section("train", train, "how to train");
    v.field("classes", classes, "label names");
    v.field("verbose", verbose, "say more");
  }
  friend bool operator==(const SampleRecipe&, const SampleRecipe&) = default;
};

}  // namespace conopa::testing

template <>
struct conopa::EnumNames<conopa::testing::Optimizer> {
  static constexpr std::array<std::string_view, 3> kNames{"adamw", "sgd", "lamb"};
};

inline void conopa::testing::SampleTrain::visit(FieldVisitor& v) {
  v.field("lr_peak", lr_peak, "peak learning rate");
  v.field("epochs", epochs, "passes over the data");
  v.field("amp", amp, "use bf16 | fp16");
  enum_field(v, "optimizer", optimizer, "update rule");
  v.field("betas", betas, "moment decays");
  v.section("ema", ema, "moving average");
  v.field("milestones", milestones, "epochs of a step");
}
