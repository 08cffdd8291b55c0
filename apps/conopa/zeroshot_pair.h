#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "command.h"
#include "conopa/text/tokenizer.h"
#include "model_store.h"
#include "network.h"
#include "pair_folder.h"

namespace conopa::app {

/// The models of a pair, opened; their weights stay on disk.
struct OpenedPair {
  PairFolder folder;
  StoredModel image;
  StoredModel text;

  /// Of the vectors that both put out.
  [[nodiscard]] std::int64_t width() const { return image.spec.outputs(); }
};

/// Opens a pair folder and checks that its models belong together.
/// @throws ConfigError if it is none or a model lacks its part (images, texts, a projection of one
///         width); as read_pair_folder and open_model.
[[nodiscard]] OpenedPair open_pair(const std::filesystem::path& path);

/// Opens the vocabulary of a pair's text model: a path, or "bytes".
/// @throws ConfigError if its numbers do not fit the model; as text::open_tokenizer.
[[nodiscard]] std::unique_ptr<text::Tokenizer> open_vocabulary(const OpenedPair& pair,
                                                               const std::string& vocabulary);

/// What every text of a zero-shot classifier is made from.
struct PromptOptions {
  std::vector<std::string> classes;
  std::vector<std::string> templates;  ///< each with {}
};

/// Unit vectors of the classes, [classes, width], by the pair's text model.
///
/// Texts that are too long for the model lose their end, with a warning that counts them.
/// @throws FormatError naming a class that is not UTF-8; as engine::Model::load.
/// @complexity a pass of the text model for every class and template; a batch of them in memory.
[[nodiscard]] std::vector<float> class_vectors(const Context& context, const OpenedPair& pair,
                                               const text::Tokenizer& tokenizer,
                                               const PromptOptions& prompts,
                                               const EngineOptions& engine);

}  // namespace conopa::app
