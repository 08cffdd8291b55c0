#include "tests/llm/small_lm.h"

#include <fmt/format.h>

#include <algorithm>

#include "conopa/arch/tensor_table.h"
#include "conopa/arch/weight_selection.h"
#include "conopa/core/cast_floats.h"
#include "conopa/core/quant_matrix.h"
#include "conopa/core/rng.h"
#include "conopa/io/checkpoint.h"
#include "conopa/io/pth_writer.h"
#include "conopa/llm/row_order.h"
#include "conopa/llm/write.h"

namespace conopa::testing {
namespace {

namespace names = arch::names;
using llm::LmConfig;
using llm::LmTensors;

std::string block(std::int64_t layer, std::string_view name) {
  return names::block(layer, name) + ".weight";
}

HostTensor slice_columns(const HostTensor& matrix, std::int64_t begin, std::int64_t count) {
  const std::vector<float> values = matrix.to_f32();
  std::vector<float> out;
  for (std::int64_t row = 0; row < matrix.dim(0); ++row) {
    const auto at = values.begin() + row * matrix.dim(1) + begin;
    out.insert(out.end(), at, at + count);
  }
  return HostTensor::of<float>(DType::kF32, {matrix.dim(0), count}, out);
}

bool has_any(std::string_view name, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(
      parts, [name](std::string_view part) { return name.find(part) != std::string_view::npos; });
}

/// One shard's part; the embedding is cut by columns, the output by rows.
HostTensor shard_of(const NamedTensor& named, std::int64_t shard, std::int64_t shards) {
  const HostTensor& whole = named.tensor;
  if (has_any(named.name, {".wq.", ".wk.", ".wv.", ".w1.", ".w3.", "output."})) {
    const std::int64_t rows = whole.dim(0) / shards;
    return whole.rows(shard * rows, rows);
  }
  if (has_any(named.name, {".wo.", ".w2.", "tok_embeddings."})) {
    const std::int64_t columns = whole.dim(1) / shards;
    return slice_columns(whole, shard * columns, columns);
  }
  return whole;
}

GgufTensor stored_matrix(const std::string& name, const HostTensor& tensor, std::string_view type) {
  for (const QuantForm form : {QuantForm::kQ8_0, QuantForm::kQ4_0}) {
    if (type != (form == QuantForm::kQ8_0 ? "Q8_0" : "Q4_0")) continue;
    return gguf_tensor(
        name, quantise_matrix(form, tensor.to_f32(), tensor.dim(0), tensor.dim(1), "test", name));
  }
  return gguf_tensor(name, cast_floats(tensor, *find_gguf_type(type)->dtype, name));
}

}  // namespace

LmConfig small_llama() {
  LmConfig out;
  out.dim = 32;
  out.layers = 3;
  out.heads = 4;
  out.kv_heads = 2;
  out.hidden = 96;
  out.vocabulary = 10;
  out.context = 64;
  out.norm_eps = 1e-6;
  return out;
}

LmTensors random_llama(const LmConfig& config, DType dtype, std::uint64_t seed) {
  LmTensors out;
  Rng rng(seed, RngPurpose::kTest);
  const auto add = [&](const std::string& name, const Shape& shape) {
    HostTensor tensor = HostTensor::zeros(DType::kF32, shape);
    for (float& value : tensor.mutable_data<float>()) value = static_cast<float>(rng.normal());
    out.emplace(name, cast_floats(tensor, dtype, name));
  };
  const std::int64_t dim = config.dim;
  add(std::string(names::kTokenEmbed) + ".weight", {config.vocabulary, dim});
  for (std::int64_t i = 0; i < config.layers; ++i) {
    add(block(i, names::kNorm1), {dim});
    add(block(i, names::kQkv), {dim + 2 * config.kv_dim(), dim});
    add(block(i, names::kProj), {dim, dim});
    add(block(i, names::kNorm2), {dim});
    add(block(i, names::kGate), {config.hidden, dim});
    add(block(i, names::kUp), {config.hidden, dim});
    add(block(i, names::kDown), {dim, config.hidden});
  }
  add(std::string(names::kFinalNorm) + ".weight", {dim});
  add(std::string(names::kHead) + ".weight", {config.vocabulary, dim});
  return out;
}

LmTensors expected_layer(const LmConfig& config, const LmTensors& model, std::int64_t index) {
  LmTensors out;
  const std::string prefix = names::block_prefix(index) + ".";
  for (const auto& [name, tensor] : model) {
    if (name.starts_with(prefix)) out.emplace(name.substr(prefix.size()), tensor);
  }
  HostTensor& qkv = out.at("attn.qkv.weight");
  const std::int64_t rows = config.kv_dim();
  const std::int64_t times = config.heads / config.kv_heads;
  const auto repeated = [&](std::int64_t begin) {
    return llm::repeat_heads(qkv.rows(begin, rows), config.kv_heads, times);
  };
  qkv = arch::concat_rows(
      {qkv.rows(0, config.dim), repeated(config.dim), repeated(config.dim + rows)});
  return out;
}

void write_meta_shards(const std::filesystem::path& folder, const LmConfig& config,
                       const LmTensors& model, std::int64_t shards) {
  llm::write_meta(folder, config, model);
  const std::vector<NamedTensor> whole = read_all(*open_checkpoint(folder / "consolidated.00.pth"));
  for (std::int64_t shard = 0; shard < shards; ++shard) {
    std::vector<NamedTensor> part;
    for (const NamedTensor& named : whole) {
      part.push_back({named.name, shard_of(named, shard, shards)});
    }
    write_pth(folder / fmt::format("consolidated.{:02}.pth", shard), part);
  }
}

std::vector<GgufTensor> gguf_tensors(const LmConfig& config, const LmTensors& model,
                                     std::string_view type) {
  std::vector<GgufTensor> out;
  const auto at = [&](const std::string& name) { return model.at(name); };
  out.push_back(gguf_tensor("token_embd.weight", at("token_embed.weight")));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const auto theirs = [i](std::string_view n) { return fmt::format("blk.{}.{}.weight", i, n); };
    const HostTensor qkv = at(block(i, names::kQkv));
    const std::int64_t dim = config.dim;
    const std::int64_t rows = config.kv_dim();
    out.push_back(gguf_tensor(theirs("attn_norm"), at(block(i, names::kNorm1))));
    out.push_back(stored_matrix(theirs("attn_q"), qkv.rows(0, dim), type));
    out.push_back(stored_matrix(theirs("attn_k"), qkv.rows(dim, rows), type));
    out.push_back(stored_matrix(theirs("attn_v"), qkv.rows(dim + rows, rows), type));
    out.push_back(stored_matrix(theirs("attn_output"), at(block(i, names::kProj)), type));
    out.push_back(gguf_tensor(theirs("ffn_norm"), at(block(i, names::kNorm2))));
    out.push_back(stored_matrix(theirs("ffn_gate"), at(block(i, names::kGate)), type));
    out.push_back(stored_matrix(theirs("ffn_up"), at(block(i, names::kUp)), type));
    out.push_back(stored_matrix(theirs("ffn_down"), at(block(i, names::kDown)), type));
  }
  out.push_back(gguf_tensor("output_norm.weight", at("norm.weight")));
  return out;
}

