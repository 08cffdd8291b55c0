#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "conopa/core/dtype.h"
#include "conopa/kernels/act_ops.h"
#include "conopa/kernels/linear.h"

namespace conopa::kernels::testing_support {

/// One product; sizes as in LinearArgs.
struct LinearCase {
  std::int64_t M = 1, N = 1, K = 1;
  ActType compute = ActType::kF32;
  WeightForm form = WeightForm::kF32;
  ActType output = ActType::kF32;
  bool gated = false;
  bool bias = false;
  bool gelu = false;
  std::int64_t heads = 0, head_width = 0;  ///< rotation of two sections where heads > 0
  bool table_per_head = false;
  bool layer_scale = false;
  bool residual = false;
  std::int64_t residual_rows = 0;
  bool in_place = false;  ///< the residual is the output
  std::int64_t group = 0, group_stride = 0;
  std::int64_t gap = 0;  ///< elements behind the padding of every row
};

inline std::string name_of(const LinearCase& c) {
  constexpr const char* kForms[] = {"f32", "f16", "bf16", "i8", "q8_0", "q4_0"};
  constexpr const char* kTypes[] = {"f32", "bf16", "i8"};
  return fmt::format("{}x{}x{} {} from {} to {}{}{}{}{}{}{}", c.M, c.N, c.K,
                     kTypes[static_cast<int>(c.compute)], kForms[static_cast<int>(c.form)],
                     kTypes[static_cast<int>(c.output)], c.gated ? " gated" : "",
                     c.bias ? " bias" : "", c.gelu ? " gelu" : "", c.heads > 0 ? " rope" : "",
                     c.layer_scale ? " scale" : "", c.residual ? " residual" : "");
}

/// Numbers for hundreds of millions of elements: a linear congruential sequence, its upper bits.
class QuickRandom {
 public:
  explicit QuickRandom(std::uint64_t seed) : state_(seed) {}
  double uniform(double low, double high) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return low + (high - low) * static_cast<double>(state_ >> 40) * 0x1p-24;
  }

 private:
  std::uint64_t state_;
};

/// A stored weight of any form with values of about `spread`.
struct StoredWeight {
  StoredWeight() = default;
  StoredWeight(WeightForm form_, std::int64_t n, std::int64_t k, double spread, QuickRandom& rng)
      : form(form_) {
    const auto count = static_cast<std::size_t>(n * k);
    switch (form) {
      case WeightForm::kF32:
        fill<float>(count, [&] { return static_cast<float>(spread * rng.uniform(-1.0, 1.0)); });
        break;
      case WeightForm::kF16:
        fill<std::uint16_t>(count, [&] {
          return float_to_half(static_cast<float>(spread * rng.uniform(-1.0, 1.0)));
        });
        break;
      case WeightForm::kBf16:
        fill<std::uint16_t>(count, [&] {
          return float_to_bf16(static_cast<float>(spread * rng.uniform(-1.0, 1.0)));
        });
        break;
      case WeightForm::kI8:
        fill<std::int8_t>(count, [&] {
          return static_cast<std::int8_t>(std::lrint(rng.uniform(-127.0, 127.0)));
        });
        for (std::int64_t i = 0; i < n; ++i) {
          scale.push_back(static_cast<float>(spread * rng.uniform(0.5, 1.0) / 127.0));
        }
        break;
      default:
        blocks(n * k / 32, spread, rng);
    }
  }
  [[nodiscard]] WeightView view() const {
    return {.form = form,
            .data = bytes.empty() ? nullptr : bytes.data(),
            .scale = scale.empty() ? nullptr : scale.data()};
  }

  WeightForm form = WeightForm::kF32;
  std::vector<std::byte> bytes;
  std::vector<float> scale;

 private:
  template <typename T, typename Next>
  void fill(std::size_t count, Next next) {
    bytes.resize(count * sizeof(T));
    for (std::size_t i = 0; i < count; ++i) {
      const T value = next();
      std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
    }
  }
  void blocks(std::int64_t count, double spread, QuickRandom& rng) {
    const std::size_t size = form == WeightForm::kQ8_0 ? 34 : 18;
    const double largest = form == WeightForm::kQ8_0 ? 127.0 : 8.0;
    bytes.resize(static_cast<std::size_t>(count) * size);
    for (std::byte& b : bytes) b = static_cast<std::byte>(std::lrint(rng.uniform(0.0, 255.0)));
    for (std::size_t i = 0; i < bytes.size(); i += size) {
      const std::uint16_t half =
          float_to_half(static_cast<float>(spread * rng.uniform(0.5, 1.0) / largest));
      std::memcpy(bytes.data() + i, &half, sizeof half);
    }
  }
};

