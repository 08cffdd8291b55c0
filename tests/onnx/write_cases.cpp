// write_cases DIR: for every case a model file, and its input and expected outputs as safetensors;
// cases.json lists them with their tolerances. tests/onnx/compare.mjs runs them.

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "conopa/io/atomic_file.h"
#include "conopa/io/safetensors.h"
#include "tests/onnx/cases.h"
#include "tests/onnx/reference.h"

namespace conopa::onnx::testing {
namespace {

int write_all(const std::filesystem::path& folder) {
  ensure_directory(folder);
  nlohmann::json list = nlohmann::json::array();
  for (const Case& one : all_cases()) {
    if (!reference_runs(one.spec)) continue;
    const MemorySource weights(random_tensors(one.spec));
    const HostTensor input = random_input(one.spec);
    const std::string input_name = one.spec.input == arch::Input::kTokens ? "tokens" : "pixels";
    const Expected expected = expected_outputs(one.spec, weights, input);
    write_model(folder / (one.name + ".onnx"), encoder_model(one.spec, weights, one.options),
                one.write);
    std::vector<NamedTensor> tensors{{input_name, input}, {"features", expected.features}};
    if (!expected.logits.empty()) tensors.push_back({"logits", expected.logits});
    write_safetensors(folder / (one.name + ".safetensors"), tensors);
    list.push_back({{"name", one.name}, {"tolerance", one.tolerance}});
  }
  write_file_atomically(folder / "cases.json", list.dump(1));
  fmt::print("{} cases in {}\n", list.size(), folder.string());
  return 0;
}

}  // namespace
}  // namespace conopa::onnx::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: write_cases DIR\n");
    return 2;
  }
  try {
    return conopa::onnx::testing::write_all(argv[1]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
