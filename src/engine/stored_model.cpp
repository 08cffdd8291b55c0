#include "conopa/engine/stored_model.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "conopa/arch/position_resize.h"
#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/llm/frozen.h"

namespace conopa::engine {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::string_view kClassNames = "class_names";

bool present(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool holds_weights(const fs::path& folder) {
  return present(folder / "model.safetensors") || present(folder / "model.safetensors.index.json");
}

// A run folder has a config.json too, that of the run; weights tell a model.
fs::path model_folder_of(const fs::path& path) {
  if (holds_weights(path)) return path;
  if (holds_weights(path / "model")) return path / "model";
  if (present(path / "checkpoints")) {
    throw IoError(path.string(),
                  "expected a finished run, found one without model/; finish it with `conopa train "
                  "--resume auto`, or name a checkpoint such as {}",
                  (path / "checkpoints" / "last").string());
  }
  return path;
}

image::EvalTransformOptions read_transform(const std::optional<std::string>& json,
                                           const fs::path& file, const arch::EncoderSpec& spec) {
  image::EvalTransformOptions transform = default_transform(spec);
  if (!json) return transform;
  from_json(*json, file.string(), transform);
  transform.validate();
  if (transform.height != spec.height || transform.width != spec.width ||
      transform.channels != spec.channels) {
    throw ConfigError(file.string(),
                      "expected the input of the model, {}x{} with {} channels, found {}x{} with "
                      "{}; correct one of the two files",
                      spec.height, spec.width, spec.channels, transform.height, transform.width,
                      transform.channels);
  }
  return transform;
}

}  // namespace

StoredModel open_model(const fs::path& path) {
  StoredModel model;
  model.path = model_folder_of(path);
  ModelFolder folder = open_model_folder(model.path);
  model.spec = arch::spec_from_json(folder.config_json, (model.path / "config.json").string());
  model.transform =
      read_transform(folder.preprocessor_json, model.path / "preprocessor_config.json", model.spec);
  model.class_names = stored_class_names(*folder.weights);
  model.weights = llm::with_frozen(std::move(folder.weights), model.spec, model.path);
  return model;
}

void check_weights(const StoredModel& model) {
  const arch::KeyReport keys =
      arch::compare_keys(arch::TensorTable(model.spec), "canonical", index_of(*model.weights));
  if (keys.missing.empty() && keys.reshaped.empty()) return;
  throw FormatError(model.path.string(), "the weights do not fit config.json: {}; import again",
                    keys.summary());
}

image::EvalTransformOptions default_transform(const arch::EncoderSpec& spec) {
  const arch::Family& family = arch::family(spec.family);
  image::EvalTransformOptions transform;
  transform.height = spec.height;
  transform.width = spec.width;
  transform.channels = spec.channels;
  if (family.input != nullptr) {
    const arch::ReleasedInput input = family.input(spec);
    transform.mean.assign(input.mean.begin(), input.mean.end());
    transform.std.assign(input.std.begin(), input.std.end());
    transform.crop_pct = input.crop_pct;
    if (input.as_is) transform.mode = image::EvalMode::kAsIs;
  } else if (spec.head_norm == arch::HeadNorm::kBatch) {
    transform.interpolation = image::Interpolation::kBilinear;
  }
  if (family.squash_from > 0 && std::min(spec.height, spec.width) >= family.squash_from) {
    transform.mode = image::EvalMode::kSquash;
    transform.crop_pct = 1.0;
  }
  if (spec.channels == 1) {  // the ImageNet colours say nothing about gray images
    transform.mean = {0.5};
    transform.std = {0.5};
  }
  return transform;
}

image::EvalTransformOptions resized_transform(const image::EvalTransformOptions& transform,
                                              const arch::EncoderSpec& from,
                                              const arch::EncoderSpec& to) {
  image::EvalTransformOptions out = transform;
  out.height = to.height;
  out.width = to.width;
  out.resize_short =
      out.resize_short * std::min(to.height, to.width) / std::min(from.height, from.width);
  return out;
}

HostTensor read_resized(const TensorSource& weights, const arch::EncoderSpec& from,
                        const arch::EncoderSpec& to, const std::string& name) {
  HostTensor value = weights.read(name);
  if (!arch::is_position(from, name)) return value;
  return arch::resize_position(from, to, name, value);
}

arch::TensorIndex index_of(const TensorSource& source) {
  arch::TensorIndex index;
  for (const std::string& name : source.names()) index.emplace(name, source.info(name).shape);
  return index;
}

Metadata weight_metadata(const std::vector<std::string>& class_names) {
  Metadata metadata{{"format", "pt"}};
  if (!class_names.empty()) {
    metadata.emplace(kClassNames,
                     Json(class_names).dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return metadata;
}

std::vector<std::string> stored_class_names(const TensorSource& weights) {
  const auto it = weights.metadata().find(std::string(kClassNames));
  if (it == weights.metadata().end()) return {};
  const Json json = Json::parse(it->second, nullptr, false);
  std::vector<std::string> names;
  bool good = json.is_array();
  for (std::size_t i = 0; good && i < json.size(); ++i) {
    good = json[i].is_string();
    if (good) names.push_back(json[i].get<std::string>());
  }
  if (!good) {
    throw FormatError(weights.where(),
                      "expected class_names in the metadata to be a JSON list of strings, found "
                      "something else; import the model again with --class-names");
  }
  return names;
}

std::string class_name(const std::vector<std::string>& names, std::int64_t index) {
  return index >= 0 && index < std::ssize(names) ? names[static_cast<std::size_t>(index)]
                                                 : std::to_string(index);
}

}  // namespace conopa::engine
