// random_model PRESET DIR: a model folder with the preset's initial weights, for measurements.

#include <fmt/format.h>

#include <exception>
#include <vector>

#include "conopa/arch/init.h"
#include "conopa/arch/registry.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/io/model_folder.h"

int main(int argc, char** argv) {
  using namespace conopa;  // NOLINT: a program of one function
  if (argc != 3) {
    fmt::print(stderr, "usage: random_model PRESET DIR\n");
    return 2;
  }
  try {
    arch::EncoderSpec spec = arch::preset_spec(argv[1]);
    spec.resolve();
    std::vector<NamedTensor> tensors;
    const arch::TensorTable table(spec);
    for (const arch::TensorEntry& entry : table.entries()) {
      tensors.push_back({entry.name, arch::initial_tensor(entry, 1)});
    }
    write_model_folder(argv[2], {.config_json = arch::spec_to_json(spec), .tensors = tensors},
                       {.overwrite = true});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
