#include "conopa/train/trainable.h"

#include <string>

#include "conopa/core/error.h"

namespace conopa::train {
namespace {

bool of_head(const std::string& name) {
  return name.starts_with(std::string(arch::names::kHead) + ".");
}

// What the mode trains, and what a model without it is to be told.
struct Chosen {
  bool (*trains)(const std::string& name);
  bool (*needs)(const std::string& name);
  const char* without;
};

Chosen chosen(Trainable trainable) {
  if (trainable == Trainable::kHead) {
    return {of_head, of_head,
            "trainable = \"head\" needs a model with a head; set model.num_classes"};
  }
  return {[](const std::string& name) { return of_head(name) || arch::names::is_lora(name); },
          [](const std::string& name) { return arch::names::is_lora(name); },
          "trainable = \"lora\" needs a model with low-rank branches; set model.lora_rank"};
}

}  // namespace

void apply_trainable(nn::Parameters& parameters, Trainable trainable) {
  if (trainable == Trainable::kAll) return;
  const Chosen parts = chosen(trainable);
  bool any = false;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const arch::TensorEntry& entry = parameters.table().entries()[i];
    const bool train = entry.trainable && parts.trains(entry.name);
    parameters.tensors()[i].set_requires_grad(train);
    any = any || (train && parts.needs(entry.name));
  }
  if (!any) throw ConfigError("train", "{}", parts.without);
}

}  // namespace conopa::train