/// Operands of a case: random, about 1 in the sums, everything that must not be written a mark.
class LinearProblem {
 public:
  static constexpr std::byte kMark{0x5A};

  explicit LinearProblem(const LinearCase& c, std::uint64_t seed = 1) : spec_(c), rng_(seed) {
    const double spread = 1.7 / std::sqrt(static_cast<double>(c.K));
    weight_ = StoredWeight(c.form, c.N, c.K, spread, rng_);
    if (c.gated) gate_ = StoredWeight(c.form, c.N, c.K, 2.0 * spread, rng_);
    fill_input();
    bias_ = floats(c.N);
    gate_bias_ = floats(c.N);
    layer_scale_ = floats(c.N);
    residual_stride_ = act_padded(ActType::kF32, c.N) + c.gap;
    residual_ = floats((c.residual_rows > 0 ? c.residual_rows : c.M) * residual_stride_);
    fill_tables();
  }

  [[nodiscard]] const LinearCase& spec() const noexcept { return spec_; }
  [[nodiscard]] std::int64_t x_stride() const {
    return act_padded(spec_.compute, spec_.K) + spec_.gap;
  }
  [[nodiscard]] std::int64_t y_stride() const {
    return act_padded(spec_.output, spec_.N) + spec_.gap;
  }
  [[nodiscard]] std::int64_t y_rows() const {
    if (spec_.group == 0) return spec_.M;
    return (spec_.M + spec_.group - 1) / spec_.group * spec_.group_stride;
  }
  [[nodiscard]] std::vector<std::byte>& x() noexcept { return x_; }
  [[nodiscard]] std::vector<float>& x_scale() noexcept { return x_scale_; }

  [[nodiscard]] WeightPack pack_arguments() const {
    return {.N = spec_.N,
            .K = spec_.K,
            .weight = weight_.view(),
            .gate = gate_.view(),
            .compute = spec_.compute};
  }
  [[nodiscard]] PackedWeight pack(Isa isa) const {
    return PackedWeight::pack(pack_arguments(), isa);
  }

  /// The output buffer after a call.
  [[nodiscard]] std::vector<std::byte> run(const PackedWeight& weight) const {
    return run(weight, linear);
  }
  /// The same with `product(const LinearArgs&)` in place of linear.
  template <typename Product>
  [[nodiscard]] std::vector<std::byte> run(const PackedWeight& weight, Product product) const {
    const auto size = static_cast<std::size_t>(y_rows() * y_stride() * act_size(spec_.output));
    std::vector<std::byte> y(size, kMark);
    LinearArgs args = arguments(weight);
    args.y.data = y.data();
    if (spec_.in_place) {
      std::memcpy(y.data(), residual_.data(), size);
      args.epilogue.residual = reinterpret_cast<const float*>(y.data());
    }
    product(args);
    return y;
  }

  [[nodiscard]] LinearArgs arguments(const PackedWeight& weight) const {
    LinearArgs args{.M = spec_.M,
                    .x = {.type = spec_.compute,
                          .data = x_.data(),
                          .stride = x_stride(),
                          .scale = x_scale_.empty() ? nullptr : x_scale_.data()},
                    .weight = &weight,
                    .y = {.type = spec_.output, .stride = y_stride()},
                    .group = spec_.group,
                    .group_stride = spec_.group_stride};
    Epilogue& e = args.epilogue;
    if (spec_.bias) e.bias = bias_.data();
    if (spec_.bias && spec_.gated) e.gate_bias = gate_bias_.data();
    if (spec_.gelu) e.activation = Activation::kGelu;
    if (spec_.layer_scale) e.layer_scale = layer_scale_.data();
    if (spec_.residual) e.residual = residual_.data();
    e.residual_stride = residual_stride_;
    e.residual_rows = spec_.residual_rows;
    if (spec_.heads > 0) {
      e.rope = {.cos = cos_.data(),
                .sin = sin_.data(),
                .tokens = kTokens,
                .head_width = spec_.head_width,
                .head_stride = spec_.table_per_head ? kTokens * spec_.head_width / 2 : 0,
                .heads = spec_.heads,
                .columns = 2 * spec_.heads * spec_.head_width};
    }
    return args;
  }

 private:
  static constexpr std::int64_t kTokens = 5;

