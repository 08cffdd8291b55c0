// The C interface through the shared library, as another language would call it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "conopa/conopa.h"
#include "conopa/image/codec.h"
#include "tests/engine/random_model.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;

struct Free {
  void operator()(conopa_model* model) const { conopa_model_close(model); }
  void operator()(conopa_session* session) const { conopa_session_free(session); }
};
using ModelHandle = std::unique_ptr<conopa_model, Free>;
using SessionHandle = std::unique_ptr<conopa_session, Free>;

class CapiTest : public ::testing::Test {
 protected:
  CapiTest() {
    engine::write_random_model(folder(), engine::small_spec(),
                               {"a", "b", "c", "d", "e", "f", "seventh"});
  }

  [[nodiscard]] std::string folder() const { return (dir_ / "model").string(); }

  [[nodiscard]] ModelHandle open(const conopa_model_options* options = nullptr) const {
    conopa_model* model = nullptr;
    EXPECT_EQ(conopa_model_open(folder().c_str(), options, &model), CONOPA_OK) << conopa_error();
    return ModelHandle(model);
  }

  [[nodiscard]] static SessionHandle session(const ModelHandle& model) {
    conopa_session* session = nullptr;
    EXPECT_EQ(conopa_session_create(model.get(), 1, 2, &session), CONOPA_OK) << conopa_error();
    return SessionHandle(session);
  }

  static std::vector<std::byte> png() {
    Image image(30, 20, 3);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      image.pixels[i] = static_cast<std::uint8_t>(i * 7);
    }
    return image::encode_png(image);
  }

  TempDir dir_;
};

TEST_F(CapiTest, DescribesTheModel) {
  const ModelHandle model = open();
  conopa_model_info info;
  conopa_model_describe(model.get(), &info);
  EXPECT_EQ(info.channels, 3);
  EXPECT_EQ(info.height, 24);
  EXPECT_EQ(info.width, 16);
  EXPECT_EQ(info.classes, 7);
  EXPECT_EQ(info.features, 32);
  EXPECT_GT(info.weight_bytes, 0);
  EXPECT_THAT(std::vector<std::string>({"fp32", "bf16"}), ::testing::Contains(info.precision));
  EXPECT_STREQ(conopa_model_class_name(model.get(), 6), "seventh");
  EXPECT_EQ(conopa_model_class_name(model.get(), 7), nullptr);
}

TEST_F(CapiTest, ClassifiesAsItRuns) {
  const ModelHandle model = open();
  const SessionHandle s = session(model);
  const std::vector<std::byte> bytes = png();
  std::vector<conopa_prediction> top(9);
  ASSERT_EQ(conopa_session_classify(s.get(), bytes.data(), bytes.size(), top.data(), 9), CONOPA_OK)
      << conopa_error();
  EXPECT_EQ(top[7].index, -1);  // there are seven classes

  std::vector<float> pixels(3 * 24 * 16);
  ASSERT_EQ(conopa_model_preprocess(model.get(), bytes.data(), bytes.size(), pixels.data()),
            CONOPA_OK);
  std::vector<float> logits(7);
  std::vector<float> features(32);
  ASSERT_EQ(conopa_session_run(s.get(), pixels.data(), 1, logits.data(), features.data()),
            CONOPA_OK);
  const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  EXPECT_EQ(top[0].index, best);
  double sum = 0.0;
  for (int i = 0; i < 7; ++i) sum += top[static_cast<std::size_t>(i)].probability;
  EXPECT_NEAR(sum, 1.0, 1e-9);
}

TEST_F(CapiTest, ShowsLayers) {
  const ModelHandle model = open();
  const SessionHandle s = session(model);
  std::int64_t tokens = 0;
  std::int64_t width = 0;
  ASSERT_EQ(conopa_session_run_layer(s.get(), nullptr, 0, "block1_out", nullptr, &tokens, &width),
            CONOPA_OK);
  EXPECT_EQ(tokens, 7);
  EXPECT_EQ(width, 32);
  const std::vector<float> pixels(3 * 3 * 24 * 16, 0.5F);
  std::vector<float> rows(static_cast<std::size_t>(3 * tokens * width), NAN);
  ASSERT_EQ(conopa_session_run_layer(s.get(), pixels.data(), 3, "block1_out", rows.data(), nullptr,
                                     nullptr),
            CONOPA_OK);
  const std::size_t image = rows.size() / 3;
  EXPECT_TRUE(std::equal(rows.begin(), rows.begin() + std::ptrdiff_t(image),
                         rows.begin() + std::ptrdiff_t(2 * image)));
  EXPECT_EQ(conopa_session_run_layer(s.get(), nullptr, 0, "block9_out", nullptr, nullptr, nullptr),
            CONOPA_BAD_ARGUMENT);
  EXPECT_THAT(conopa_error(), HasSubstr("block9_out"));
}

TEST_F(CapiTest, SessionsOutliveTheirModel) {
  ModelHandle model = open();
  const SessionHandle s = session(model);
  model.reset();
  const std::vector<std::byte> bytes = png();
  conopa_prediction top{};
  EXPECT_EQ(conopa_session_classify(s.get(), bytes.data(), bytes.size(), &top, 1), CONOPA_OK);
}

TEST_F(CapiTest, OptionsChooseSizePrecisionAndInstructions) {
  conopa_model_options options{};
  options.size = sizeof options;
  options.precision = "fp32";
  options.isa = "reference";
  options.height = 40;
  const ModelHandle model = open(&options);
  conopa_model_info info;
  conopa_model_describe(model.get(), &info);
  EXPECT_EQ(info.height, 40);
  EXPECT_STREQ(info.precision, "fp32");
  EXPECT_STREQ(info.isa, "reference");
}

TEST_F(CapiTest, FaultsAreStatusAndText) {
  conopa_model* model = nullptr;
  EXPECT_EQ(conopa_model_open("/nowhere/at/all", nullptr, &model), CONOPA_BAD_DATA);
  EXPECT_THAT(conopa_error(), HasSubstr("/nowhere/at/all"));
  EXPECT_EQ(model, nullptr);
  EXPECT_EQ(conopa_model_open(nullptr, nullptr, &model), CONOPA_BAD_ARGUMENT);
  conopa_model_options options{};
  EXPECT_EQ(conopa_model_open(folder().c_str(), &options, &model), CONOPA_BAD_ARGUMENT);
  options.size = sizeof options;
  options.precision = "fp8";
  EXPECT_EQ(conopa_model_open(folder().c_str(), &options, &model), CONOPA_BAD_ARGUMENT);
  EXPECT_THAT(conopa_error(), HasSubstr("'fp8'"));

  const ModelHandle good = open();
  const SessionHandle s = session(good);
  conopa_prediction top{};
  EXPECT_EQ(conopa_session_classify(s.get(), "no image", 8, &top, 1), CONOPA_BAD_DATA);
  EXPECT_EQ(conopa_session_run(s.get(), nullptr, 1, nullptr, nullptr), CONOPA_BAD_ARGUMENT);
  EXPECT_EQ(conopa_session_run(s.get(), nullptr, 0, nullptr, nullptr), CONOPA_OK);
  conopa_model_close(nullptr);
  conopa_session_free(nullptr);
}

TEST_F(CapiTest, ErrorsBelongToTheirThread) {
  conopa_model* model = nullptr;
  ASSERT_EQ(conopa_model_open("/nowhere", nullptr, &model), CONOPA_BAD_DATA);
  std::thread other([] { EXPECT_STREQ(conopa_error(), ""); });
  other.join();
  EXPECT_STREQ(conopa_version(), "0.1.0");
}

}  // namespace
}  // namespace conopa
