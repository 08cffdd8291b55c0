#include "gguf_model.h"

#include <memory>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/io/gguf_fields.h"
#include "conopa/io/quantised.h"
#include "tensor_cast.h"

namespace conopa::app {
namespace {

constexpr std::string_view kArchitectureKey = "general.architecture";
constexpr std::string_view kArchitecture = "conopa";
constexpr std::string_view kSpec = "conopa.";
constexpr std::string_view kTransform = "preprocessor.";
constexpr std::string_view kClassNames = "classes.names";

GgufTensor plain_tensor(const TensorSource& weights, const std::string& name,
                        std::optional<DType> dtype) {
  const TensorInfo& info = weights.info(name);
  const GgufType* type = info.dtype ? find_gguf_type(*info.dtype) : nullptr;
  if (type == nullptr) {
    throw UnsupportedError(weights.where(), "GGUF has no element type {}, which {} has",
                           info.dtype_name, name);
  }
  if (dtype && is_floating(*info.dtype)) type = find_gguf_type(*dtype);
  return {name, *type, info.shape,
          [&weights, name, type] { return cast_floats(weights.read(name), *type->dtype, name); }};
}

/// A tensor as it is stored; int8 matrices have their scales beside them.
void append_stored(std::vector<GgufTensor>& out, const TensorSource& weights,
                   const std::string& name, std::optional<DType> dtype) {
  const std::optional<QuantMatrix> matrix = weights.read_quantised(name);  // a view of the file
  if (!matrix) {
    out.push_back(plain_tensor(weights, name, dtype));
    return;
  }
  if (has_blocks(matrix->form)) {
    out.push_back(gguf_tensor(name, *matrix));
    return;
  }
  std::vector<NamedTensor> parts;
  append_quantised(parts, name, *matrix);
  for (NamedTensor& part : parts) out.push_back(gguf_tensor(part.name, std::move(part.tensor)));
}

/// The file behind a source, which hides it where its int8 matrices read as float32.
std::shared_ptr<const GgufFile> gguf_behind(const TensorSource& source) {
  if (const auto* file = dynamic_cast<const GgufFile*>(&source)) {
    return {std::shared_ptr<void>(), file};  // not owned
  }
  const bool hidden = source.quant_form() == QuantForm::kInt8 &&
                      source.metadata().contains(std::string(kArchitectureKey));
  return hidden ? GgufFile::open(source.where()) : nullptr;
}

}  // namespace

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
  if (model.weights->quant_form() == QuantForm::kInt8) {  // the block forms are types of GGUF
    entries.emplace_back(kWeightFormat,
                         GgufValue::string(std::string(enum_name(QuantForm::kInt8))));
  }
  std::vector<GgufTensor> tensors;
  const arch::TensorTable table(model.spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    append_stored(tensors, *model.weights, entry.name, dtype);
  }
  write_gguf(path, entries, tensors);
  return tensors.size();
}

std::optional<GgufModel> read_gguf_model(const TensorSource& source) {
  const std::shared_ptr<const GgufFile> file = gguf_behind(source);
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