  std::vector<float> floats(std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& v : values) v = static_cast<float>(rng_.uniform(-1.0, 1.0));
    return values;
  }

  void fill_input() {
    const std::int64_t size = act_size(spec_.compute);
    // Only the gap may hold anything: the padding is zero by contract.
    x_.assign(static_cast<std::size_t>(spec_.M * x_stride() * size), std::byte{0x7F});
    for (std::int64_t m = 0; m < spec_.M; ++m) {
      std::byte* row = x_.data() + m * x_stride() * size;
      std::fill_n(row, act_padded(spec_.compute, spec_.K) * size, std::byte{0});
      for (std::int64_t k = 0; k < spec_.K; ++k) write(row + k * size, rng_.uniform(-1.0, 1.0));
      if (spec_.compute == ActType::kI8) {
        x_scale_.push_back(static_cast<float>(rng_.uniform(0.5, 1.0) / 127.0));
      }
    }
  }

  void write(std::byte* to, double value) const {
    const auto number = static_cast<float>(value);
    const std::uint16_t bits = float_to_bf16(number);
    const auto quantized = static_cast<std::int8_t>(std::lrint(127.0 * value));
    switch (spec_.compute) {
      case ActType::kF32:
        std::memcpy(to, &number, sizeof number);
        return;
      case ActType::kBf16:
        std::memcpy(to, &bits, sizeof bits);
        return;
      case ActType::kI8:
        std::memcpy(to, &quantized, sizeof quantized);
        return;
    }
  }

  void fill_tables() {
    const std::int64_t tables = spec_.table_per_head ? spec_.heads : 1;
    for (std::int64_t i = 0; i < tables * kTokens * spec_.head_width / 2; ++i) {
      const double angle = rng_.uniform(0.0, 6.0);
      cos_.push_back(static_cast<float>(std::cos(angle)));
      sin_.push_back(static_cast<float>(std::sin(angle)));
    }
  }

  LinearCase spec_;
  QuickRandom rng_;
  StoredWeight weight_, gate_;
  std::vector<std::byte> x_;
  std::vector<float> x_scale_;
  std::vector<float> bias_, gate_bias_, layer_scale_, residual_, cos_, sin_;
  std::int64_t residual_stride_ = 0;
};

/// Element (row, column) of an output.
inline double output_at(const LinearProblem& p, const std::vector<std::byte>& y, std::int64_t row,
                        std::int64_t column) {
  const std::int64_t at = row * p.y_stride() + column;
  if (p.spec().output == ActType::kF32) {
    float value = 0.0F;
    std::memcpy(&value, y.data() + 4 * at, sizeof value);
    return static_cast<double>(value);
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, y.data() + 2 * at, sizeof bits);
  return static_cast<double>(bf16_to_float(bits));
}

/// Operands are below 1.7 / sqrt(K) times 1, so that sums are about 1 and a float32 sum of K terms
/// errs by about sqrt(K) * 2^-25 of that: 3e-6 for the longest K here. bf16 output may round to the
/// neighbour: up to 2^-7 of the value.
inline double linear_tolerance(const LinearCase& c, double expected) {
  const double unit = c.output == ActType::kBf16 ? 1.0 / 128.0 : 0.0;
  return 1e-5 + (unit + 1e-5) * std::abs(expected);
}

/// Values within the tolerance, zeros in the padding, marks everywhere else.
inline void expect_output(const LinearProblem& p, const std::vector<std::byte>& actual,
                          const std::vector<std::byte>& expected, const std::string& where) {
  const LinearCase& c = p.spec();
  const std::int64_t size = act_size(c.output);
  std::int64_t wrong = 0;
  for (std::int64_t row = 0; row < p.y_rows(); ++row) {
    const std::byte* bytes = actual.data() + row * p.y_stride() * size;
    const std::byte* wanted = expected.data() + row * p.y_stride() * size;
    for (std::int64_t n = 0; n < c.N; ++n) {
      const double a = output_at(p, actual, row, n);
      const double e = output_at(p, expected, row, n);
      const bool same =
          std::isnan(e) ? std::isnan(a) : a == e || std::abs(a - e) <= linear_tolerance(c, e);
      if (!same && ++wrong <= 3) {
        ADD_FAILURE() << where << " at " << row << ", " << n << ": " << a << " instead of " << e;
      }
    }
    // The reference's padding and marks are the same bytes.
    ASSERT_EQ(std::memcmp(bytes + c.N * size, wanted + c.N * size,
                          static_cast<std::size_t>((p.y_stride() - c.N) * size)),
              0)
        << where << ": wrong padding of row " << row;
  }
  EXPECT_EQ(wrong, 0) << where;
}

/// Every level given against the reference.
inline void check_linear_case(const LinearCase& c, const std::vector<Isa>& isas) {
  const LinearProblem problem(c);
  const std::vector<std::byte> expected = problem.run(problem.pack(Isa::kReference));
  for (const Isa isa : isas) {
    const PackedWeight weight = problem.pack(isa);
    expect_output(problem, problem.run(weight), expected,
                  fmt::format("{} {}: {}", isa_name(isa), weight.kernel(), name_of(c)));
  }
}

}  // namespace conopa::kernels::testing_support
