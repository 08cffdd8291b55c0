#include "conopa/train/trainable.h"

#include <string>

#include "conopa/core/error.h"

namespace conopa::train {
namespace {

bool of_head(const std::string& name) {
  return name.starts_with(std::string(arch::names::kHead) + ".");
}

}  // namespace

void apply_trainable(nn::Parameters& parameters, Trainable trainable) {
  if (trainable == Trainable::kAll) return;
  bool any = false;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const arch::TensorEntry& entry = parameters.table().entries()[i];
    const bool train = entry.trainable && of_head(entry.name);
    parameters.tensors()[i].set_requires_grad(train);
    any = any || train;
  }
  if (!any) {
    throw ConfigError("train",
                      "trainable = \"head\" needs a model with a head; set model.num_classes");
  }
}

}  // namespace conopa::train
