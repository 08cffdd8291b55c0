#include "conopa/report/model_card.h"

#include <gtest/gtest.h>

#include "tests/report/xml_check.h"

namespace conopa::report {
namespace {

ModelCard example() {
  ModelCard card;
  card.name = "illama-fmnist";
  card.license = "apache-2.0";
  card.tags = {"image-classification", "illama"};
  card.datasets = {"fashion_mnist"};
  card.metrics = {"accuracy"};
  card.results = {{.dataset = "Fashion-MNIST",
                   .dataset_id = "fashion_mnist",
                   .split = "test",
                   .metric = "accuracy",
                   .metric_name = "Top-1 accuracy",
                   .value = 0.9157}};
  card.use = "Run `conopa predict MODEL image.png`.\n";
  card.limits = "Grayscale clothes only.";
  return card;
}

TEST(ModelCardTest, FrontMatterIsAsHubsReadIt) {
  const std::string expected =
      "---\n"
      "license: \"apache-2.0\"\n"
      "library_name: conopa\n"
      "tags:\n- \"image-classification\"\n- \"illama\"\n"
      "datasets:\n- \"fashion_mnist\"\n"
      "metrics:\n- \"accuracy\"\n"
      "model-index:\n"
      "- name: \"illama-fmnist\"\n"
      "  results:\n"
      "  - task:\n"
      "      type: \"image-classification\"\n"
      "    dataset:\n"
      "      name: \"Fashion-MNIST\"\n"
      "      type: \"fashion_mnist\"\n"
      "      split: \"test\"\n"
      "    metrics:\n"
      "    - type: \"accuracy\"\n"
      "      name: \"Top-1 accuracy\"\n"
      "      value: 0.9157\n"
      "---\n";
  EXPECT_EQ(render_model_card(example()).substr(0, expected.size()), expected);
}

TEST(ModelCardTest, SectionsFollowInOrderAndEmptyOnesAreLeftOut) {
  const std::string card = render_model_card(example());
  const std::size_t use = card.find("\n## Use\n\nRun `conopa predict MODEL image.png`.\n\n");
  const std::size_t results = card.find(
      "\n## Results\n\n| dataset | split | metric | value |\n|---|---|---|---|\n"
      "| Fashion-MNIST | test | Top-1 accuracy | 0.9157 |\n");
  const std::size_t limits = card.find("\n## Limits\n\nGrayscale clothes only.\n");
  EXPECT_LT(use, results);
  EXPECT_LT(results, limits);
  EXPECT_NE(limits, std::string::npos);
  EXPECT_EQ(card.find("## Data"), std::string::npos);
}

TEST(ModelCardTest, ValuesCannotBreakOutOfTheYaml) {
  ModelCard card = example();
  card.tags = {"a\"\n---\nlicense: mine", "# comment: x"};
  card.results[0].metric_name = "a|b\nc";
  const std::string text = render_model_card(card);
  EXPECT_NE(text.find("- \"a\\\"\\n---\\nlicense: mine\"\n"), std::string::npos);
  EXPECT_EQ(count_of(text, "\n---\n"), 1);
  EXPECT_NE(text.find("| a\\|b c |"), std::string::npos);
}

}  // namespace
}  // namespace conopa::report
