#include "model_store.h"

#include <system_error>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/data/class_names.h"
#include "conopa/io/quantised.h"

namespace conopa::app {

namespace fs = std::filesystem;

std::vector<std::string> read_class_names(const fs::path& path) {
  return data::read_name_lines(path);
}

void check_output_folder(const fs::path& path, bool overwrite) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return;
  if (!fs::is_directory(path, ignored)) {
    throw IoError(path.string(), "expected a folder or nothing, found a file; choose another path");
  }
  if (overwrite || fs::is_empty(path, ignored)) return;
  throw IoError(path.string(),
                "the folder exists already; choose another --out, or replace it with --force");
}

void save_model(const fs::path& path, const NewModel& model, bool overwrite) {
  check_output_folder(path, overwrite);
  Metadata metadata = weight_metadata(model.class_names);
  if (model.weight_format) metadata.emplace(kWeightFormat, enum_name(*model.weight_format));
  write_model_folder(path,
                     {.config_json = arch::spec_to_json(model.spec),
                      .preprocessor_json = to_json(model.transform),
                      .readme = model.readme,
                      .tensors = model.tensors,
                      .source = model.source,
                      .metadata = std::move(metadata)},
                     {.overwrite = overwrite, .max_shard_bytes = model.max_shard_bytes});
}

}  // namespace conopa::app
