#include "conopa/train/feature_file.h"

#include <nlohmann/json.hpp>

#include "conopa/core/error.h"
#include "conopa/io/safetensors.h"

namespace conopa::train {
namespace {

constexpr std::string_view kKey = "features";
constexpr std::string_view kTokens = "tokens";
constexpr std::string_view kLabels = "labels";
constexpr std::size_t kAlignment = 64;  // of the data, a cache line

// Length and JSON of a safetensors header; the tokens come first, the labels last.
std::string header_of(const std::string& key, const FeatureLayout& layout) {
  const std::int64_t tokens = layout.rows * layout.row_bytes();
  const nlohmann::ordered_json json{{"__metadata__", {{std::string(kKey), key}}},
                                    {std::string(kTokens),
                                     {{"dtype", dtype_name(layout.dtype)},
                                      {"shape", {layout.rows, layout.tokens, layout.dim}},
                                      {"data_offsets", {0, tokens}}}},
                                    {std::string(kLabels),
                                     {{"dtype", dtype_name(DType::kI64)},
                                      {"shape", {layout.rows}},
                                      {"data_offsets", {tokens, layout.bytes()}}}}};
  std::string text = json.dump();
  text.resize((text.size() + sizeof(std::uint64_t) + kAlignment - 1) / kAlignment * kAlignment -
                  sizeof(std::uint64_t),
              ' ');
  const std::uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + text;
}

std::string key_of(const TensorSource& source) {
  const auto it = source.metadata().find(std::string(kKey));
  return it == source.metadata().end() ? "" : it->second;
}

void check(const TensorSource& source, std::string_view name, DType dtype, const Shape& shape) {
  if (source.contains(name) && source.info(name).dtype == dtype &&
      source.info(name).shape == shape) {
    return;
  }
  throw FormatError(source.where(), "expected {} {} {} in the cached features, found {}; remove it",
                    name, dtype_name(dtype), to_string(shape),
                    source.contains(name)
                        ? source.info(name).dtype_name + " " + to_string(source.info(name).shape)
                        : std::string("none"));
}

std::unique_ptr<SafetensorsFile> open_file(const std::filesystem::path& path) {
  try {
    return SafetensorsFile::open(path);
  } catch (const FormatError& error) {
    throw FormatError("cached features", "{}; remove the file", error.what());
  }
}

}  // namespace

FeatureFile FeatureFile::open(const std::filesystem::path& path, const std::string& key,
                              const FeatureLayout& layout) {
  const std::unique_ptr<SafetensorsFile> file = open_file(path);
  if (const std::string found = key_of(*file); found != key) {
    throw FormatError(path.string(),
                      "expected cached features of the key {}, found {}; remove it, or choose "
                      "another --cache",
                      key, found.empty() ? "a file without key" : found);
  }
  check(*file, kTokens, layout.dtype, {layout.rows, layout.tokens, layout.dim});
  check(*file, kLabels, DType::kI64, {layout.rows});
  return {.tokens = file->read(kTokens), .labels = file->read(kLabels)};
}

FeatureWriter::FeatureWriter(const std::filesystem::path& path, const std::string& key,
                             const FeatureLayout& layout)
    : where_(path.string()), layout_(layout), file_(path) {
  file_.write(header_of(key, layout));
}

void FeatureWriter::append(std::span<const std::byte> bytes, std::span<const std::int64_t> labels) {
  const std::int64_t left = layout_.rows - std::ssize(labels_);
  if (std::ssize(labels) > left || std::ssize(bytes) != std::ssize(labels) * layout_.row_bytes()) {
    throw ShapeError(where_, "expected {} rows of {} bytes at most, found {} bytes for {} labels",
                     left, layout_.row_bytes(), bytes.size(), labels.size());
  }
  file_.write(bytes);
  labels_.insert(labels_.end(), labels.begin(), labels.end());
}

void FeatureWriter::commit() {
  if (std::ssize(labels_) != layout_.rows) {
    throw ShapeError(where_, "expected {} rows, found {}", layout_.rows, labels_.size());
  }
  file_.write(std::as_bytes(std::span(labels_)));
  file_.commit();
}

}  // namespace conopa::train
