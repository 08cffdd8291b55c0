#include "lora_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <system_error>

#include "conopa/arch/registry.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/core/fingerprint.h"
#include "conopa/io/safetensors.h"
#include "tensor_cast.h"

namespace conopa::app {
namespace {

namespace names = arch::names;

constexpr std::string_view kOfficial = "official";
constexpr std::string_view kRank = "lora_rank";
constexpr std::string_view kAlpha = "lora_alpha";
constexpr std::string_view kBase = "base_fingerprint";

constexpr std::array<std::int64_t, 2> kQueriesAndValues{0, 2};  // of q, k, v
constexpr std::array<std::int64_t, 1> kWhole{0};

/// A weight with branches.
struct Target {
  std::string weight;
  std::string branch;  ///< without "_A" and "_B"
  std::span<const std::int64_t> parts;
};

std::vector<Target> targets(const arch::EncoderSpec& spec) {
  std::vector<Target> out;
  for (std::int64_t i = 0; i < spec.depth; ++i) {
    out.push_back({names::block(i, names::kQkv) + ".weight", names::block(i, names::kQkvLora),
                   kQueriesAndValues});
    out.push_back(
        {names::block(i, names::kProj) + ".weight", names::block(i, names::kProjLora), kWhole});
  }
  return out;
}

bool has_scheme(const arch::Family& family, std::string_view scheme) {
  return std::ranges::any_of(family.schemes,
                             [scheme](const auto& known) { return known.name == scheme; });
}

// Names under which files may hold a tensor.
std::vector<std::string> spellings(const arch::Family& family, const std::string& name) {
  std::vector<std::string> out{name};
  for (const arch::NamingScheme& scheme : family.schemes) {
    out.push_back(arch::to_foreign(family, scheme.name, name));
  }
  return out;
}

template <typename Number>
Number stated(const TensorSource& file, std::string_view key) {
  const auto it = file.metadata().find(std::string(key));
  const std::string text = it == file.metadata().end() ? "" : it->second;
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && value > 0) return value;
  throw FormatError(file.where(),
                    "expected a positive {} in the metadata, found '{}'; make the file with "
                    "conopa lora extract",
                    key, text);
}

HostTensor adapter_tensor(const TensorSource& file, const arch::Family& family,
                          const arch::TensorEntry& entry) {
  for (const std::string& name : spellings(family, entry.name)) {
    if (!file.contains(name)) continue;
    if (file.info(name).shape == entry.shape) return file.read(name);
    throw FormatError(file.where(),
                      "expected {} {} for this model, found {}; the adapter has "
                      "another rank or belongs to a model of another width",
                      name, to_string(entry.shape), to_string(file.info(name).shape));
  }
  throw FormatError(file.where(),
                    "expected the tensor {} for this model, found none; the adapter belongs to a "
                    "model of another depth or family",
                    entry.name);
}

bool is_branch(const std::vector<Target>& all, const std::string& name) {
  return std::ranges::any_of(all, [&name](const Target& target) {
    return name == target.branch + "_A" || name == target.branch + "_B";
  });
}

void refuse_quantised(const StoredModel& model) {
  if (!model.weights->quant_form()) return;
  throw UnsupportedError(model.path.string(),
                         "the weights are quantised; change branches first, then quantise");
}

}  // namespace

HostTensor lora_sum(const HostTensor& weight, const HostTensor& a, const HostTensor& b,
                    std::span<const std::int64_t> parts, double factor) {
  const auto count = std::ssize(parts);
  const std::int64_t D = weight.shape().size() == 2 ? weight.dim(1) : 0;
  const std::int64_t rank = b.shape().size() == 2 ? b.dim(1) : 0;
  const std::int64_t last = *std::ranges::max_element(parts) + 1;
  if (D < 1 || rank < 1 || weight.dim(0) < last * D || a.shape() != Shape{count * rank, D} ||
      b.shape() != Shape{count * D, rank}) {
    throw ShapeError("lora",
                     "expected a weight [parts*D, D] with A [{0}*r, D] and B [{0}*D, r], "
                     "found {1}, {2} and {3}",
                     count, to_string(weight.shape()), to_string(a.shape()), to_string(b.shape()));
  }
  std::vector<float> values = weight.to_f32();
  const std::vector<float> down = a.to_f32();
  const std::vector<float> up = b.to_f32();
  const auto width = static_cast<std::size_t>(D);
  const auto inner = static_cast<std::size_t>(rank);
  std::vector<double> sum(width);
  for (std::size_t branch = 0; branch < parts.size(); ++branch) {
    for (std::size_t row = 0; row < width; ++row) {
      float* out = &values[(static_cast<std::size_t>(parts[branch]) * width + row) * width];
      std::copy(out, out + width, sum.begin());
      for (std::size_t r = 0; r < inner; ++r) {
        const double scale = factor * static_cast<double>(up[(branch * width + row) * inner + r]);
        const float* from = &down[(branch * inner + r) * width];
        for (std::size_t c = 0; c < width; ++c) sum[c] += scale * static_cast<double>(from[c]);
      }
      std::ranges::transform(sum, out, [](double v) { return static_cast<float>(v); });
    }
  }
  const auto merged = HostTensor::of<float>(DType::kF32, weight.shape(), values);
  return cast_floats(merged, weight.dtype(), "lora");
}

