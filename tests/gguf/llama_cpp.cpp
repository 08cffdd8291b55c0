#include "tests/gguf/llama_cpp.h"

#include <dlfcn.h>

#include <array>
#include <cstddef>
#include <stdexcept>

namespace conopa::testing {
namespace {

// The part of the C interface that is needed here, as the version that tests/npm/package.json pins
// has it (llama.cpp v0.5.0). The structs go by value through memory: what lies behind the fields
// that are set is taken from the library's defaults, and the spare room covers it.
struct ModelParams {
  void* devices;
  const void* overrides;
  std::int32_t gpu_layers;
  std::array<std::byte, 236> rest;
};
struct ContextParams {
  std::uint32_t n_ctx;
  std::uint32_t n_batch;
  std::uint32_t n_ubatch;
  std::uint32_t n_seq_max;
  std::uint32_t n_rs_seq;
  std::uint32_t n_outputs_max;
  std::uint32_t n_outputs_max_per_seq;
  std::int32_t n_threads;
  std::int32_t n_threads_batch;
  std::int32_t context_type;
  std::int32_t rope_scaling_type;
  std::int32_t pooling_type;
  std::int32_t attention_type;
  std::int32_t flash_attn_type;
  std::array<float, 6> rope;
  std::uint32_t yarn_orig_ctx;
  float defrag_thold;
  void* eval_callback;
  void* eval_callback_data;
  std::int32_t type_k;
  std::int32_t type_v;
  void* abort_callback;
  void* abort_callback_data;
  bool embeddings;
  std::array<std::byte, 255> rest;
};
static_assert(offsetof(ContextParams, type_k) == 104 && offsetof(ContextParams, embeddings) == 128);
struct Batch {
  std::int32_t n_tokens;
  std::int32_t* token;
  float* embd;
  std::int32_t* pos;
  std::int32_t* n_seq_id;
  std::int32_t** seq_id;
  std::int8_t* logits;
};
constexpr std::int32_t kNoPooling = 0;
constexpr std::int32_t kNoFlash = 0;
constexpr std::int32_t kTypeF32 = 0;

void append_log(int, const char* text, void* log) { *static_cast<std::string*>(log) += text; }

std::filesystem::path find_library(const std::filesystem::path& folder, const std::string& stem) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(stem + ".") && name.ends_with(".so")) return entry.path();
  }
  throw std::runtime_error("no " + stem + " in " + folder.string());
}

void* open_library(const std::filesystem::path& path) {
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(::dlerror());
  return handle;
}

template <typename Function>
void bind(void* handle, const char* name, Function*& out) {
  out = reinterpret_cast<Function*>(::dlsym(handle, name));
  if (out == nullptr) throw std::runtime_error(std::string("no function ") + name);
}

}  // namespace

struct LlamaCpp::Library {
  explicit Library(const std::filesystem::path& folder) {
    void* ggml = open_library(find_library(folder, "libggml"));
    void* llama = open_library(find_library(folder, "libllama"));
    bind(ggml, "ggml_backend_load_all_from_path", load_backends);
    bind(llama, "llama_log_set", set_log);
    bind(llama, "llama_model_default_params", model_defaults);
    bind(llama, "llama_context_default_params", context_defaults);
    bind(llama, "llama_model_load_from_file", load_model);
    bind(llama, "llama_model_free", free_model);
    bind(llama, "llama_init_from_model", make_context);
    bind(llama, "llama_free", free_context);
    bind(llama, "llama_decode", decode);
    bind(llama, "llama_get_embeddings_ith", state_of);
    bind(llama, "llama_get_logits_ith", logits_of);
    set_log(append_log, &log);
    load_backends(folder.c_str());
  }

  std::string log;
  void (*load_backends)(const char*) = nullptr;
  void (*set_log)(void (*)(int, const char*, void*), void*) = nullptr;
  ModelParams (*model_defaults)() = nullptr;
  ContextParams (*context_defaults)() = nullptr;
  void* (*load_model)(const char*, ModelParams) = nullptr;
  void (*free_model)(void*) = nullptr;
  void* (*make_context)(void*, ContextParams) = nullptr;
  void (*free_context)(void*) = nullptr;
  std::int32_t (*decode)(void*, Batch) = nullptr;
  float* (*state_of)(void*, std::int32_t) = nullptr;
  float* (*logits_of)(void*, std::int32_t) = nullptr;
};

LlamaCpp::LlamaCpp(const std::filesystem::path& folder)
    : library_(std::make_unique<Library>(folder)) {}
LlamaCpp::~LlamaCpp() { library_->set_log(nullptr, nullptr); }

namespace {

/// A batch of one sequence, all of whose tokens are read.
class EmbeddingBatch {
 public:
  EmbeddingBatch(std::span<const float> embeddings, std::size_t tokens)
      : embeddings_(embeddings.begin(), embeddings.end()),
        counts_(tokens, 1),
        sequences_(tokens, &sequence_),
        wanted_(tokens, 1) {
    for (std::size_t i = 0; i < tokens; ++i) positions_.push_back(static_cast<std::int32_t>(i));
  }

  [[nodiscard]] Batch view() {
    return {static_cast<std::int32_t>(positions_.size()),
            nullptr,
            embeddings_.data(),
            positions_.data(),
            counts_.data(),
            sequences_.data(),
            wanted_.data()};
  }

 private:
  std::int32_t sequence_ = 0;
  std::vector<float> embeddings_;
  std::vector<std::int32_t> positions_;
  std::vector<std::int32_t> counts_;
  std::vector<std::int32_t*> sequences_;
  std::vector<std::int8_t> wanted_;
};

}  // namespace

LlamaOutput LlamaCpp::run(const std::filesystem::path& model, std::span<const float> embeddings,
                          std::int64_t width, std::int64_t vocabulary) {
  Library& lib = *library_;
  lib.log.clear();
  const auto require = [&lib](bool good, const char* doing) {
    if (!good) throw std::runtime_error(std::string("llama.cpp cannot ") + doing + ":\n" + lib.log);
  };
  ModelParams model_params = lib.model_defaults();
  model_params.gpu_layers = 0;
  const std::unique_ptr<void, void (*)(void*)> loaded(lib.load_model(model.c_str(), model_params),
                                                      lib.free_model);
  require(loaded != nullptr, "load the model");
  const std::size_t tokens = embeddings.size() / static_cast<std::size_t>(width);
  ContextParams params = lib.context_defaults();
  params.n_ctx = params.n_batch = params.n_ubatch = static_cast<std::uint32_t>(tokens);
  params.n_threads = params.n_threads_batch = 1;
  params.pooling_type = kNoPooling;
  params.flash_attn_type = kNoFlash;
  params.type_k = params.type_v = kTypeF32;
  params.embeddings = true;
  const std::unique_ptr<void, void (*)(void*)> context(lib.make_context(loaded.get(), params),
                                                       lib.free_context);
  require(context != nullptr, "make a context");
  EmbeddingBatch batch(embeddings, tokens);
  require(lib.decode(context.get(), batch.view()) == 0, "decode");
  LlamaOutput out;
  for (std::size_t i = 0; i < tokens; ++i) {
    const float* state = lib.state_of(context.get(), static_cast<std::int32_t>(i));
    const float* logits = lib.logits_of(context.get(), static_cast<std::int32_t>(i));
    require(state != nullptr && logits != nullptr, "give its results");
    out.states.insert(out.states.end(), state, state + width);
    out.logits.insert(out.logits.end(), logits, logits + vocabulary);
  }
  return out;
}

}  // namespace conopa::testing
