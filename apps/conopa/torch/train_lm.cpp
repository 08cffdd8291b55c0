// What `conopa train-lm` does.

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numbers>

#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/core/signal.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/model_folder.h"
#include "conopa/llm/write.h"
#include "conopa/tasks/runtime.h"
#include "conopa/text/corpus.h"
#include "conopa/train/language_model.h"
#include "conopa/train/options.h"
#include "settings.h"
#include "torch/parts.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSampleTokens = 160;

/// A run from the words of the command to its files.
class LanguageRun {
 public:
  LanguageRun(const Context& context, const LanguageCommand& options)
      : context_(context),
        options_(options),
        tokenizer_(text::open_tokenizer(options.tokenizer)),
        spec_(spec()) {
    check_output();
  }

  int run() {
    tasks::set_compute_threads(options_.threads);
    const std::vector<fs::path> paths(options_.text.begin(), options_.text.end());
    constexpr std::int64_t kMegabyte = 1'000'000;
    corpus_ = text::read_corpus(paths, *tokenizer_, options_.max_mb * kMegabyte);
    if (!context_.quiet) {
      log_info("{} files, {:.1f} MB of text, {} tokens; {} files left out", corpus_.files,
               static_cast<double>(corpus_.bytes) / 1e6, corpus_.tokens.size(), corpus_.skipped);
    }
    nn::Encoder model(spec_, tasks::select_device(options_.device));
    model.parameters().initialize(static_cast<std::uint64_t>(options_.seed));
    points_ = train::train_language_model(
        model, corpus_.tokens, training(),
        [this](const train::LanguageModelPoint& point) { return show(point); });
    if (stop_.requested()) return static_cast<int>(ExitCode::kInterrupted);
    write(model);
    print(model);
    return 0;
  }

 private:
  arch::EncoderSpec spec() const {
    arch::EncoderSpec spec = arch::preset_spec(options_.preset);
    spec.vocabulary = spec.num_classes = tokenizer_->vocabulary();
    spec.end_token = tokenizer_->eos();
    apply_settings(spec, options_.set, "--set");
    spec.resolve();
    return spec;
  }

  void check_output() const {
    std::error_code ignored;
    if (options_.force || !fs::exists(fs::path(options_.out) / "model", ignored)) return;
    throw IoError(options_.out,
                  "the folder holds a model already; choose another --out, or replace it with "
                  "--force");
  }

  [[nodiscard]] train::LanguageModelOptions training() const {
    train::LanguageModelOptions out;
    constexpr std::int64_t kWarmupShare = 20;
    constexpr double kFinalShare = 0.1;
    out.steps = options_.steps;
    out.batch = options_.batch;
    out.lr_peak = options_.lr;
    out.lr_final = kFinalShare * options_.lr;
    out.warmup = options_.warmup >= 0 ? options_.warmup : options_.steps / kWarmupShare;
    out.eval_every = options_.eval_every;
    out.seed = options_.seed;
    out.precision = enum_from_name<nn::Precision>(options_.precision).value();
    return out;
  }

  // Text is compared by bytes, which every tokenizer has in common.
  [[nodiscard]] double bits_per_byte(double nats) const {
    const double per_byte =
        static_cast<double>(corpus_.tokens.size()) / static_cast<double>(corpus_.bytes);
    return nats * per_byte / std::numbers::ln2;
  }

  bool show(const train::LanguageModelPoint& point) const {
    if (!context_.quiet) {
      log_info("step {}/{}: training loss {:.3f}, held-out loss {:.3f} ({:.2f} bits a byte)",
               point.step, options_.steps, point.train_loss, point.held_out_loss,
               bits_per_byte(point.held_out_loss));
    }
    return !stop_.requested();
  }

  void write(const nn::Encoder& model) const {
    const fs::path out = options_.out;
    std::error_code ignored;
    fs::create_directories(out, ignored);
    const llm::LmTensors tensors = model.parameters().to_host();
    std::vector<NamedTensor> named;
    for (const auto& [name, tensor] : tensors) named.push_back({name, tensor});
    write_model_folder(out / "model", {.config_json = arch::spec_to_json(spec_), .tensors = named},
                       {.overwrite = options_.force});
    const llm::LmConfig config = train::language_config(spec_);
    llm::write_meta(out / "meta", config, tensors);
    llm::write_hf(out / "hf", config, tensors);
    std::string table = "step,train_loss,held_out_loss,held_out_bits_per_byte\n";
    for (const train::LanguageModelPoint& point : points_) {
      table += fmt::format("{},{:.5f},{:.5f},{:.5f}\n", point.step, point.train_loss,
                           point.held_out_loss, bits_per_byte(point.held_out_loss));
    }
    write_file_atomically(out / "summary.csv", table);
  }

  // The bytes of a continuation; other tokenizers do not turn ids back into text.
  [[nodiscard]] std::string sample(const nn::Encoder& model) const {
    constexpr double kTemperature = 0.7;
    constexpr std::int64_t kBytes = 256;
    if (options_.prompt.empty() || options_.tokenizer != "bytes") return {};
    const auto tokens =
        train::continue_text(model, tokenizer_->encode(options_.prompt), kSampleTokens,
                             kTemperature, static_cast<std::uint64_t>(options_.seed));
    std::string out;
    for (const std::int64_t token : tokens) {
      if (token >= kBytes) break;
      const auto byte = static_cast<char>(token);
      // A terminal shall not obey the model.
      const bool shown = byte == '\n' || (byte >= ' ' && byte != '\x7f');
      out += shown ? byte : '?';
    }
    return out;
  }

  void print(const nn::Encoder& model) const {
    const train::LanguageModelPoint& last = points_.back();
    const std::string text = sample(model);
    if (context_.json) {
      const nlohmann::ordered_json out{
          {"folder", options_.out},
          {"files", corpus_.files},
          {"tokens", corpus_.tokens.size()},
          {"steps", last.step},
          {"train_loss", last.train_loss},
          {"held_out_loss", last.held_out_loss},
          {"held_out_bits_per_byte", bits_per_byte(last.held_out_loss)},
          {"sample", text}};
      fmt::print("{}\n", out.dump());
      return;
    }
    fmt::print("held-out loss {:.3f} nats a token, {:.2f} bits a byte\n", last.held_out_loss,
               bits_per_byte(last.held_out_loss));
    if (!text.empty()) fmt::print("sample        {}\n", text);
    const fs::path out = options_.out;
    for (const char* part : {"model", "meta", "hf"}) {
      fmt::print("{:<13} {}\n", part, (out / part).string());
    }
  }

  const Context& context_;
  const LanguageCommand& options_;
  StopRequest stop_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  arch::EncoderSpec spec_;
  text::Corpus corpus_;
  std::vector<train::LanguageModelPoint> points_;
};

}  // namespace

int run_train_lm(const Context& context, const LanguageCommand& options) {
  return LanguageRun(context, options).run();
}

}  // namespace conopa::app
