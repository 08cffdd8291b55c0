#include "conopa/arch/tensor_table.h"

#include <cmath>
#include <set>

#include "conopa/arch/registry.h"

namespace conopa::arch {
namespace {

// timm's trunc_normal_ bounds are absolute (±2), so with this deviation it is a plain normal.
constexpr double kLinearStd = 0.02;

class Builder {
 public:
  Builder(const EncoderSpec& spec, std::vector<TensorEntry>& out) : spec_(spec), out_(out) {}

  void build() {
    embeddings();
    for (std::int64_t i = 0; i < spec_.depth; ++i) block(i);
    layer_ = spec_.depth + 1;
    norm(std::string(names::kFinalNorm), spec_.dim);
    if (spec_.num_classes > 0) {
      linear(std::string(names::kHead), spec_.dim, spec_.num_classes, true);
    }
    if (spec_.neck == Neck::kDeconvPyramid) deconv_pyramid();
  }

 private:
  void add(std::string name, Shape shape, Init init, double value, bool decay) {
    out_.push_back({.name = std::move(name),
                    .shape = std::move(shape),
                    .init = init,
                    .value = value,
                    .decay = decay,
                    .layer = layer_});
  }
  void buffer(std::string name, Shape shape, double value) {
    add(std::move(name), std::move(shape), Init::kConstant, value, false);
    out_.back().trainable = false;
  }

  void embeddings() {
    const EncoderSpec& s = spec_;
    if (s.has_class_token()) {
      add(std::string(names::kClassToken), {1, 1, s.dim}, Init::kNormal, kLinearStd, false);
    }
    if (s.position == Position::kLearned) {
      add(std::string(names::kPosition), {1, s.num_tokens(), s.dim}, Init::kNormal, kLinearStd,
          false);
    }
    // The patch convolution keeps the framework's default: uniform ±1/√fan_in, bias too.
    const double bound = 1.0 / std::sqrt(static_cast<double>(s.channels * s.patch * s.patch));
    add(std::string(names::kPatchWeight), {s.dim, s.channels, s.patch, s.patch}, Init::kUniform,
        bound, true);
    add(std::string(names::kPatchBias), {s.dim}, Init::kUniform, bound, false);
  }

  void norm(const std::string& prefix, std::int64_t width) {
    add(prefix + ".weight", {width}, Init::kConstant, 1.0, false);
    if (spec_.norm == Norm::kLayer) add(prefix + ".bias", {width}, Init::kConstant, 0.0, false);
  }

  void linear(const std::string& prefix, std::int64_t in, std::int64_t out, bool bias) {
    add(prefix + ".weight", {out, in}, Init::kNormal, kLinearStd, true);
    if (bias) add(prefix + ".bias", {out}, Init::kConstant, 0.0, false);
  }

  // A linear layer of a block, with the step sizes of quantisation-aware training if asked for.
  void block_linear(const std::string& prefix, std::int64_t in, std::int64_t out, bool bias) {
    linear(prefix, in, out, bias);
    if (spec_.quantization != Quantization::kLsq) return;
    add(prefix + ".alpha", {out}, Init::kConstant, 1.0, false);
    buffer(prefix + ".init_state", {1}, 0.0);
    activation_quantizer(prefix + ".act", in);
  }

  void activation_quantizer(const std::string& prefix, std::int64_t width) {
    add(prefix + ".alpha", {width}, Init::kConstant, 1.0, false);
    add(prefix + ".zero_point", {width}, Init::kConstant, 0.0, false);
    buffer(prefix + ".init_state", {1}, 0.0);
    buffer(prefix + ".signed", {1}, 0.0);
  }

  void block(std::int64_t i) {
    const EncoderSpec& s = spec_;
    layer_ = i + 1;
    norm(names::block(i, names::kNorm1), s.dim);
    block_linear(names::block(i, names::kQkv), s.dim, 3 * s.dim, s.qkv_bias);
    if (s.qk_norm == QkNorm::kRmsAfterRotary) {
      add(names::block(i, names::kQueryNorm) + ".weight", {s.head_dim()}, Init::kConstant, 1.0,
          false);
      add(names::block(i, names::kKeyNorm) + ".weight", {s.head_dim()}, Init::kConstant, 1.0,
          false);
    }
    block_linear(names::block(i, names::kProj), s.dim, s.dim, s.proj_bias);
    if (s.quantization == Quantization::kLsq) {
      for (const auto act : {names::kQueryAct, names::kKeyAct, names::kValueAct, names::kMapAct}) {
        activation_quantizer(names::block(i, act), s.heads);
      }
    }
    norm(names::block(i, names::kNorm2), s.dim);
    if (s.mlp == Mlp::kSwiglu) {
      block_linear(names::block(i, names::kGate), s.dim, s.mlp_hidden, s.mlp_bias);
    }
    block_linear(names::block(i, names::kUp), s.dim, s.mlp_hidden, s.mlp_bias);
    block_linear(names::block(i, names::kDown), s.mlp_hidden, s.dim, s.mlp_bias);
    if (s.layer_scale > 0.0) {
      add(names::block(i, names::kScale1), {s.dim}, Init::kConstant, s.layer_scale, false);
      add(names::block(i, names::kScale2), {s.dim}, Init::kConstant, s.layer_scale, false);
    }
  }

