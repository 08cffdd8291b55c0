#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "conopa/engine/model.h"

namespace conopa::engine {

struct SessionOptions {
  int threads = 0;  ///< of the session's team, the caller included; 0: as OpenMP (one per core)
  std::int64_t max_batch = 8;  ///< images that pass through the network together

  /// @throws ConfigError for a value out of range.
  void validate() const;
};

/// What a run writes; an empty span is not wanted.
struct Outputs {
  std::span<float> logits{};    ///< [B, spec.outputs()]: classes, or the projection
  std::span<float> features{};  ///< [B, D] what the head reads, behind final norm and pooling
};

/// An intermediate result: rows of the residual stream, or of the final norm.
struct LayerRows {
  std::string_view name;  ///< as in LayerInfo
  std::int64_t first_image = 0;
  std::int64_t images = 0;
  std::int64_t tokens = 0;  ///< N
  std::int64_t width = 0;   ///< D
  const float* rows = nullptr;
  std::int64_t stride = 0;  ///< elements from token to token; image b begins at row b*N

  [[nodiscard]] std::span<const float> row(std::int64_t image, std::int64_t token) const noexcept {
    return {rows + (image * tokens + token) * stride, static_cast<std::size_t>(width)};
  }
};

/// Called with every intermediate result of a run, in the order of the layers and a batch at a
/// time; the rows are valid during the call.
using Observer = std::function<void(const LayerRows&)>;

/// What a run may be told besides its images.
struct RunOptions {
  /// [B], 0..N: the first tokens of an image that all its tokens see, behind which each sees what
  /// is before it. Empty: every token sees all. Of models with mask = "prefix_causal" alone.
  std::span<const std::int64_t> prefix{};
  Observer observer{};  ///< empty: nobody looks
};

/// The linear layers of a block that read the same rows.
enum class LinearReader : std::uint8_t {
  kAttention,    ///< queries, keys and values (without the keys if they are pooled), and pooling
  kPooledKeys,   ///< keys and values behind the norm of pooled keys
  kProjection,   ///< output of attention
  kFeedForward,  ///< gate and up
  kDown
};

/// Rows that enter linear layers.
struct InputRows {
  std::int64_t block = 0;  ///< over the whole encoder
  LinearReader reader = LinearReader::kAttention;
  std::int64_t count = 0;
  std::int64_t width = 0;
  const float* rows = nullptr;
  std::int64_t stride = 0;  ///< elements from row to row
};

/// Called with the inputs of every linear layer of the blocks; the rows are valid during the call.
using InputObserver = std::function<void(const InputRows&)>;

/// Runs a model for one caller: the arena and a team of threads. After the first run nothing is
/// allocated. One session serves one thread at a time; sessions of one model are independent.
class Session {
 public:
  /// @throws ConfigError as SessionOptions::validate.
  explicit Session(Model model, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;

  [[nodiscard]] const Model& model() const noexcept;
  [[nodiscard]] int threads() const noexcept;
  [[nodiscard]] std::int64_t max_batch() const noexcept;
  /// Bytes of activations.
  [[nodiscard]] std::int64_t arena_bytes() const noexcept;

  /// Runs `batch` images (any number, max_batch at a time).
  ///
  /// The result of an image does not depend on the batch that it is in nor on the threads.
  /// @param images  [B, C, H, W] float32 of the model's size, normalised.
  /// @throws ShapeError if a span has not the size that the batch and the model say.
  /// ConfigError if the model reads tokens.
  void run(std::span<const float> images, std::int64_t batch, const Outputs& outputs);

  /// The same, and shows every intermediate result; the exact shortcuts for results nobody reads
  /// are off.
  void run(std::span<const float> images, std::int64_t batch, const Outputs& outputs,
           const Observer& observer);

  /// The same with options.
  /// @throws ShapeError for a prefix out of range, ConfigError for prefixes of a model with another
  ///         mask; as above.
  void run(std::span<const float> images, std::int64_t batch, const Outputs& outputs,
           const RunOptions& options);

  /// Runs `batch` sequences of token numbers.
  /// @param tokens  [B, width], each below the vocabulary.
  /// @throws ShapeError for a token out of range, or a sequence without the end token that the
  ///         read-out looks for; ConfigError if the model reads images; as run.
  void run_tokens(std::span<const std::int64_t> tokens, std::int64_t batch, const Outputs& outputs,
                  const RunOptions& options = {});

  /// What the model's decoder expects at every patch: place k predicts the patch at place k + 1.
  /// @param images   [B, C, H, W] as run.
  /// @param prefix   [B] as RunOptions, or empty.
  /// @param patches  [B, N, patch_outputs]: pixels (row, column, channel) or scores of codes.
  /// @throws ConfigError if the model was loaded without ModelOptions::decoder; as run.
  void predict_patches(std::span<const float> images, std::int64_t batch,
                       std::span<const std::int64_t> prefix, std::span<float> patches);

  /// Shows the inputs of linear layers in all later runs, with the shortcuts off; an empty function
  /// ends that. Costs nothing while there is none.
  /// @throws ConfigError unless the model runs in fp32.
  void observe_inputs(InputObserver observer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conopa::engine
