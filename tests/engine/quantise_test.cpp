#include "conopa/engine/quantise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "conopa/arch/block_spec.h"
#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/io/quantised.h"
#include "tests/arch/specs.h"
#include "tests/core/thrown.h"

namespace conopa::engine {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

std::vector<float> random_values(std::int64_t count, std::uint64_t index, double scale) {
  Rng rng(23, RngPurpose::kTest, 0, index);
  std::vector<float> out(static_cast<std::size_t>(count));
  for (float& value : out) value = static_cast<float>(scale * rng.normal());
  return out;
}

std::vector<NamedTensor> random_weights(const arch::EncoderSpec& spec) {
  std::vector<NamedTensor> tensors;
  std::uint64_t index = 0;
  const arch::TensorTable table(spec);
  for (const arch::TensorEntry& entry : table.entries()) {
    std::vector<float> values = random_values(element_count(entry.shape), ++index, 0.2);
    if (entry.name.find("norm") != std::string::npos) {
      // Channels of different ranges: what smoothing is for.
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += i % 8 == 3 ? 8.0F : 1.0F;
    }
    tensors.push_back({entry.name, HostTensor::of<float>(DType::kF32, entry.shape,
                                                         std::span<const float>(values))});
  }
  return tensors;
}

arch::EncoderSpec plain_spec() {
  arch::EncoderSpec spec;
  spec.height = 24;
  spec.width = 16;
  spec.patch = 8;
  spec.dim = 64;
  spec.heads = 2;
  spec.depth = 2;
  spec.mlp_hidden = 96;
  spec.num_classes = 7;
  spec.resolve();
  return spec;
}

arch::EncoderSpec vit_spec() {
  arch::EncoderSpec spec = plain_spec();
  spec.class_token = arch::ClassToken::kFront;
  spec.mask = arch::Mask::kBidirectional;
  spec.rotary = arch::Rotary::kNone;
  spec.norm = arch::Norm::kLayer;
  spec.mlp = arch::Mlp::kGelu;
  spec.mlp_bias = true;
  spec.resolve();
  return spec;
}

arch::EncoderSpec pyramid() {
  arch::EncoderSpec spec = arch::pyramid_spec();
  spec.stage_dims = {32, 64};
  spec.stage_heads = {2, 2};
  spec.num_classes = 7;
  spec.resolve();
  return spec;
}

struct Case {
  const char* name;
  arch::EncoderSpec (*spec)();
};
const Case kCases[] = {{"Plain", plain_spec}, {"Vit", vit_spec}, {"Pyramid", pyramid}};
constexpr QuantForm kForms[] = {QuantForm::kInt8, QuantForm::kQ8_0, QuantForm::kQ4_0};

std::unique_ptr<TensorSource> quantised(const arch::EncoderSpec& spec,
                                        const QuantiseOptions& options) {
  return with_quantised(std::make_unique<MemorySource>(
      quantise_weights(spec, MemorySource(random_weights(spec)), options),
      Metadata{{"weight_format", std::string(enum_name(options.form))}}));
}

std::vector<float> images_of(const arch::EncoderSpec& spec, std::int64_t batch) {
  return random_values(batch * spec.channels * spec.height * spec.width, 1000, 1.0);
}

constexpr std::int64_t kBatch = 3;

std::vector<float> logits_of(const arch::EncoderSpec& spec, const TensorSource& weights,
                             Precision precision) {
  Session session(Model::load(spec, weights, {.precision = precision}), {.threads = 2});
  std::vector<float> logits(static_cast<std::size_t>(kBatch * spec.num_classes));
  session.run(images_of(spec, kBatch), kBatch, {.logits = logits});
  return logits;
}

Calibration ranges_of(const arch::EncoderSpec& spec) {
  const MemorySource weights(random_weights(spec));
  Session session(Model::load(spec, weights, {.precision = Precision::kFp32}), {.threads = 2});
  Calibration calibration;
  calibrate(session, images_of(spec, kBatch), kBatch, calibration);
  return calibration;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return most;
}

TEST(QuantiseTest, TheEngineRunsEveryFormAsItsDequantisedWeights) {
  for (const Case& c : kCases) {
    const arch::EncoderSpec spec = c.spec();
    for (const QuantForm form : kForms) {
      const auto source = quantised(spec, {.form = form});
      const MemorySource floats(read_all(*source));
      // The same numbers in the same order: only a kernel's own order of sums may differ.
      EXPECT_LE(largest_difference(logits_of(spec, *source, Precision::kFp32),
                                   logits_of(spec, floats, Precision::kFp32)),
                1e-5)
          << c.name << ' ' << enum_name(form);
    }
  }
}

TEST(QuantiseTest, TensorsMadeOneAtATimeAreTheSame) {
  for (const Case& c : kCases) {
    const arch::EncoderSpec spec = c.spec();
    const MemorySource weights(random_weights(spec));
    for (const QuantForm form : kForms) {
      const std::vector<NamedTensor> expected = quantise_weights(spec, weights, {.form = form});
      const std::vector<ComputedTensor> found = quantised_tensors(spec, weights, {.form = form});
      ASSERT_EQ(found.size(), expected.size()) << c.name;
      for (std::size_t i = 0; i < found.size(); ++i) {
        const HostTensor made = found[i].make();
        EXPECT_EQ(found[i].name, expected[i].name) << c.name;
        EXPECT_EQ(found[i].dtype, made.dtype());
        EXPECT_EQ(found[i].shape, made.shape());
        EXPECT_EQ(made.dtype(), expected[i].tensor.dtype());
        EXPECT_TRUE(std::ranges::equal(made.bytes(), expected[i].tensor.bytes()))
            << c.name << ' ' << enum_name(form) << ' ' << expected[i].name;
      }
    }
  }
}

TEST(QuantiseTest, TensorsMadeOneAtATimeNeedNoCalibrationAndAllWeights) {
  const arch::EncoderSpec spec = plain_spec();
  const Calibration calibration = ranges_of(spec);
  std::vector<NamedTensor> tensors = random_weights(spec);
  EXPECT_THAT(message_of<ConfigError>([&] {
                static_cast<void>(
                    quantised_tensors(spec, MemorySource(tensors), {.calibration = &calibration}));
              }),
              HasSubstr("no calibration"));
  std::erase_if(tensors, [](const NamedTensor& t) { return t.name == "blocks.1.mlp.up.weight"; });
  EXPECT_THAT(message_of<FormatError>(
                  [&] { static_cast<void>(quantised_tensors(spec, MemorySource(tensors), {})); }),
              HasSubstr("blocks.1.mlp.up.weight"));
}

TEST(QuantiseTest, Int8MultipliesTheStoredRows) {
  for (const Case& c : kCases) {
    const arch::EncoderSpec spec = c.spec();
    const auto source = quantised(spec, {.form = QuantForm::kInt8, .clip = false});
    // Without a search the stored rows are those that the engine makes of float weights itself.
    EXPECT_LE(
        largest_difference(logits_of(spec, *source, Precision::kInt8),
                           logits_of(spec, MemorySource(random_weights(spec)), Precision::kInt8)),
        1e-5)
        << c.name;
  }
}

TEST(QuantiseTest, AutomaticPrecisionFollowsTheStoredForm) {
  const arch::EncoderSpec spec = plain_spec();
  for (const QuantForm form : kForms) {
    const Model model = Model::load(spec, *quantised(spec, {.form = form}));
    EXPECT_EQ(model.precision() == Precision::kInt8, form == QuantForm::kInt8) << enum_name(form);
  }
}

TEST(QuantiseTest, BlockFormsRefuseInt8Arithmetic) {
  const arch::EncoderSpec spec = plain_spec();
  const auto source = quantised(spec, {.form = QuantForm::kQ4_0});
  EXPECT_THAT(message_of<UnsupportedError>([&] {
                static_cast<void>(Model::load(spec, *source, {.precision = Precision::kInt8}));
              }),
              HasSubstr("found q4_0"));
}

TEST(QuantiseTest, SmoothingLeavesTheFloatModelUnchanged) {
  for (const Case& c : kCases) {
    const arch::EncoderSpec spec = c.spec();
    const MemorySource original(random_weights(spec));
    const std::vector<float> expected = logits_of(spec, original, Precision::kFp32);
    const double magnitude = largest_difference(expected, std::vector<float>(expected.size()));
    const Calibration ranges = ranges_of(spec);
    double plain = 0.0;
    for (const std::optional<double> share : {std::optional<double>{}, {0.0}, {0.5}, {1.0}}) {
      // 8 bits with a scale for every 32 weights: the error of quantisation itself is small, so an
      // inexact fold would stand out.
      const auto source = quantised(
          spec,
          {.form = QuantForm::kQ8_0, .clip = true, .calibration = &ranges, .smoothing = share});
      const double error =
          largest_difference(logits_of(spec, *source, Precision::kFp32), expected) / magnitude;
      if (!share) plain = error;
      EXPECT_LT(error, 4.0 * plain + 1e-3) << c.name << " a=" << share.value_or(-1.0);
    }
  }
}

TEST(QuantiseTest, SmoothingLowersTheInt8ErrorOfChannelsWithOutliers) {
  const arch::EncoderSpec spec = plain_spec();
  const std::vector<float> expected =
      logits_of(spec, MemorySource(random_weights(spec)), Precision::kFp32);
  const Calibration ranges = ranges_of(spec);
  const auto error = [&](std::optional<double> share) {
    const auto source = quantised(
        spec, {.form = QuantForm::kInt8, .clip = true, .calibration = &ranges, .smoothing = share});
    return largest_difference(logits_of(spec, *source, Precision::kInt8), expected);
  };
  EXPECT_LT(error(0.5), 0.8 * error(std::nullopt));
}

TEST(QuantiseTest, SmoothingMovesRangesIntoTheWeights) {
  const arch::EncoderSpec spec = plain_spec();
  const Calibration ranges = ranges_of(spec);
  const auto source =
      quantised(spec, {.form = QuantForm::kInt8, .calibration = &ranges, .smoothing = 1.0});
  Session session(Model::load(spec, *source, {.precision = Precision::kFp32}), {.threads = 2});
  Calibration smooth;
  calibrate(session, images_of(spec, kBatch), kBatch, smooth);
  const auto spread = [](const Calibration& c, LinearReader reader) {
    const std::vector<float>& largest = c.find(0, reader)->largest;
    const auto [low, high] = std::ranges::minmax(largest);
    return high / low;
  };
  for (const LinearReader reader : {LinearReader::kAttention, LinearReader::kProjection,
                                    LinearReader::kFeedForward, LinearReader::kDown}) {
    // a = 1 makes all channels of the calibration images alike, up to the quantised weights of what
    // makes them.
    EXPECT_GT(spread(ranges, reader), 2.0F);
    EXPECT_LT(spread(smooth, reader), 1.3F) << static_cast<int>(reader);
  }
}

TEST(QuantiseTest, StoresWhatTheConventionSays) {
  arch::EncoderSpec spec = plain_spec();
  spec.mlp_hidden = 80;  // no multiple of 32: the down projection stays float
  spec.resolve();
  const std::vector<NamedTensor> tensors =
      quantise_weights(spec, MemorySource(random_weights(spec)), {.form = QuantForm::kQ4_0});
  const MemorySource stored(tensors);
  EXPECT_EQ(stored.info("blocks.0.attn.qkv.weight").shape, (Shape{192, 36}));
  EXPECT_EQ(stored.info("blocks.0.attn.qkv.weight").dtype, DType::kU8);
  EXPECT_EQ(stored.info("blocks.0.mlp.down.weight").dtype, DType::kF32);
  EXPECT_EQ(stored.info("patch_embed.proj.weight").dtype, DType::kF32);
  EXPECT_EQ(stored.info("head.weight").dtype, DType::kF32);
  EXPECT_EQ(stored.names().size(), arch::TensorTable(spec).entries().size());
}

TEST(QuantiseTest, HalfPrecisionTensorsStayAsTheyAre) {
  const arch::EncoderSpec spec = plain_spec();
  std::vector<NamedTensor> tensors = random_weights(spec);
  for (NamedTensor& named : tensors) {
    std::vector<std::uint16_t> bits;
    for (const float value : named.tensor.to_f32()) bits.push_back(float_to_bf16(value));
    named.tensor = HostTensor::of<std::uint16_t>(DType::kBF16, named.tensor.shape(),
                                                 std::span<const std::uint16_t>(bits));
  }
  const MemorySource halves(tensors);
  const MemorySource stored(quantise_weights(spec, halves, {.form = QuantForm::kInt8}));
  EXPECT_EQ(stored.info("blocks.0.norm1.weight").dtype, DType::kBF16);
  EXPECT_EQ(stored.info("blocks.0.attn.qkv.weight").dtype, DType::kI8);
  // And bfloat16 weights run as they are.
  std::vector<NamedTensor> floats;
  for (const NamedTensor& named : tensors) {
    floats.push_back(
        {named.name, HostTensor::of<float>(DType::kF32, named.tensor.shape(),
                                           std::span<const float>(named.tensor.to_f32()))});
  }
  EXPECT_EQ(logits_of(spec, halves, Precision::kFp32),
            logits_of(spec, MemorySource(floats), Precision::kFp32));
}

TEST(QuantiseTest, RefusesWhatItCannotQuantise) {
  const arch::EncoderSpec spec = plain_spec();
  const auto run = [](const arch::EncoderSpec& s, const TensorSource& weights,
                      const QuantiseOptions& options) {
    static_cast<void>(quantise_weights(s, weights, options));
  };
  const auto twice = quantised(spec, {.form = QuantForm::kQ8_0});
  EXPECT_THAT(message_of<UnsupportedError>([&] { run(spec, *twice, {}); }), HasSubstr("q8_0 ones"));

  arch::EncoderSpec aware = spec;
  aware.quantization = arch::Quantization::kLsq;
  aware.resolve();
  EXPECT_THROW(run(aware, MemorySource(random_weights(aware)), {}), UnsupportedError);
  EXPECT_THROW(run(spec, MemorySource(random_weights(spec)), {.smoothing = 0.5}), ConfigError);
  const Calibration ranges;
  EXPECT_THROW(
      run(spec, MemorySource(random_weights(spec)), {.calibration = &ranges, .smoothing = 1.5}),
      ConfigError);

  std::vector<NamedTensor> damaged = random_weights(spec);
  const auto up = std::ranges::find(damaged, "blocks.1.mlp.up.weight", &NamedTensor::name);
  up->tensor.mutable_data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(message_of<FormatError>([&] { run(spec, MemorySource(damaged), {}); }),
              HasSubstr("blocks.1.mlp.up.weight"));
  damaged.erase(up);
  EXPECT_THAT(message_of<FormatError>([&] { run(spec, MemorySource(damaged), {}); }),
              HasSubstr("expected the tensor blocks.1.mlp.up.weight"));
}

TEST(CalibrationTest, ObservingNeedsFloat32) {
  const arch::EncoderSpec spec = plain_spec();
  Session session(
      Model::load(spec, MemorySource(random_weights(spec)), {.precision = Precision::kInt8}));
  EXPECT_THROW(session.observe_inputs([](const InputRows&) {}), ConfigError);
}

TEST(CalibrationTest, SeesEveryLayerOfEveryBlockOnce) {
  const arch::EncoderSpec spec = pyramid();
  const Calibration ranges = ranges_of(spec);
  for (const arch::BlockSpec& block : arch::encoder_blocks(spec)) {
    const std::int64_t tokens =
        kBatch * spec.stages()[static_cast<std::size_t>(block.stage)].tokens();
    for (const LinearReader reader : {LinearReader::kAttention, LinearReader::kProjection,
                                      LinearReader::kFeedForward, LinearReader::kDown}) {
      const InputRange* range = ranges.find(block.index, reader);
      ASSERT_NE(range, nullptr);
      EXPECT_EQ(range->rows, tokens);
    }
    EXPECT_EQ(ranges.find(block.index, LinearReader::kPooledKeys) != nullptr,
              block.separate_queries && block.reduction > 1);
  }
}

}  // namespace
}  // namespace conopa::engine
