#include "gguf_model.h"

#include <algorithm>
#include <cctype>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/io/gguf_fields.h"
#include "tensor_cast.h"

namespace conopa::app {
namespace {

constexpr std::string_view kArchitectureKey = "general.architecture";
constexpr std::string_view kArchitecture = "conopa";
constexpr std::string_view kSpec = "conopa.";
constexpr std::string_view kTransform = "preprocessor.";
constexpr std::string_view kClassNames = "classes.names";

GgufTensor stored_tensor(const StoredModel& model, const std::string& name, const GgufType* block,
                         std::optional<DType> dtype) {
  const HostTensor tensor = model.weights->read(name);  // a view of the file
  if (tensor.dtype() == DType::kU8) return gguf_tensor(name, tensor, block);
  GgufTensor out = gguf_tensor(name, tensor);
  if (!dtype || !is_floating(tensor.dtype())) return out;
  out.type = *find_gguf_type(*dtype);
  out.load = [name, tensor, dtype] { return cast_floats(tensor, *dtype, name); };
  return out;
}

}  // namespace

const GgufType* block_type(const GgufEntries& entries) {
  const auto found = std::ranges::find(entries, "conopa.weights", &GgufEntries::value_type::first);
  if (found == entries.end()) return nullptr;
  std::string name = found->second.describe();
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
  const GgufType* type = find_gguf_type(std::string_view(name));
  return type == nullptr || type->dtype ? nullptr : type;
}

void append_model_entries(GgufEntries& out, const StoredModel& model) {
  append_gguf_fields(out, kSpec, model.spec);
  append_gguf_fields(out, kTransform, model.transform);
  if (!model.class_names.empty()) {
    out.emplace_back(kClassNames, GgufValue::strings(model.class_names));
  }
}

std::size_t export_gguf(const StoredModel& model, std::optional<DType> dtype,
                        const std::filesystem::path& path) {
  check_weights(model);
  GgufEntries entries{
      {std::string(kArchitectureKey), GgufValue::string(std::string(kArchitecture))},
      {"general.quantization_version", GgufValue::u32(2)}};
  append_model_entries(entries, model);
  const GgufType* block = block_type(entries);
  std::vector<GgufTensor> tensors;
  const arch::TensorTable table(model.spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    tensors.push_back(stored_tensor(model, entry.name, block, dtype));
  }
  write_gguf(path, entries, tensors);
  return tensors.size();
}

std::optional<GgufModel> read_gguf_model(const TensorSource& source) {
  const auto* file = dynamic_cast<const GgufFile*>(&source);
  if (file == nullptr) return std::nullopt;
  const GgufValue* architecture = file->find(kArchitectureKey);
  if (architecture == nullptr || architecture->as_string() != kArchitecture) return std::nullopt;
  GgufModel out;
  read_gguf_fields(*file, kSpec, out.spec);
  out.spec.resolve();
  out.transform = default_transform(out.spec);
  read_gguf_fields(*file, kTransform, out.transform);
  out.transform.validate();
  const GgufValue* names = file->find(kClassNames);
  if (names == nullptr) return out;
  for (const GgufValue& name : names->items()) {
    const std::optional<std::string_view> text = name.as_string();
    if (!text) {
      throw FormatError(file->where(), "expected {} to be strings; export the model again",
                        kClassNames);
    }
    out.class_names.emplace_back(*text);
  }
  return out;
}

}  // namespace conopa::app
