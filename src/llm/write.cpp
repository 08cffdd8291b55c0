#include "conopa/llm/write.h"

#include <nlohmann/json.hpp>
#include <string>

#include "conopa/core/error.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/pth_writer.h"
#include "conopa/io/sharded.h"
#include "llm/feed_forward_width.h"
#include "llm/opened.h"
#include "llm/whole_model.h"

namespace conopa::llm {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double kUsualTheta = 10000.0;

Json meta_params(const LmConfig& config) {
  Json out{{"dim", config.dim}, {"n_layers", config.layers}, {"n_heads", config.heads}};
  if (config.kv_heads != config.heads) out["n_kv_heads"] = config.kv_heads;
  const FeedForwardRule rule = feed_forward_rule(config.dim, config.hidden);
  out["multiple_of"] = rule.multiple_of;
  if (rule.multiplier) out["ffn_dim_multiplier"] = *rule.multiplier;
  out["norm_eps"] = config.norm_eps;
  out["vocab_size"] = config.vocabulary;
  if (config.rope_theta != kUsualTheta) out["rope_theta"] = config.rope_theta;
  return out;
}

std::string_view torch_name(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return "float16";
    case DType::kBF16:
      return "bfloat16";
    case DType::kF64:
      return "float64";
    default:
      return "float32";
  }
}

Json hub_config(const LmConfig& config, DType dtype) {
  Json out{{"architectures", {"LlamaForCausalLM"}},
           {"model_type", "llama"},
           {"hidden_size", config.dim},
           {"intermediate_size", config.hidden},
           {"num_hidden_layers", config.layers},
           {"num_attention_heads", config.heads},
           {"num_key_value_heads", config.kv_heads},
           {"hidden_act", "silu"},
           {"rms_norm_eps", config.norm_eps},
           {"rope_theta", config.rope_theta},
           {"attention_bias", false},
           {"mlp_bias", false},
           {"tie_word_embeddings", false},
           {"vocab_size", config.vocabulary},
           {"torch_dtype", torch_name(dtype)}};
  if (config.context > 0) out["max_position_embeddings"] = config.context;
  return out;
}

/// Files of an older model would be read as parts of this one.
void check_no_other_shards(const fs::path& folder) {
  for (const fs::path& path : meta_shards(folder)) {
    if (path.filename() == "consolidated.00.pth") continue;
    throw FormatError(folder.string(),
                      "expected a folder without further shards, found {}; remove it or choose "
                      "another folder",
                      path.filename().string());
  }
}

}  // namespace

void write_meta(const fs::path& folder, const LmConfig& config, const LmTensors& tensors,
                const WriteOptions& options) {
  const std::vector<NamedTensor> out =
      foreign_tensors(config, tensors, meta_naming(), options.dtype, folder.string());
  ensure_directory(folder);
  check_no_other_shards(folder);
  write_pth(folder / "consolidated.00.pth", out);
  write_file_atomically(folder / "params.json", meta_params(config).dump(2) + "\n");
}

void write_hf(const fs::path& folder, const LmConfig& config, const LmTensors& tensors,
              const WriteOptions& options) {
  const std::vector<NamedTensor> out =
      foreign_tensors(config, tensors, hugging_face_llama_naming(), options.dtype, folder.string());
  ensure_directory(folder);
  write_sharded(folder, out, {{"format", "pt"}});
  const DType dtype = out.front().tensor.dtype();
  write_file_atomically(folder / "config.json", hub_config(config, dtype).dump(2) + "\n");
}

}  // namespace conopa::llm
