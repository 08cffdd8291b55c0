#include "conopa/engine/quantise.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "conopa/arch/block_spec.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/core/quant_matrix.h"
#include "conopa/io/quantised.h"
#include "engine/smoothing.h"

namespace conopa::engine {
namespace {

namespace names = arch::names;

constexpr std::string_view kLayers[] = {names::kQkv,  names::kQuery, names::kKeyValue, names::kProj,
                                        names::kGate, names::kUp,    names::kDown};

void check_options(const TensorSource& weights, const arch::EncoderSpec& spec,
                   const QuantiseOptions& options) {
  if (spec.quantization == arch::Quantization::kLsq) {
    throw UnsupportedError(weights.where(),
                           "expected float weights, found a quantisation-aware model (lsq), whose "
                           "steps are learned; quantise a model trained without them");
  }
  if (spec.lora_rank > 0) {
    throw UnsupportedError(weights.where(),
                           "expected a model without LoRA branches, found rank {}; merge the "
                           "branches first",
                           spec.lora_rank);
  }
  if (weights.quant_form()) {
    throw UnsupportedError(weights.where(),
                           "expected float weights, found {} ones; quantise the float model",
                           enum_name(*weights.quant_form()));
  }
  if (!options.smoothing) return;
  if (options.calibration == nullptr) {
    throw ConfigError("quantise", "expected ranges of the inputs for smoothing, found none");
  }
  if (!(*options.smoothing >= 0.0 && *options.smoothing <= 1.0)) {
    throw ConfigError("quantise", "expected smoothing in [0, 1], got {}", *options.smoothing);
  }
}

void check_entry(const TensorSource& weights, const arch::TensorEntry& entry) {
  if (!weights.contains(entry.name)) {
    throw FormatError(weights.where(),
                      "expected the tensor {} of shape {}, found none; import the model again",
                      entry.name, to_string(entry.shape));
  }
  const Shape& found = weights.info(entry.name).shape;
  if (found == entry.shape) return;
  throw FormatError(weights.where(), "expected {} of shape {}, found {}; import the model again",
                    entry.name, to_string(entry.shape), to_string(found));
}

HostTensor read_checked(const TensorSource& weights, const arch::TensorEntry& entry) {
  check_entry(weights, entry);
  return weights.read(entry.name);
}

QuantMatrix read_matrix(const TensorSource& weights, const arch::TensorEntry& entry,
                        const QuantiseOptions& options) {
  const HostTensor value = weights.read(entry.name);
  const auto quantise = [&](std::span<const float> values) {
    return quantise_matrix(options.form, values, entry.shape.at(0), entry.shape.at(1),
                           weights.where(), entry.name, {.clip = options.clip});
  };
  if (value.dtype() == DType::kF32) return quantise(value.data<float>());  // saves the copy
  return quantise(value.to_f32());
}

// The tensors that hold one matrix.
void append_computed(std::vector<ComputedTensor>& out, const TensorSource& weights,
                     const arch::TensorEntry& entry, const QuantiseOptions& options) {
  const std::int64_t rows = entry.shape.at(0);
  const QuantMatrix layout{
      .form = options.form, .rows = rows, .columns = entry.shape.at(1), .values = {}, .scale = {}};
  const auto release = [&weights, name = entry.name] { weights.release(name); };
  out.push_back(
      {.name = entry.name,
       .dtype = has_blocks(options.form) ? DType::kU8 : DType::kI8,
       .shape = {rows, layout.row_bytes()},
       .make = [&weights, entry, options] { return read_matrix(weights, entry, options).values; },
       .release = release});
  if (has_blocks(options.form)) return;
  out.push_back({.name = entry.name + "_scale",
                 .dtype = DType::kF32,
                 .shape = {rows},
                 .make =
                     [&weights, entry, options, rows] {
                       const QuantMatrix matrix = read_matrix(weights, entry, options);
                       return HostTensor::of<float>(DType::kF32, {rows}, std::span(matrix.scale));
                     },
                 .release = release});
}

// A tensor as the float model has it.
ComputedTensor unchanged(const TensorSource& weights, const arch::TensorEntry& entry) {
  const std::string& name = entry.name;
  const std::optional<DType> dtype = weights.info(name).dtype;
  return {.name = name,
          .dtype = dtype ? *dtype : weights.read(name).dtype(),  // an unknown type throws
          .shape = entry.shape,
          .make = [&weights, name] { return weights.read(name); },
          .release = [&weights, name] { weights.release(name); }};
}

// Entries in the order of quantise_weights: block by block, names sorted inside, then the others.
std::vector<arch::TensorEntry> in_order(const arch::TensorTable& table,
                                        const std::vector<arch::BlockSpec>& blocks) {
  std::vector<arch::TensorEntry> rest = table.entries();
  std::vector<arch::TensorEntry> out;
  for (const arch::BlockSpec& block : blocks) {
    const auto first = std::stable_partition(
        rest.begin(), rest.end(), [prefix = block.prefix + "."](const arch::TensorEntry& entry) {
          return !entry.name.starts_with(prefix);
        });
    std::sort(first, rest.end(), [](const arch::TensorEntry& a, const arch::TensorEntry& b) {
      return a.name < b.name;
    });
    std::move(first, rest.end(), std::back_inserter(out));
    rest.erase(first, rest.end());
  }
  std::ranges::move(rest, std::back_inserter(out));
  return out;
}

class Quantiser {
 public:
  Quantiser(const arch::EncoderSpec& spec, const TensorSource& weights,
            const QuantiseOptions& options)
      : table_(spec), weights_(weights), options_(options) {
    for (std::string& name : quantised_names(spec, options.form))
      quantised_.insert(std::move(name));
  }

