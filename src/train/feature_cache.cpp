#include "conopa/train/feature_cache.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <optional>
#include <system_error>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/core/fingerprint.h"
#include "conopa/core/log.h"
#include "conopa/core/system.h"
#include "conopa/data/loader.h"
#include "conopa/nn/convert.h"

namespace conopa::train {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLookedAt = 16;  // images that tell datasets apart

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

// Everything but layers and storage that decides what the features are.
Fingerprint common_key(const nn::Encoder& encoder, const data::OpenedDataset& data,
                       const FeatureOptions& options) {
  Fingerprint key;
  key.add("features 1").add(arch::spec_to_json(encoder.spec())).add(to_json(options.transform));
  key.add(fmt::format("{} {}", static_cast<int>(options.exec.precision), options.flip));
  const nn::Parameters& parameters = encoder.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor values = parameters.tensors()[i].detach().cpu().contiguous();
    key.add(parameters.table().entries()[i].name).add(bytes_of(values));
  }
  const data::Dataset& dataset = *data.dataset;
  const std::vector<std::int64_t> labels = data::all_labels(dataset);
  key.add(data.split).add(std::as_bytes(std::span(labels)));
  const std::int64_t step = std::max<std::int64_t>(1, dataset.size() / kLookedAt);
  for (std::int64_t i = 0; i < dataset.size(); i += step) {
    const data::Sample sample = dataset.get(i);
    key.add(std::as_bytes(std::span(sample.image.pixels)));
  }
  return key;
}

/// A file of one list of layers.
struct Entry {
  fs::path path;
  std::string key;
  std::unique_ptr<FeatureWriter> writer;
};

std::vector<Entry> entries_of(const nn::Encoder& encoder, const data::OpenedDataset& data,
                              const std::vector<LayerList>& lists, const FeatureOptions& options) {
  const Fingerprint common = common_key(encoder, data, options);
  std::vector<Entry> out;
  for (const LayerList& layers : lists) {
    Fingerprint own = common;
    own.add(layers_text(layers)).add(dtype_name(options.dtype)).add(options.means ? "mean" : "all");
    const std::string key = own.hex();
    out.push_back({.path = options.folder / fmt::format("{}-{}.safetensors", data.split, key),
                   .key = key,
                   .writer = nullptr});
  }
  return out;
}

void check_room(const fs::path& folder, std::int64_t bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error || space.available >= static_cast<std::uintmax_t>(bytes)) return;
  throw IoError(folder.string(),
                "expected {} for cached features, found {} free; choose another --cache, --dtype "
                "bf16, fewer --layers or --limit",
                format_bytes(bytes), format_bytes(static_cast<std::int64_t>(space.available)));
}

// The tokens of a batch as they are stored.
at::Tensor stored(const at::Tensor& tokens, const FeatureOptions& options) {
  const at::Tensor kept = options.means ? tokens.mean(1, true) : tokens;
  if (!at::isfinite(kept).all().item<bool>()) {
    throw RunError("features",
                   "expected finite features, found NaN or infinity; try --precision "
                   "fp32 or other layers");
  }
  return kept.to(at::kCPU, nn::scalar_type(options.dtype)).contiguous();
}

void compute(const nn::Encoder& encoder, const data::OpenedDataset& data,
             const std::vector<LayerList>& lists, std::vector<Entry*> missing,
             const FeatureOptions& options) {
  const at::NoGradGuard no_grad;
  nn::ForwardOptions forward;
  forward.exec = options.exec;
  data::SamplerOptions order;
  order.order = data::SampleOrder::kSequential;
  order.tail = data::ShardTail::kUneven;
  data::Loader loader(data.dataset, image::make_eval_transform(options.transform),
                      data::Sampler(order, data.dataset->size()), {.batch = options.batch});
  loader.begin_epoch(0);
  std::int64_t done = 0;
  while (const std::optional<data::Batch> batch = loader.next()) {
    const at::Tensor images = nn::view_as_torch(batch->images).to(encoder.parameters().device());
    for (const bool flipped : {false, true}) {
      if (flipped && !options.flip) break;
      const std::vector<at::Tensor> tokens =
          encoder.encode_layers(flipped ? images.flip(3) : images, lists, forward);
      for (std::size_t i = 0; i < missing.size(); ++i) {
        const at::Tensor rows = stored(tokens[i], options);
        missing[i]->writer->append(bytes_of(rows), batch->labels.data<std::int64_t>());
      }
    }
    done += batch->size();
    if (options.progress) options.progress(done, data.dataset->size());
    if (options.stop && options.stop()) {
      throw RunError("features", "stopped after {} of {} images; nothing of them is kept", done,
                     data.dataset->size());
    }
  }
  for (Entry* entry : missing) entry->writer->commit();
}

}  // namespace

std::string layers_text(const LayerList& layers) {
  if (layers.empty()) return "final";
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < layers.size();) {
    std::size_t last = i;
    while (last + 1 < layers.size() && layers[last + 1] == layers[last] + 1) ++last;
    parts.push_back(last > i ? fmt::format("{}-{}", layers[i], layers[last])
                             : std::to_string(layers[i]));
    i = last + 1;
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

std::vector<FeatureFile> cached_features(const nn::Encoder& encoder,
                                         const data::OpenedDataset& data,
                                         const std::vector<LayerList>& lists,
                                         const FeatureOptions& options) {
  const arch::EncoderSpec& spec = encoder.spec();
  const bool late = spec.class_token == arch::ClassToken::kLate;
  const FeatureLayout layout{.rows = data.dataset->size() * (options.flip ? 2 : 1),
                             .tokens = options.means ? 1 : spec.num_tokens() + (late ? 1 : 0),
                             .dim = spec.dim,
                             .dtype = options.dtype};
  ensure_directory(options.folder);
  std::vector<Entry> entries = entries_of(encoder, data, lists, options);
  std::vector<Entry*> missing;
  std::vector<LayerList> missing_lists;
  std::error_code ignored;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (fs::exists(entries[i].path, ignored)) continue;
    missing.push_back(&entries[i]);
    missing_lists.push_back(lists[i]);
  }
  const std::int64_t bytes = layout.bytes() * std::ssize(missing);
  log_info("{} features: {} images, {} in all, {} of {} files to compute ({})", data.split,
           layout.rows, format_bytes(layout.bytes() * std::ssize(entries)), missing.size(),
           entries.size(), options.folder.string());
  check_room(options.folder, bytes);
  for (Entry* entry : missing) {
    entry->writer = std::make_unique<FeatureWriter>(entry->path, entry->key, layout);
  }
  if (!missing.empty()) compute(encoder, data, missing_lists, missing, options);
  std::vector<FeatureFile> out;
  for (const Entry& entry : entries) {
    out.push_back(FeatureFile::open(entry.path, entry.key, layout));
  }
  return out;
}

}  // namespace conopa::train