arch::EncoderSpec without_lora(arch::EncoderSpec spec) {
  spec.lora_rank = 0;
  spec.lora_alpha = 1.0;
  spec.resolve();
  return spec;
}

arch::EncoderSpec with_lora(arch::EncoderSpec spec, const LoraAdapter& adapter) {
  spec.lora_rank = adapter.rank;
  spec.lora_alpha = adapter.alpha;
  spec.resolve();
  return spec;
}

LoraAdapter lora_of(const StoredModel& model) {
  if (model.spec.lora_rank == 0) {
    throw ConfigError(model.path.string(),
                      "the model has no LoRA branches (lora_rank = 0); give one trained with "
                      "trainable = \"lora\"");
  }
  refuse_quantised(model);
  check_weights(model);
  LoraAdapter out{.rank = model.spec.lora_rank,
                  .alpha = model.spec.lora_alpha,
                  .base = base_fingerprint(model),
                  .tensors = {}};
  for (const Target& target : targets(model.spec)) {
    for (const char* end : {"_A", "_B"}) {
      out.tensors.emplace(target.branch + end, model.weights->read(target.branch + end));
    }
  }
  return out;
}

std::vector<NamedTensor> merged_tensors(const StoredModel& model, const LoraAdapter& adapter,
                                        int sign) {
  refuse_quantised(model);
  check_weights(model);
  const std::vector<Target> all = targets(model.spec);
  std::vector<NamedTensor> out;
  const arch::TensorTable table(model.spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    if (is_branch(all, entry.name)) continue;
    HostTensor value = model.weights->read(entry.name);
    const auto target = std::ranges::find(all, entry.name, &Target::weight);
    if (sign != 0 && target != all.end()) {
      value = lora_sum(value, adapter.tensors.at(target->branch + "_A"),
                       adapter.tensors.at(target->branch + "_B"), target->parts,
                       sign * adapter.factor());
    }
    out.push_back({entry.name, std::move(value)});
  }
  return out;
}

std::string base_fingerprint(const StoredModel& model) {
  Fingerprint hash;
  for (const Target& target : targets(model.spec)) {
    const std::vector<float> values = model.weights->read(target.weight).to_f32();
    hash.add(std::as_bytes(std::span(values)));
  }
  return hash.hex();
}

std::string base_fingerprint(const std::vector<NamedTensor>& tensors,
                             const arch::EncoderSpec& spec) {
  Fingerprint hash;
  for (const Target& target : targets(spec)) {
    const auto it = std::ranges::find(tensors, target.weight, &NamedTensor::name);
    const std::vector<float> values = it->tensor.to_f32();
    hash.add(std::as_bytes(std::span(values)));
  }
  return hash.hex();
}

void write_adapter(const std::filesystem::path& path, const LoraAdapter& adapter,
                   const arch::EncoderSpec& spec) {
  const arch::Family& family = arch::family(spec.family);
  const std::string_view scheme = has_scheme(family, kOfficial) ? kOfficial : "canonical";
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : adapter.tensors) {
    tensors.push_back({arch::to_foreign(family, scheme, name), tensor});
  }
  Metadata metadata{{"format", "pt"},
                    {std::string(kRank), std::to_string(adapter.rank)},
                    {std::string(kAlpha), fmt::format("{}", adapter.alpha)}};
  if (!adapter.base.empty()) metadata.emplace(kBase, adapter.base);
  write_safetensors(path, tensors, metadata);
}

LoraAdapter read_adapter(const std::filesystem::path& path, const arch::EncoderSpec& spec) {
  const std::unique_ptr<SafetensorsFile> file = SafetensorsFile::open(path);
  LoraAdapter out{.rank = stated<std::int64_t>(*file, kRank),
                  .alpha = stated<double>(*file, kAlpha),
                  .base = {},
                  .tensors = {}};
  if (out.rank > spec.dim) {
    throw FormatError(path.string(), "expected a rank of at most the model's width {}, found {}",
                      spec.dim, out.rank);
  }
  const auto base = file->metadata().find(std::string(kBase));
  if (base != file->metadata().end()) out.base = base->second;
  const arch::TensorTable table(with_lora(spec, out));
  const std::vector<Target> all = targets(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    if (!is_branch(all, entry.name)) continue;
    out.tensors.emplace(entry.name, adapter_tensor(*file, arch::family(spec.family), entry));
  }
  if (file->names().size() > out.tensors.size()) {
    throw FormatError(path.string(),
                      "expected the {} tensors of {} blocks, found {}; the adapter belongs to a "
                      "deeper model",
                      out.tensors.size(), spec.depth, file->names().size());
  }
  return out;
}

}  // namespace conopa::app