GgufEntries gguf_entries(const LmConfig& config) {
  const auto u32 = [](std::int64_t value) {
    return GgufValue::u32(static_cast<std::uint32_t>(value));
  };
  const auto f32 = [](double value) { return GgufValue::f32(static_cast<float>(value)); };
  return {{"general.architecture", GgufValue::string("llama")},
          {"llama.block_count", u32(config.layers)},
          {"llama.context_length", u32(config.context)},
          {"llama.embedding_length", u32(config.dim)},
          {"llama.feed_forward_length", u32(config.hidden)},
          {"llama.attention.head_count", u32(config.heads)},
          {"llama.attention.head_count_kv", u32(config.kv_heads)},
          {"llama.attention.layer_norm_rms_epsilon", f32(config.norm_eps)},
          {"llama.rope.freq_base", f32(config.rope_theta)}};
}

std::vector<NamedTensor> without(const TensorSource& source, std::string_view text) {
  std::vector<NamedTensor> out;
  for (NamedTensor& named : read_all(source)) {
    if (named.name.find(text) == std::string::npos) out.push_back(std::move(named));
  }
  return out;
}

bool same_tensors(const LmTensors& a, const LmTensors& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.dtype() == y.second.dtype() &&
           x.second.shape() == y.second.shape() &&
           std::ranges::equal(x.second.bytes(), y.second.bytes());
  });
}

std::filesystem::path llm_data(std::string_view name) {
  return std::filesystem::path(CONOPA_SOURCE_DIR) / "tests/llm/data" / name;
}

}  // namespace conopa::testing
