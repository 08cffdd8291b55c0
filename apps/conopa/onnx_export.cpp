#include "onnx_export.h"

#include "conopa/core/fields_json.h"
#include "conopa/onnx/encoder_model.h"
#include "conopa/onnx/write.h"
#include "version.h"

namespace conopa::app {

OnnxFile export_onnx(const StoredModel& model, std::string_view precision,
                     const std::filesystem::path& path) {
  const onnx::EncoderModelOptions options{
      .precision = precision == "int8" ? onnx::Precision::kInt8 : onnx::Precision::kFp32};
  onnx::Model exported = onnx::encoder_model(model.spec, *model.weights, options);
  exported.producer_version = CONOPA_VERSION;
  exported.metadata = weight_metadata(model.class_names);
  exported.metadata.erase("format");  // says something about safetensors files alone
  exported.metadata.emplace("config", arch::spec_to_json(model.spec));
  image::EvalTransformOptions transform = model.transform;
  exported.metadata.emplace("preprocessor", to_json(transform));
  const onnx::WriteResult written = onnx::write_model(path, exported);
  return {.tensors = exported.initializers.size(),
          .bytes = written.bytes,
          .data_file = written.data_file};
}

}  // namespace conopa::app
