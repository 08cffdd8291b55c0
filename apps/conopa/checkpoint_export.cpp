#include "checkpoint_export.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "conopa/arch/weight_selection.h"
#include "conopa/core/error.h"
#include "conopa/io/safetensors.h"

namespace conopa::app {
namespace {

HostTensor join(const StoredModel& model, const std::string& name,
                const std::vector<HostTensor>& parts) {
  if (parts.size() == 1) return parts.front();
  for (const HostTensor& part : parts) {
    if (part.dtype() == parts.front().dtype()) continue;
    throw FormatError(model.path.string(),
                      "the parts of {} must have one element type, found {} and {}; import the "
                      "model again with --dtype",
                      name, dtype_name(parts.front().dtype()), dtype_name(part.dtype()));
  }
  return arch::concat_rows(parts);
}

}  // namespace

std::vector<NamedTensor> foreign_tensors(const StoredModel& model, std::string_view scheme) {
  const arch::TensorTable table(model.spec);
  check_weights(model);
  // Parts of one foreign tensor are its rows in table order.
  std::map<std::string, std::vector<HostTensor>> parts;
  for (const arch::TensorEntry& entry : table.entries()) {
    const arch::ForeignTensor foreign = table.foreign(entry.name, scheme);
    for (auto& [name, part] : arch::foreign_parts(foreign, model.weights->read(entry.name))) {
      parts[name].push_back(std::move(part));
    }
  }
  std::vector<NamedTensor> out;
  for (const auto& [name, pieces] : parts) out.push_back({name, join(model, name, pieces)});
  return out;
}

std::size_t export_safetensors(const StoredModel& model, std::string_view scheme,
                               const std::filesystem::path& path) {
  const std::vector<NamedTensor> tensors = foreign_tensors(model, scheme);
  write_safetensors(path, tensors, weight_metadata(model.class_names));
  return tensors.size();
}

}  // namespace conopa::app
