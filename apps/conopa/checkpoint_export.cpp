#include "checkpoint_export.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "conopa/arch/registry.h"
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

/// One of our tensors inside a foreign one.
struct Piece {
  arch::TensorEntry entry;
  arch::ForeignTensor foreign;
};

HostTensor read_piece(const StoredModel& model, const Piece& piece, const std::string& name) {
  for (auto& [part, value] :
       arch::foreign_parts(piece.foreign, model.weights->read(piece.entry.name))) {
    if (part == name) return std::move(value);
  }
  throw FormatError(model.path.string(), "{} holds no part {}", piece.entry.name, name);
}

ComputedTensor foreign_tensor(const StoredModel& model, const std::string& name,
                              const std::vector<Piece>& pieces) {
  const TensorInfo& info = model.weights->info(pieces.front().entry.name);
  if (!info.dtype) static_cast<void>(model.weights->read(pieces.front().entry.name));  // throws
  return {.name = name,
          .dtype = *info.dtype,
          .shape = pieces.front().foreign.shape,
          .make =
              [&model, name, pieces] {
                std::vector<HostTensor> parts;
                for (const Piece& piece : pieces) parts.push_back(read_piece(model, piece, name));
                return join(model, name, parts);
              },
          .release =
              [&model, pieces] {
                for (const Piece& piece : pieces) model.weights->release(piece.entry.name);
              }};
}

bool belongs(const std::string& name, ModelPart part) {
  const auto of = [&name](std::string_view prefix) {
    return name.starts_with(std::string(prefix) + ".");
  };
  const bool head = of(arch::names::kHead) || of(arch::names::kHeadNorm);
  return part == ModelPart::kAll || head == (part == ModelPart::kHead);
}

}  // namespace

std::vector<ComputedTensor> foreign_tensors(const StoredModel& model, std::string_view scheme,
                                            ModelPart part) {
  const arch::TensorTable table(model.spec);
  check_weights(model);
  // Parts of one foreign tensor are its rows in table order.
  std::map<std::string, std::vector<Piece>> pieces;
  for (const arch::TensorEntry& entry : table.entries()) {
    if (!belongs(entry.name, part)) continue;
    const arch::ForeignTensor foreign = table.foreign(entry.name, scheme);
    if (foreign.parts.empty()) pieces[foreign.name].push_back({entry, foreign});
    for (const std::string& name : foreign.parts) pieces[name].push_back({entry, foreign});
  }
  if (pieces.empty()) {
    throw UnsupportedError(model.path.string(),
                           "expected a model with a head for --part head, found none");
  }
  std::vector<ComputedTensor> out;
  for (const auto& [name, parts] : pieces) out.push_back(foreign_tensor(model, name, parts));
  if (part == ModelPart::kHead) return out;
  for (auto& [name, value] : arch::derived_tensors(model.spec, scheme)) {
    out.push_back(computed(name, std::move(value)));
  }
  std::ranges::sort(out, {}, &ComputedTensor::name);
  return out;
}

namespace {

std::size_t write_all(std::vector<ComputedTensor> tensors, const Metadata& metadata,
                      const std::filesystem::path& path) {
  const ComputedSource source(std::move(tensors));
  write_safetensors(path, source, source.names(), metadata);
  return source.names().size();
}

}  // namespace

std::size_t export_safetensors(const StoredModel& model, std::string_view scheme, ModelPart part,
                               const std::filesystem::path& path) {
  return write_all(foreign_tensors(model, scheme, part), weight_metadata(model.class_names), path);
}

std::size_t export_pair(const PairFolder& pair, const StoredModel& image, const StoredModel& text,
                        std::string_view scheme, const std::filesystem::path& path) {
  const std::string scale = arch::pair_scale(arch::family(image.spec.family), scheme);
  std::vector<ComputedTensor> all = foreign_tensors(image, scheme);
  for (ComputedTensor& tensor : foreign_tensors(text, scheme)) all.push_back(std::move(tensor));
  const auto value = static_cast<float>(pair.logit_scale);
  all.push_back(computed(scale, HostTensor::of<float>(DType::kF32, {}, std::span(&value, 1))));
  return write_all(std::move(all), weight_metadata({}), path);
}

}  // namespace conopa::app