  std::vector<NamedTensor> run(const std::vector<arch::BlockSpec>& blocks) {
    for (const arch::BlockSpec& block : blocks) add_block(block);
    for (const arch::TensorEntry& entry : table_.entries()) {
      if (!done_.contains(entry.name)) out_.push_back({entry.name, read_checked(weights_, entry)});
    }
    return std::move(out_);
  }

 private:
  using Importance = std::map<std::string, std::vector<float>, std::less<>>;

  void add_block(const arch::BlockSpec& block);
  /// Smooths the group if asked to and notes how much its readers' columns matter.
  void prepare(const arch::BlockSpec& block, FloatBlock& floats, const SmoothGroup& group,
               Importance& importance, std::set<std::string>& changed) const;

  arch::TensorTable table_;
  const TensorSource& weights_;
  const QuantiseOptions& options_;
  std::set<std::string, std::less<>> quantised_;
  std::set<std::string, std::less<>> done_;
  std::vector<NamedTensor> out_;
};

void Quantiser::prepare(const arch::BlockSpec& block, FloatBlock& floats, const SmoothGroup& group,
                        Importance& importance, std::set<std::string>& changed) const {
  const InputRange* range = options_.calibration == nullptr
                                ? nullptr
                                : options_.calibration->find(block.index, group.reader);
  if (range == nullptr) return;
  std::vector<float> weight = range->importance();
  if (options_.smoothing) {
    const std::vector<float> factors =
        smoothing_factors(floats, group, *range, *options_.smoothing);
    apply_smoothing(floats, group, factors);
    for (std::size_t k = 0; k < weight.size(); ++k) weight[k] /= factors[k] * factors[k];
    changed.insert(group.makers.begin(), group.makers.end());
    changed.insert(group.readers.begin(), group.readers.end());
  }
  for (const std::string& reader : group.readers) importance[reader] = weight;
}

void Quantiser::add_block(const arch::BlockSpec& block) {
  FloatBlock floats;
  const std::string prefix = block.prefix + ".";
  for (const arch::TensorEntry& entry : table_.entries()) {
    if (!entry.name.starts_with(prefix)) continue;
    floats.values[entry.name] = read_checked(weights_, entry).to_f32();
    floats.shapes[entry.name] = entry.shape;
  }
  Importance importance;
  std::set<std::string> changed;
  for (const SmoothGroup& group : smooth_groups(block)) {
    prepare(block, floats, group, importance, changed);
  }
  for (const auto& [name, values] : floats.values) {
    done_.insert(name);
    const Shape& shape = floats.shapes.at(name);
    if (quantised_.contains(name)) {
      append_quantised(
          out_, name,
          quantise_matrix(options_.form, values, shape.at(0), shape.at(1), weights_.where(), name,
                          {.clip = options_.clip, .importance = importance[name]}));
    } else if (changed.contains(name)) {
      out_.push_back({name, HostTensor::of<float>(DType::kF32, shape, std::span(values))});
    } else {
      out_.push_back({name, weights_.read(name)});
    }
  }
}

}  // namespace

std::vector<std::string> quantised_names(const arch::EncoderSpec& spec, QuantForm form) {
  const arch::TensorTable table(spec);
  std::vector<std::string> out;
  for (const arch::BlockSpec& block : arch::encoder_blocks(spec)) {
    for (const std::string_view layer : kLayers) {
      const arch::TensorEntry* entry = table.find(block.name(layer) + ".weight");
      if (entry == nullptr || entry->shape.size() != 2) continue;
      if (entry->shape[1] % quant_unit(form) == 0) out.push_back(entry->name);
    }
  }
  return out;
}

std::vector<NamedTensor> quantise_weights(const arch::EncoderSpec& spec,
                                          const TensorSource& weights,
                                          const QuantiseOptions& options) {
  check_options(weights, spec, options);
  return Quantiser(spec, weights, options).run(arch::encoder_blocks(spec));
}

std::vector<ComputedTensor> quantised_tensors(const arch::EncoderSpec& spec,
                                              const TensorSource& weights,
                                              const QuantiseOptions& options) {
  check_options(weights, spec, options);
  if (options.calibration != nullptr) {
    throw ConfigError("quantise",
                      "expected no calibration for tensors that are made one at a time, which "
                      "needs whole blocks; quantise all at once");
  }
  const std::vector<std::string> names = quantised_names(spec, options.form);
  const std::set<std::string, std::less<>> matrices(names.begin(), names.end());
  std::vector<ComputedTensor> out;
  for (const arch::TensorEntry& entry :
       in_order(arch::TensorTable(spec), arch::encoder_blocks(spec))) {
    check_entry(weights, entry);
    if (matrices.contains(entry.name)) {
      append_computed(out, weights, entry, options);
    } else {
      out.push_back(unchanged(weights, entry));
    }
  }
  return out;
}

}  // namespace conopa::engine
