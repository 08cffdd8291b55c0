// A LLaMA block stack under the names of llama.cpp.

#include "llama_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "conopa/arch/rotary.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "gguf_model.h"
#include "tensor_cast.h"

namespace conopa::app {
namespace {

using arch::EncoderSpec;

/// A soft mask of rate 1 hides nothing; below, the released form differs from −inf
/// (docs/formats.md).
bool bidirectional(const EncoderSpec& spec) {
  return spec.mask == arch::Mask::kBidirectional ||
         (spec.mask == arch::Mask::kSoftCausal && spec.mask_rate == 1.0);
}

/// What the positions are multiplied by.
double rope_scale(const EncoderSpec& spec) {
  const arch::Coordinates at = arch::token_coordinates(spec);
  return at.x.size() > 1 ? at.x[1] : 1.0;
}

struct Rule {
  bool (*broken)(const EncoderSpec& spec);
  std::string_view obstacle;
};
constexpr std::array kRules{
    Rule{[](const EncoderSpec& s) { return s.pyramid(); }, "it is a pyramid (stage_dims)"},
    Rule{[](const EncoderSpec& s) { return s.decoder != arch::Decoder::kNone; },
         "it has a decoder; `llama` has one block stack"},
    Rule{[](const EncoderSpec& s) { return !s.feature_blocks.empty(); },
         "it reads raw block outputs (feature_blocks)"},
    Rule{[](const EncoderSpec& s) { return s.mask != arch::Mask::kCausal && !bidirectional(s); },
         "its mask is neither causal nor bidirectional; a soft mask multiplies behind the softmax "
         "over all keys, which no -inf mask equals (train or fine-tune with mask = \"causal\")"},
    Rule{[](const EncoderSpec& s) { return s.norm != arch::Norm::kRms; }, "norm is not rms"},
    Rule{[](const EncoderSpec& s) { return s.mlp != arch::Mlp::kSwiglu; }, "mlp is not swiglu"},
    Rule{[](const EncoderSpec& s) { return s.rotary != arch::Rotary::kLine; },
         "rotary is not line: `llama` rotates by the index in the sequence"},
    Rule{[](const EncoderSpec& s) { return s.rope_ratio != 1.0 || s.rope_per_head; },
         "it does not rotate whole heads alike (rope_ratio, rope_per_head)"},
    Rule{[](const EncoderSpec& s) { return s.rope_ntk != 1.0 || !s.rope_off_blocks.empty(); },
         "its blocks differ in their rotation from the plain rule (rope_ntk, rope_off_blocks)"},
    Rule{[](const EncoderSpec& s) { return s.position == arch::Position::kConditional; },
         "position = conditional adds a convolution behind the first block"},
    Rule{[](const EncoderSpec& s) { return s.class_token == arch::ClassToken::kLate; },
         "class_token = late joins behind the blocks"},
    Rule{[](const EncoderSpec& s) { return s.qk_norm != arch::QkNorm::kNone; },
         "it normalises queries and keys (qk_norm)"},
    Rule{[](const EncoderSpec& s) { return s.layer_scale != 0.0; }, "it has layer scale"},
    Rule{[](const EncoderSpec& s) { return s.quantization != arch::Quantization::kNone; },
         "it quantises activations (quantization)"},
    Rule{[](const EncoderSpec& s) {
           return s.read_out != arch::ReadOut::kToken && s.read_out != arch::ReadOut::kMean;
         },
         "its final norm comes behind the mean over tokens (read_out)"},
    Rule{[](const EncoderSpec& s) { return s.head_norm != arch::HeadNorm::kNone; },
         "it normalises before the head (head_norm)"}};

GgufEntries llama_entries(const StoredModel& model) {
  const EncoderSpec& spec = model.spec;
  const auto u32 = [](std::int64_t value) {
    return GgufValue::u32(static_cast<std::uint32_t>(value));
  };
  const auto f32 = [](double value) { return GgufValue::f32(static_cast<float>(value)); };
  GgufEntries out{{"general.architecture", GgufValue::string("llama")},
                  {"general.quantization_version", GgufValue::u32(2)},
                  {"llama.block_count", u32(spec.depth)},
                  {"llama.context_length", u32(spec.num_tokens())},
                  {"llama.embedding_length", u32(spec.dim)},
                  {"llama.feed_forward_length", u32(spec.mlp_hidden)},
                  {"llama.attention.head_count", u32(spec.heads)},
                  {"llama.attention.head_count_kv", u32(spec.heads)},
                  {"llama.attention.layer_norm_rms_epsilon", f32(spec.norm_eps)},
                  {"llama.attention.causal", GgufValue::boolean(!bidirectional(spec))},
                  {"llama.rope.dimension_count", u32(spec.head_dim())},
                  {"llama.rope.freq_base", f32(spec.rope_theta)},
                  {"llama.vocab_size", u32(std::max<std::int64_t>(spec.num_classes, 1))},
                  {"tokenizer.ggml.model", GgufValue::string("no_vocab")}};
  if (const double scale = rope_scale(spec); scale != 1.0) {
    out.emplace_back("llama.rope.scaling.type", GgufValue::string("linear"));
    out.emplace_back("llama.rope.scaling.factor", f32(1.0 / scale));
  }
  append_model_entries(out, model);
  return out;
}

/// Collects the tensors of the file.
class LlamaTensors {
 public:
  LlamaTensors(const StoredModel& model, std::optional<DType> dtype)
      : model_(model), dtype_(dtype) {}