  void deconv(std::int64_t level, std::int64_t index) {
    const std::int64_t D = spec_.dim;
    const double bound = 1.0 / std::sqrt(static_cast<double>(D * 4));
    const std::string prefix = names::neck(level, index);
    add(prefix + ".weight", {D, D, 2, 2}, Init::kUniform, bound, true);
    add(prefix + ".bias", {D}, Init::kUniform, bound, false);
  }

  void deconv_pyramid() {
    const std::int64_t D = spec_.dim;
    deconv(1, 0);
    const std::string batch_norm = names::neck(1, 1);
    add(batch_norm + ".weight", {D}, Init::kConstant, 1.0, false);
    add(batch_norm + ".bias", {D}, Init::kConstant, 0.0, false);
    buffer(batch_norm + ".running_mean", {D}, 0.0);
    buffer(batch_norm + ".running_var", {D}, 1.0);
    buffer(batch_norm + ".num_batches_tracked", {}, 0.0);
    deconv(1, 3);
    deconv(2, 0);
  }

  const EncoderSpec& spec_;
  std::vector<TensorEntry>& out_;
  std::int64_t layer_ = 0;
};

template <typename Items, typename Text>
std::string some_of(const Items& items, Text text) {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> shown;
  for (const auto& item : items) {
    if (shown.size() == kShown) break;
    shown.push_back(text(item));
  }
  if (items.empty()) return "";
  return fmt::format(" ({}{})", fmt::join(shown, ", "), items.size() > kShown ? ", ..." : "");
}

}  // namespace

namespace names {

std::string block(std::int64_t index, std::string_view layer) {
  return fmt::format("blocks.{}.{}", index, layer);
}

std::string neck(std::int64_t level, std::int64_t layer) {
  return fmt::format("fpn{}.{}", level, layer);
}

}  // namespace names

TensorTable::TensorTable(const EncoderSpec& spec) : family_(spec.family) {
  Builder(spec, entries_).build();
  for (std::size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].name, i);
}

const TensorEntry* TensorTable::find(std::string_view name) const noexcept {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &entries_[it->second];
}

std::string TensorTable::foreign_name(std::string_view name, std::string_view scheme) const {
  return to_foreign(family(family_), scheme, name);
}

std::int64_t TensorTable::parameter_count() const noexcept {
  std::int64_t count = 0;
  for (const TensorEntry& entry : entries_) {
    if (!entry.trainable) continue;
    std::int64_t elements = 1;
    for (const std::int64_t size : entry.shape) elements *= size;
    count += elements;
  }
  return count;
}

std::string KeyReport::summary() const {
  const auto same = [](const std::string& name) { return name; };
  return fmt::format("{} missing{}, {} unexpected{}, {} reshaped{}", missing.size(),
                     some_of(missing, same), unexpected.size(), some_of(unexpected, same),
                     reshaped.size(), some_of(reshaped, [](const Reshaped& r) {
                       return fmt::format("{} {} for {}", r.name, to_string(r.found),
                                          to_string(r.expected));
                     }));
}

KeyReport compare_keys(const TensorTable& table, std::string_view scheme,
                       const TensorIndex& checkpoint) {
  KeyReport report;
  std::set<std::string, std::less<>> known;
  for (const TensorEntry& entry : table.entries()) {
    std::string foreign = table.foreign_name(entry.name, scheme);
    const auto it = checkpoint.find(foreign);
    if (it == checkpoint.end()) {
      report.missing.push_back(entry.name);
    } else if (it->second != entry.shape) {
      report.reshaped.push_back({entry.name, entry.shape, it->second});
    }
    known.insert(std::move(foreign));
  }
  for (const auto& [name, shape] : checkpoint) {
    if (!known.contains(name)) report.unexpected.push_back(name);
  }
  return report;
}

}  // namespace conopa::arch
