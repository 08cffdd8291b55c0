// conopa inspect of language models.

#include "inspect_language.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "conopa/arch/spec_enums.h"
#include "conopa/core/fields.h"
#include "conopa/core/system.h"
#include "conopa/llm/source.h"

namespace conopa::app {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const llm::LmSource& source, bool tensors) {
  const llm::LmConfig& config = source.config();
  Json out{{"source", source.describe()},
           {"kind", config.kind},
           {"layers", config.layers},
           {"dim", config.dim},
           {"heads", config.heads},
           {"kv_heads", config.kv_heads},
           {"hidden", config.hidden},
           {"vocabulary", config.vocabulary},
           {"context", config.context},
           {"norm", enum_name(config.norm)},
           {"norm_eps", config.norm_eps},
           {"post_norm", config.post_norm},
           {"bias", config.bias},
           {"mlp", config.relu ? "relu" : "swiglu"},
           {"rope_theta", config.rope_theta},
           {"layer_parameters", config.layer_parameters()}};
  if (!tensors) return Json{{"language_model", out}};
  for (const auto& [name, tensor] : source.layer(config.layers - 1)) {
    out["tensors"][name] = {{"dtype", dtype_name(tensor.dtype())}, {"shape", tensor.shape()}};
  }
  return Json{{"language_model", out}};
}

/// A number that a source may not tell.
std::string known(std::int64_t value) { return value > 0 ? std::to_string(value) : "not stated"; }

void print(const llm::LmSource& source, bool tensors) {
  const llm::LmConfig& config = source.config();
  fmt::print("language    {}\n", config.summary());
  fmt::print("source      {}\n", source.describe());
  fmt::print("block       {} {} norms (epsilon {}), {}, {} biases, {}\n",
             config.post_norm ? "post" : "pre", enum_name(config.norm), config.norm_eps,
             config.relu ? "ReLU" : "SwiGLU", config.bias ? "with" : "no",
             config.rope_theta > 0.0 ? fmt::format("rotary base {}", config.rope_theta)
                                     : "no rotary positions");
  fmt::print("vocabulary  {}\ncontext     {}\n", known(config.vocabulary), known(config.context));
  fmt::print("parameters  {} a layer ({})\n", config.layer_parameters(),
             format_count(static_cast<double>(config.layer_parameters())));
  if (!tensors) return;
  for (const auto& [name, tensor] : source.layer(config.layers - 1)) {
    fmt::print("{:<44} {:<5} {}\n", name, dtype_name(tensor.dtype()), to_string(tensor.shape()));
  }
}

}  // namespace

int inspect_language(const Context& context, const std::filesystem::path& path, bool tensors) {
  const llm::LmSource source = llm::LmSource::open(path);
  if (context.json) {
    fmt::print("{}\n",
               to_json(source, tensors).dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    print(source, tensors);
  }
  return 0;
}

}  // namespace conopa::app
