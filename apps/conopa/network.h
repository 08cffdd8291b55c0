#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "command.h"
#include "conopa/core/host_tensor.h"
#include "conopa/core/work_team.h"
#include "conopa/engine/model.h"
#include "model_store.h"

namespace conopa::app {

/// How a model is run: what was typed after --engine, --precision, --threads and --device.
struct EngineOptions {
  std::string engine = "native";   ///< or "torch"
  std::string precision = "auto";  ///< "fp32", "bf16"; native also "int8"
  std::int64_t threads = 0;        ///< 0 = one per core
  std::string device = "auto";

  /// @throws UsageError for values that do not go together.
  void validate() const;
  [[nodiscard]] bool native() const { return engine == "native"; }
};

/// Checks the options, and starts the program with libtorch if they ask for it. To be called before
/// a command reads its standard input or writes anything.
/// @throws as EngineOptions::validate and need_torch.
void prepare_engine(const Context& context, const EngineOptions& options);

/// Adds the four options to a command.
void add_engine_options(CLI::App& command, EngineOptions& options);

/// Adds --threads alone, 0 to 4096.
void add_threads_option(CLI::App& command, std::int64_t& threads);

/// Everything that a network computes for a batch of images, by layer.
struct LayerValues {
  std::string name;  ///< as engine::LayerRows, then "features" and "logits"
  Shape shape;       ///< [B, N, D]; of features and logits [B, D]
  std::vector<float> values;
};

/// A stored model made ready by one of the engines. Not thread-safe.
class Network {
 public:
  virtual ~Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// Engine, precision and instruction set, "native bf16 (avx512_bf16)".
  [[nodiscard]] virtual std::string description() const = 0;

  /// "fp32", "bf16" or "int8".
  [[nodiscard]] virtual std::string_view precision() const = 0;

  /// @param images  [B, C, H, W] float32, of which the first `count` >= 1 are used; token numbers
  ///                [B, width] int64 of models that read tokens.
  /// @return        [count, outputs] row-major; the model must have a head.
  [[nodiscard]] virtual std::vector<float> logits(const HostTensor& images, std::int64_t count) = 0;

  /// The same with every intermediate result, from the first layer to the last. Logits are left
  /// out if the model has no head.
  [[nodiscard]] virtual std::vector<LayerValues> layers(const HostTensor& images,
                                                        std::int64_t count) = 0;

  /// What captures() can give: the layers of the network in its order, and of libtorch also
  /// branches ("block3_attn_out", "block3_mlp_out") and attention ("block3_attn_map"), sorted by
  /// name. Costs libtorch a pass over one blank image.
  [[nodiscard]] virtual std::vector<std::string> capture_names() = 0;

  /// Some intermediate results of a batch: tokens [B, N, D], attention [B, H, N, N].
  /// @param names  of capture_names().
  /// @return       in the order of the names; one that is unknown is left out.
  [[nodiscard]] virtual std::vector<LayerValues> captures(const HostTensor& images,
                                                          std::int64_t count,
                                                          std::span<const std::string> names) = 0;

 protected:
  Network() = default;
};

/// Makes a model ready.
/// @param spec   resolved; may differ from the model's in image size and in what changes no weight
///               but a position embedding.
/// @param batch  most images in a call, so that memory fits.
/// @throws FormatError if weights are missing or have another shape, UnsupportedError if the engine
///         cannot run the model or this build has none.
[[nodiscard]] std::unique_ptr<Network> make_network(const Context& context,
                                                    const StoredModel& model,
                                                    const arch::EncoderSpec& spec,
                                                    const EngineOptions& options,
                                                    std::int64_t batch);

/// Options of the native engine alone.
struct NativeOptions {
  engine::Precision precision = engine::Precision::kAuto;
  std::optional<kernels::Isa> isa{};  ///< nothing: the best
  int threads = 0;
  std::int64_t batch = 1;
};
[[nodiscard]] std::unique_ptr<Network> make_native_network(const StoredModel& model,
                                                           const arch::EncoderSpec& spec,
                                                           const NativeOptions& options);

/// Packs a stored model for the native engine under another spec, as make_network describes it.
[[nodiscard]] engine::Model load_native(const StoredModel& model, const arch::EncoderSpec& spec,
                                        engine::Precision precision,
                                        std::optional<kernels::Isa> isa = {});

/// Images that go through the native engine together when `wanted` are at hand: enough rows to fill
/// the kernels, few enough for activations to stay in the caches.
[[nodiscard]] std::int64_t native_batch(const arch::EncoderSpec& spec, std::int64_t wanted);

/// The threads that a command shares between decoding and packing: parallel_for on the calling
/// thread uses them and starts no OpenMP team. libtorch has its own team, so nothing happens for
/// it.
class ComputeThreads {
 public:
  /// @throws RunError if the threads cannot be started.
  explicit ComputeThreads(const EngineOptions& options);

 private:
  std::optional<WorkTeam> team_;
  std::optional<TeamScope> scope_;
};

/// Refuses a model without classes.
/// @throws ConfigError naming it.
void require_classifier(const StoredModel& model);

}  // namespace conopa::app
