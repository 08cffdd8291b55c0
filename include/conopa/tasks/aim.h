#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conopa/arch/visit_order.h"
#include "conopa/codebook/codebook.h"
#include "conopa/core/fields.h"
#include "conopa/nn/autoregressor.h"
#include "conopa/nn/patch_mask.h"
#include "conopa/tasks/task.h"
#include "conopa/text/tokenizer.h"

namespace conopa::tasks {

/// `[aim]` of a recipe: what an autoregressive run predicts.
struct AimOptions {
  arch::VisitOrder order = arch::VisitOrder::kRaster;  ///< in which patches follow each other
  bool norm_pix = true;             ///< predict patches in units of their own mean and deviation
  std::string codebook{};           ///< predict the nearest code of this file; empty: pixels
  double pixel_weight = 0.4;        ///< of the pixel loss beside captions
  double caption_weight = 1.0;      ///< of the text loss
  std::string tokenizer = "bytes";  ///< of captions, or a vocabulary's path

  void visit(FieldVisitor& v);
  /// @throws ConfigError naming the field that is out of range.
  void validate() const;
  /// @throws ConfigError if a model of the spec has no decoder for it.
  void validate_for(const arch::EncoderSpec& spec) const;
};

/// Autoregressive pre-training: predict every patch behind the prefix from those before it, and
/// the words of a caption.
///
/// The loss is the mean error over all patches of the batch that are no prefix, not per image.
/// Prefixes are uniform on 1..N−1 and, like fresh orders, a function of (seed, epoch, place in the
/// dataset); models with mask = "causal" have none. An order permutes the tokens with their
/// positions, and so the targets. Beside captions the loss is pixel_weight times that plus
/// caption_weight times the mean cross entropy of the words and the end token.
/// @source AIM (arXiv 2401.08541), section 4; AIMv2 (arXiv 2411.14402), section 2.
class AimTask final : public Task {
 public:
  /// @throws ConfigError, FormatError as options.validate_for(), or if the codebook or the
  ///         tokenizer does not fit the model.
  explicit AimTask(nn::Encoder encoder, const AimOptions& options = {});

  [[nodiscard]] const arch::EncoderSpec& spec() const noexcept override { return model_.spec(); }
  [[nodiscard]] nn::Parameters& parameters() noexcept override { return model_.parameters(); }

  [[nodiscard]] StepOutput loss(const data::Batch& batch, const StepContext& context) override;

  /// Values: loss, and with captions pixel_loss, text_loss and word_accuracy; primary loss, the
  /// lower the better. Prefixes and orders are those of seed 0 and epoch 0. Keeps pictures of at
  /// most 4 images: input, prefix, the patches predicted one by one, and a roll-out that reads its
  /// own predictions; patches are brought back to the true mean and deviation.
  [[nodiscard]] Evaluation evaluate(data::Loader& loader, const EvaluateOptions& options) override;

 private:
  /// What one pass gives; scalars are on the model's device.
  struct Pass {
    nn::ForwardOptions options;
    at::Tensor images;
    at::Tensor words;  ///< [B, T], undefined without captions
    nn::Prediction prediction;
    at::Tensor patch_loss, text_loss, loss;
  };

  /// Sums over an evaluation, so that its means do not depend on the size of batches.
  struct Totals {
    double patch_loss = 0.0, places = 0.0;  ///< places that are no prefix
    double text_loss = 0.0, words = 0.0, right = 0.0;
  };

  void add(const Pass& pass, Totals& totals) const;
  [[nodiscard]] std::vector<std::pair<std::string, double>> values(const Totals& totals) const;
  [[nodiscard]] Pass forward(const data::Batch& batch, const nn::NoiseKey& key,
                             nn::ForwardOptions options) const;
  [[nodiscard]] at::Tensor patch_loss(const Pass& pass) const;
  [[nodiscard]] at::Tensor words_of(const data::Batch& batch) const;
  [[nodiscard]] at::Tensor counted_words(const at::Tensor& words) const;
  [[nodiscard]] at::Tensor in_order(const at::Tensor& places, const nn::ForwardOptions& o) const;
  [[nodiscard]] at::Tensor denormalised(const at::Tensor& predicted,
                                        const at::Tensor& pixels) const;
  [[nodiscard]] Reconstruction pictures(const Pass& pass, std::int64_t row) const;

  nn::Autoregressor model_;
  AimOptions options_;
  std::optional<codebook::Codebook> codebook_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
};

}  // namespace conopa::tasks
