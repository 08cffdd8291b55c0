#pragma once

#include <string>
#include <vector>

namespace conopa::report {

/// One measured number of the model card.
struct CardResult {
  std::string task = "image-classification";  ///< Hugging Face task id
  std::string dataset{};                      ///< readable name, "Fashion-MNIST"
  std::string dataset_id{};                   ///< hub-style id, "fashion_mnist"
  std::string split{};                        ///< "test"
  std::string metric{};                       ///< metric id, "accuracy"
  std::string metric_name{};                  ///< readable name, "Top-1 accuracy"
  double value = 0.0;
};

/// What the README.md of a model folder says. Empty parts are left out.
struct ModelCard {
  std::string name{};
  std::string license{};  ///< SPDX id in lower case, as hubs spell it: "apache-2.0"
  std::vector<std::string> tags{};
  std::vector<std::string> datasets{};  ///< ids
  std::vector<std::string> metrics{};   ///< ids
  std::vector<CardResult> results{};

  std::string summary{};       ///< a paragraph under the title (Markdown, as all texts below)
  std::string use{};           ///< what the model is for, and the command that uses it
  std::string data{};          ///< training data and preprocessing
  std::string limits{};        ///< what it cannot do
  std::string reproduction{};  ///< how to get these numbers again
};

/// Renders the card: YAML front matter (license, library_name conopa, tags, datasets, metrics,
/// model-index with the results), then the sections Use, Data, Results, Limits, How to reproduce.
/// Strings are quoted, so that no value can break the YAML.
[[nodiscard]] std::string render_model_card(const ModelCard& card);

}  // namespace conopa::report
