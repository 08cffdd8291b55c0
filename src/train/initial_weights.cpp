#include "conopa/train/initial_weights.h"

#include <optional>
#include <string>
#include <system_error>

#include "conopa/arch/position_resize.h"
#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/io/checkpoint.h"
#include "conopa/io/mapped_file.h"

namespace conopa::train {
namespace {

namespace fs = std::filesystem;

/// A checkpoint under canonical names.
struct SourceModel {
  std::unique_ptr<TensorSource> tensors;
  std::string scheme = "canonical";
  std::optional<arch::EncoderSpec> spec;
};

arch::TensorIndex index_of(const TensorSource& source) {
  arch::TensorIndex index;
  for (const std::string& name : source.names()) index.emplace(name, source.info(name).shape);
  return index;
}

SourceModel open_source(const fs::path& path, const arch::TensorTable& table) {
  SourceModel out;
  std::error_code error;
  const bool folder = fs::is_directory(path, error);
  // A run's checkpoint has training.safetensors beside the model.
  const fs::path weights = path / "model.safetensors";
  out.tensors = open_checkpoint(folder && fs::exists(weights, error) ? weights : path);
  if (folder && fs::exists(path / "config.json", error)) {
    const fs::path config = path / "config.json";
    out.spec = arch::spec_from_json(read_text_file(config), config.string());
    return out;
  }
  std::size_t known = 0;
  for (const arch::TensorEntry& entry : table.entries()) {
    known += out.tensors->contains(entry.name) ? 1 : 0;
  }
  if (2 * known >= table.entries().size()) return out;
  arch::InferredModel inferred = arch::infer_model(index_of(*out.tensors), path.string());
  out.scheme = inferred.scheme;
  out.spec = std::move(inferred.spec);
  return out;
}

bool grids_differ(const arch::EncoderSpec& a, const arch::EncoderSpec& b) {
  return a.grid_rows() != b.grid_rows() || a.grid_cols() != b.grid_cols();
}

}  // namespace

arch::KeyReport load_initial_weights(const fs::path& path, const arch::EncoderSpec& spec,
                                     nn::Parameters& parameters, InitPolicy policy) {
  const SourceModel source = open_source(path, parameters.table());
  const bool resize =
      source.spec && spec.position == arch::Position::kLearned &&
      source.spec->position == arch::Position::kLearned && source.spec->dim == spec.dim &&
      source.spec->class_token == spec.class_token && grids_differ(*source.spec, spec);
  const auto get = [&](const std::string& name) -> std::optional<HostTensor> {
    const std::string key = parameters.table().foreign_name(name, source.scheme);
    if (!source.tensors->contains(key)) return std::nullopt;
    HostTensor value = source.tensors->read(key);
    if (resize && name == arch::names::kPosition) {
      value = arch::resize_position(*source.spec, spec, value);
    }
    return value;
  };
  const arch::KeyReport report = parameters.load(
      get, policy == InitPolicy::kStrict ? nn::LoadPolicy::kStrict : nn::LoadPolicy::kPartial,
      path.string());
  if (report.missing.size() + report.reshaped.size() == parameters.size()) {
    throw FormatError(path.string(), "no tensor fits the model; is it another family or size?");
  }
  if (resize) log_info("position embedding resized to {}x{}", spec.grid_rows(), spec.grid_cols());
  if (!report.clean()) log_warning("initial weights from {}: {}", path.string(), report.summary());
  return report;
}

}  // namespace conopa::train
