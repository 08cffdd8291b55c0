// The hub's form: config.json beside safetensors or .bin files.

#include <array>
#include <system_error>

#include "conopa/core/error.h"
#include "conopa/io/checkpoint.h"
#include "llm/json_config.h"
#include "llm/opened.h"

namespace conopa::llm {
namespace {

namespace fs = std::filesystem;

LmConfig read_llama(const JsonConfig& config);
LmConfig read_opt(const JsonConfig& config);

/// A kind of model, as config.json names it, whose blocks can be read.
struct Kind {
  std::string_view model_type;
  std::string_view class_stem;  // of "architectures": the stem, then ForCausalLM or Model
  const Naming& (*naming)() noexcept;
  LmConfig (*read)(const JsonConfig&);
};
// Mistral's block is LLaMA's; its sliding window is a mask and not part of the weights.
constexpr std::array kKinds{Kind{"llama", "Llama", hugging_face_llama_naming, read_llama},
                            Kind{"mistral", "Mistral", hugging_face_llama_naming, read_llama},
                            Kind{"opt", "OPT", hugging_face_opt_naming, read_opt}};

const Kind* find_kind(const JsonConfig& config) {
  const std::optional<std::string> type = config.text("model_type");
  const std::optional<std::string> name = config.text("architectures");
  for (const Kind& kind : kKinds) {
    if (type ? *type == kind.model_type
             : name && (*name == std::string(kind.class_stem) + "ForCausalLM" ||
                        *name == std::string(kind.class_stem) + "Model")) {
      return &kind;
    }
  }
  return nullptr;
}

const Kind& require_kind(const JsonConfig& config) {
  if (const Kind* kind = find_kind(config)) return *kind;
  throw UnsupportedError(
      config.where(),
      "expected a language model of type llama, mistral or opt, found '{}'; "
      "blocks of other types differ",
      config.text("model_type").value_or(config.text("architectures").value_or("nothing")));
}

void require_word(const JsonConfig& config, std::string_view key, std::string_view expected) {
  const std::string found = config.text(key).value_or(std::string(expected));
  if (found == expected) return;
  throw UnsupportedError(config.where(), "expected {} '{}', found '{}'; such blocks cannot be read",
                         key, expected, found);
}

void require_flag(const JsonConfig& config, std::string_view key, bool expected) {
  if (config.flag(key).value_or(expected) == expected) return;
  throw UnsupportedError(config.where(), "expected {} {}, found {}; such blocks cannot be read",
                         key, expected, !expected);
}

LmConfig read_llama(const JsonConfig& config) {
  LmConfig out;
  out.dim = config.require("hidden_size");
  out.layers = config.require("num_hidden_layers");
  out.heads = config.require("num_attention_heads");
  out.kv_heads = config.integer("num_key_value_heads").value_or(out.heads);
  out.hidden = config.require("intermediate_size");
  out.vocabulary = config.integer("vocab_size").value_or(0);
  out.context = config.integer("max_position_embeddings").value_or(0);
  out.norm_eps = config.number("rms_norm_eps").value_or(1e-6);
  out.rope_theta = config.number("rope_theta").value_or(10000.0);
  if (const auto rope = config.section("rope_parameters")) {  // newer files
    out.rope_theta = rope->number("rope_theta").value_or(out.rope_theta);
  }
  require_word(config, "hidden_act", "silu");
  require_flag(config, "attention_bias", false);
  require_flag(config, "mlp_bias", false);
  if (const std::int64_t width = config.integer("head_dim").value_or(out.head_dim());
      width != out.head_dim()) {
    throw UnsupportedError(config.where(),
                           "expected heads of width hidden_size/num_attention_heads = {}, found "
                           "{}; such blocks cannot be read",
                           out.head_dim(), width);
  }
  return out;
}

LmConfig read_opt(const JsonConfig& config) {
  LmConfig out;
  out.kind = "opt";
  out.dim = config.require("hidden_size");
  out.layers = config.require("num_hidden_layers");
  out.heads = config.require("num_attention_heads");
  out.kv_heads = out.heads;
  out.hidden = config.require("ffn_dim");
  out.vocabulary = config.integer("vocab_size").value_or(0);
  out.context = config.integer("max_position_embeddings").value_or(0);
  out.norm = arch::Norm::kLayer;
  out.norm_eps = 1e-5;  // the framework's default, which no config states
  out.bias = config.flag("enable_bias").value_or(true);
  out.relu = true;
  out.post_norm = !config.flag("do_layer_norm_before").value_or(true);
  out.rope_theta = 0.0;
  require_word(config, "activation_function", "relu");
  require_flag(config, "layer_norm_elementwise_affine", true);
  return out;
}

}  // namespace

bool is_hugging_face_config(const fs::path& config_json) {
  return find_kind(JsonConfig(config_json)) != nullptr;
}

Opened open_hugging_face(const fs::path& path) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  const JsonConfig config((is_folder ? path : path.parent_path()) / "config.json");
  const Kind& kind = require_kind(config);
  Opened out;
  out.where = path.string();
  out.config = kind.read(config);
  out.config.validate(config.where());
  out.naming = &kind.naming();
  out.parts.push_back(open_checkpoint(path));
  out.base = find_base(*out.naming, *out.parts.front());
  return out;
}

}  // namespace conopa::llm