  /// Weight and, if the model has one, bias of a layer, in equal parts by rows if it has several
  /// names there.
  void layer(const std::string& ours, const std::vector<std::string>& theirs) {
    add(ours + ".weight", ".weight", theirs);
    if (model_.weights->contains(ours + ".bias")) add(ours + ".bias", ".bias", theirs);
  }

  void matrix(const std::string& ours, std::string theirs) {
    add_part(std::move(theirs), ours, model_.weights->read(ours));
  }

  void zero_embedding() {
    tensors_.push_back(
        gguf_tensor("token_embd.weight", HostTensor::zeros(DType::kF32, {1, model_.spec.dim})));
  }

  [[nodiscard]] const std::vector<GgufTensor>& tensors() const noexcept { return tensors_; }

 private:
  void add(const std::string& ours, std::string_view kind, const std::vector<std::string>& theirs) {
    if (const std::optional<QuantMatrix> matrix = model_.weights->read_quantised(ours)) {
      add_quantised(*matrix, kind, theirs);
      return;
    }
    const HostTensor whole = model_.weights->read(ours);  // a view of the file
    const std::int64_t rows = whole.dim(0) / std::ssize(theirs);
    for (std::size_t i = 0; i < theirs.size(); ++i) {
      const HostTensor part = whole.rows(static_cast<std::int64_t>(i) * rows, rows);
      add_part(theirs[i] + std::string(kind), ours, part);
    }
  }

  /// Blocks lie along the rows, so that parts by rows are the same bytes.
  void add_quantised(const QuantMatrix& whole, std::string_view kind,
                     const std::vector<std::string>& theirs) {
    QuantMatrix part = whole;
    part.rows = whole.rows / std::ssize(theirs);
    for (std::size_t i = 0; i < theirs.size(); ++i) {
      part.values = whole.values.rows(static_cast<std::int64_t>(i) * part.rows, part.rows);
      tensors_.push_back(gguf_tensor(theirs[i] + std::string(kind), part));
    }
  }

  void add_part(std::string name, const std::string& ours, const HostTensor& part) {
    if (!is_floating(part.dtype())) {
      throw UnsupportedError(model_.path.string(),
                             "llama.cpp has no {} weights, which {} is made of; export a model "
                             "in float",
                             dtype_name(part.dtype()), ours);
    }
    const bool keeps = part.dtype() != DType::kF64;  // which llama.cpp does not multiply
    const DType matrix = dtype_.value_or(keeps ? part.dtype() : DType::kF32);
    const DType type = part.shape().size() < 2 ? DType::kF32 : matrix;
    GgufTensor out = gguf_tensor(std::move(name), part);
    out.type = *find_gguf_type(type);
    out.load = [ours, part, type] { return cast_floats(part, type, ours); };
    tensors_.push_back(std::move(out));
  }

  const StoredModel& model_;
  std::optional<DType> dtype_;
  std::vector<GgufTensor> tensors_;
};

void add_blocks(const EncoderSpec& spec, LlamaTensors& out) {
  for (std::int64_t i = 0; i < spec.depth; ++i) {
    const auto ours = [i](std::string_view layer) { return arch::names::block(i, layer); };
    const auto theirs = [i](std::string_view layer) { return fmt::format("blk.{}.{}", i, layer); };
    out.layer(ours(arch::names::kNorm1), {theirs("attn_norm")});
    out.layer(ours(arch::names::kQkv), {theirs("attn_q"), theirs("attn_k"), theirs("attn_v")});
    out.layer(ours(arch::names::kProj), {theirs("attn_output")});
    out.layer(ours(arch::names::kNorm2), {theirs("ffn_norm")});
    out.layer(ours(arch::names::kGate), {theirs("ffn_gate")});
    out.layer(ours(arch::names::kUp), {theirs("ffn_up")});
    out.layer(ours(arch::names::kDown), {theirs("ffn_down")});
  }
}

GgufValue floats(const std::vector<float>& values) {
  std::vector<GgufValue> items;
  for (const float value : values) items.push_back(GgufValue::f32(value));
  return GgufValue::array(GgufKind::kF32, std::move(items));
}

}  // namespace

std::optional<std::string> llama_obstacle(const EncoderSpec& spec) {
  for (const Rule& rule : kRules) {
    if (rule.broken(spec)) return std::string(rule.obstacle);
  }
  return std::nullopt;
}

std::size_t export_llama_gguf(const StoredModel& model, std::optional<DType> dtype,
                              const std::filesystem::path& path) {
  if (const std::optional<std::string> obstacle = llama_obstacle(model.spec)) {
    throw UnsupportedError(model.path.string(),
                           "llama.cpp cannot run the blocks of this model: {}; use --to gguf for a "
                           "file of the whole model",
                           *obstacle);
  }
  if (model.weights->quant_form() == QuantForm::kInt8) {
    throw UnsupportedError(model.path.string(),
                           "llama.cpp has no int8 weights with a scale a row, which this model is "
                           "made of; quantise the float model to q8_0 or q4_0");
  }
  check_weights(model);
  GgufEntries entries = llama_entries(model);
  const std::string head(arch::names::kHead);
  if (model.spec.num_classes > 0) {
    entries.emplace_back("classes.bias", floats(model.weights->read(head + ".bias").to_f32()));
  }
  LlamaTensors tensors(model, dtype);
  if (model.spec.num_classes > 0) {
    tensors.matrix(head + ".weight", "token_embd.weight");
  } else {
    tensors.zero_embedding();
  }
  add_blocks(model.spec, tensors);
  tensors.layer(std::string(arch::names::kFinalNorm), {"output_norm"});
  write_gguf(path, entries, tensors.tensors());
  return tensors.tensors().size();
}

}  // namespace conopa::app
