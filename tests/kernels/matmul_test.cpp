#include "conopa/kernels/matmul.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "conopa/core/dtype.h"
#include "conopa/core/error.h"
#include "conopa/core/parallel.h"

namespace conopa::kernels {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

/// Restores the thread count at the end of a test.
struct ThreadCount {
  explicit ThreadCount(int threads) : before(num_threads()) { set_num_threads(threads); }
  ~ThreadCount() { set_num_threads(before); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;
  int before;
};

/// Values in [-1, 1) from a fixed congruential sequence; row-major with `ld` >= columns, the gap
/// filled with NaN so that a kernel reading it shows.
struct Matrix {
  Matrix(std::int64_t rows_, std::int64_t columns_, std::int64_t gap, std::uint32_t seed)
      : rows(rows_), columns(columns_), ld(columns_ + gap) {
    values.assign(static_cast<std::size_t>(rows * ld), kNan);
    std::uint32_t state = seed * 2654435761U + 12345U;
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        state = state * 1664525U + 1013904223U;
        at(i, j) = static_cast<float>(state >> 8) / 8388608.0F - 1.0F;
      }
    }
  }
  float& at(std::int64_t i, std::int64_t j) { return values[static_cast<std::size_t>(i * ld + j)]; }
  [[nodiscard]] float at(std::int64_t i, std::int64_t j) const {
    return values[static_cast<std::size_t>(i * ld + j)];
  }

  std::int64_t rows, columns, ld;
  std::vector<float> values;
};

struct Case {
  std::int64_t M, N, K;
  Layout layout_a = Layout::kAsStored;
  Layout layout_b = Layout::kAsStored;
  Compute compute = Compute::kF32;
  float beta = 0.0F;
  bool with_bias = false;
  bool with_residual = false;
  std::int64_t gap = 0;
};

std::string name_of(const Case& c) {
  return fmt::format("{}x{}x{} {}{} {} beta {}{}{} gap {}", c.M, c.N, c.K,
                     c.layout_a == Layout::kTransposed ? "T" : "N",
                     c.layout_b == Layout::kTransposed ? "T" : "N",
                     c.compute == Compute::kBf16 ? "bf16" : "f32", c.beta,
                     c.with_bias ? " bias" : "", c.with_residual ? " residual" : "", c.gap);
}

/// Operands of one case, and the output.
struct Problem {
  explicit Problem(const Case& s)
      : a(s.layout_a == Layout::kAsStored ? s.M : s.K, s.layout_a == Layout::kAsStored ? s.K : s.M,
          s.gap, 1),
        b(s.layout_b == Layout::kAsStored ? s.K : s.N, s.layout_b == Layout::kAsStored ? s.N : s.K,
          s.gap, 2),
        c(s.M, s.N, s.gap, 3),
        bias(1, s.N, 0, 4),
        residual(s.M, s.N, s.gap, 5),
        spec(s) {
    if (s.beta == 0.0F) std::fill(c.values.begin(), c.values.end(), kNan);
  }

  [[nodiscard]] MatmulArgs args() {
    return {.M = spec.M,
            .N = spec.N,
            .K = spec.K,
            .a = a.values.data(),
            .lda = a.ld,
            .layout_a = spec.layout_a,
            .b = b.values.data(),
            .ldb = b.ld,
            .layout_b = spec.layout_b,
            .c = c.values.data(),
            .ldc = c.ld,
            .beta = spec.beta,
            .bias = spec.with_bias ? bias.values.data() : nullptr,
            .residual = spec.with_residual ? residual.values.data() : nullptr,
            .ld_residual = residual.ld,
            .compute = spec.compute};
  }
  [[nodiscard]] PackArgs pack_args() const {
    return {.N = spec.N,
            .K = spec.K,
            .b = b.values.data(),
            .ldb = b.ld,
            .layout_b = spec.layout_b,
            .compute = spec.compute};
  }

  Matrix a, b, c, bias, residual;
  Case spec;
};

/// Values lie in [-1, 1), so a float32 sum of K products in any order errs by at most about
/// K * K/2 * 2^-24; the typical error is far smaller, hence the bound grows with sqrt(K) * 8 ulp
/// of the typical magnitude. bf16 products are exact in float32, so the same bound holds.
double tolerance(std::int64_t k) { return 8.0 * 6e-8 * (4.0 + 2.0 * std::sqrt(double(k)) * 2.0); }

void expect_same(const Problem& actual, const Problem& expected, const std::string& where) {
  const double limit = tolerance(expected.spec.K);
  double worst = 0;
  std::int64_t at_row = 0, at_column = 0;
  for (std::int64_t i = 0; i < expected.spec.M; ++i) {
    for (std::int64_t j = 0; j < expected.spec.N; ++j) {
      double error = std::abs(double(actual.c.at(i, j)) - double(expected.c.at(i, j)));
      if (std::isnan(error)) error = kInf;
      if (error > worst) {
        worst = error;
        at_row = i;
        at_column = j;
      }
    }
    for (std::int64_t j = expected.spec.N; j < expected.c.ld; ++j) {
      ASSERT_TRUE(std::isnan(actual.c.at(i, j))) << where << ": wrote past row " << i;
    }
  }
  EXPECT_LE(worst, limit) << where << " at " << at_row << ", " << at_column;
}

void check(const Case& spec, const std::vector<Isa>& isas) {
  Problem expected(spec);
  matmul(expected.args(), Isa::kReference);
  for (const Isa isa : isas) {
    const std::string where = fmt::format("{} {}", isa_name(isa), name_of(spec));
    Problem actual(spec);
    matmul(actual.args(), isa);
    expect_same(actual, expected, where);

    Problem packed(spec);
    const PackedMatrix matrix = PackedMatrix::pack(packed.pack_args(), isa);
    MatmulArgs args = packed.args();
    args.b = nullptr;
    args.packed_b = &matrix;
    matmul(args, isa);
    expect_same(packed, expected, where + " packed");
  }
}

std::vector<Case> all_layouts(Case base) {
  std::vector<Case> cases;
  for (const Layout a : {Layout::kAsStored, Layout::kTransposed}) {
    for (const Layout b : {Layout::kAsStored, Layout::kTransposed}) {
      for (const Compute compute : {Compute::kF32, Compute::kBf16}) {
        base.layout_a = a;
        base.layout_b = b;
        base.compute = compute;
        cases.push_back(base);
      }
    }
  }
  return cases;
}

struct Shape {
  std::int64_t M, N, K;
};

// Tile sizes are 14x32 and 6x16: every remainder of rows, both sides of each panel and vector
// edge, k blocks of one, many and none, and the shapes of small models.
const std::vector<Shape> kShapes = {
    {1, 1, 1},       {1, 1, 257},    {1, 7, 3},      {5, 1, 64},     {2, 16, 2},
    {3, 17, 31},     {4, 31, 33},    {6, 32, 64},    {7, 33, 65},    {8, 15, 16},
    {9, 48, 127},    {10, 47, 128},  {11, 64, 129},  {12, 65, 255},  {13, 13, 13},
    {14, 32, 256},   {15, 8, 257},   {27, 9, 40},    {28, 96, 63},   {29, 97, 511},
    {101, 103, 107}, {113, 30, 513}, {4, 5, 0},      {128, 10, 192}, {225, 64, 64},
    {64, 192, 1024}, {48, 40, 1031}, {33, 70, 2500}, {250, 192, 96}, {1, 300, 600},
    {20, 500, 1024}};

TEST(MatmulTest, EveryLevelMatchesTheReference) {
  const ThreadCount guard(1);  // thousands of small products: see EveryThreadCount... below
  for (const Shape& shape : kShapes) {
    for (const Case& spec : all_layouts({.M = shape.M, .N = shape.N, .K = shape.K})) {
      check(spec, available_isas());
    }
  }
}

TEST(MatmulTest, AddsBiasResidualAndPreviousValues) {
  const ThreadCount guard(1);
  for (const Shape& shape : {Shape{5, 7, 9}, Shape{30, 70, 300}, Shape{17, 33, 1100}}) {
    for (int flags = 1; flags < 8; ++flags) {
      for (const Case& spec : all_layouts({.M = shape.M,
                              .N = shape.N,
                              .K = shape.K,
                              .beta = (flags & 1) != 0 ? 1.0F : 0.0F,
                              .with_bias = (flags & 2) != 0,
                              .with_residual = (flags & 4) != 0})) {
        check(spec, available_isas());
      }
    }
  }
}

TEST(MatmulTest, HonoursLeadingDimensions) {
  const ThreadCount guard(1);
  for (const Shape& shape : {Shape{5, 7, 9}, Shape{30, 70, 300}, Shape{17, 33, 1100}}) {
    for (const Case& spec : all_layouts({.M = shape.M,
                            .N = shape.N,
                            .K = shape.K,
                            .beta = 1.0F,
                            .with_residual = true,
                            .gap = 5})) {
      check(spec, available_isas());
    }
  }
}

TEST(MatmulTest, CopiesRowsThatAreMultiplesOfAPageApart) {
  const ThreadCount guard(1);
  for (const Case& spec : all_layouts({.M = 40, .N = 40, .K = 1024})) {
    check(spec, available_isas());
  }
}

/// A copy of a matrix whose last float is the last before a page that must not be touched.
class GuardedCopy {
 public:
  explicit GuardedCopy(const std::vector<float>& values) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = values.size() * sizeof(float);
    const std::size_t body = (bytes + page - 1) / page * page;
    size_ = body + page;
    memory_ = static_cast<char*>(
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(mprotect(memory_ + body, page, PROT_NONE), 0);
    data_ = reinterpret_cast<float*>(memory_ + body - bytes);
    std::copy(values.begin(), values.end(), data_);
  }
  ~GuardedCopy() { munmap(memory_, size_); }
  GuardedCopy(const GuardedCopy&) = delete;
  GuardedCopy& operator=(const GuardedCopy&) = delete;
  [[nodiscard]] float* data() const noexcept { return data_; }

 private:
  char* memory_ = nullptr;
  std::size_t size_ = 0;
  float* data_ = nullptr;
};

TEST(MatmulTest, StaysInsideItsOperands) {
  const ThreadCount guard(1);
  for (const Shape& shape : kShapes) {
    for (const Case& spec : all_layouts({.M = shape.M,
                            .N = shape.N,
                            .K = shape.K,
                            .beta = 1.0F,
                            .with_bias = true,
                            .with_residual = true})) {
      Problem problem(spec);
      const GuardedCopy a(problem.a.values), b(problem.b.values), c(problem.c.values),
          bias(problem.bias.values), residual(problem.residual.values);
      MatmulArgs args = problem.args();
      args.a = a.data();
      args.b = b.data();
      args.c = c.data();
      args.bias = bias.data();
      args.residual = residual.data();
      for (const Isa isa : available_isas()) {
        if (isa != Isa::kReference) matmul(args, isa);  // a wrong access ends the program
      }
      EXPECT_TRUE(std::isfinite(c.data()[0]));
    }
  }
}

TEST(MatmulTest, ZeroDepthWritesBiasOrZero) {
  for (const Isa isa : available_isas()) {
    Problem problem({.M = 3, .N = 20, .K = 0, .with_bias = true});
    matmul(problem.args(), isa);
    EXPECT_EQ(problem.c.at(2, 19), problem.bias.at(0, 19)) << isa_name(isa);
  }
}

TEST(MatmulTest, EmptyOutputIsLeftAlone) {
  const std::vector<float> b(16);
  for (const Isa isa : available_isas()) {
    const MatmulArgs none{.M = 0, .N = 4, .K = 4, .lda = 4, .b = b.data(), .ldb = 4, .ldc = 4};
    EXPECT_NO_THROW(matmul(none, isa));
  }
}

// The reference itself, against numbers worked out by hand.
TEST(MatmulTest, ReferenceMultipliesAsOnPaper) {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6};      // [2, 3]
  const std::vector<float> w = {1, 0, -1, 2, 1, 0.5F};  // [2, 3]
  const std::vector<float> bias = {10, 20};
  std::vector<float> y(4);
  matmul({.M = 2,
          .N = 2,
          .K = 3,
          .a = x.data(),
          .lda = 3,
          .b = w.data(),
          .ldb = 3,
          .layout_b = Layout::kTransposed,
          .c = y.data(),
          .ldc = 2,
          .bias = bias.data()},
         Isa::kReference);
  EXPECT_THAT(y, testing::ElementsAre(8.0F, 25.5F, 8.0F, 36.0F));
}

TEST(MatmulTest, Bf16RoundsOperandsToNearestEven) {
  // 1 + 2^-8 lies halfway between two bfloat16 numbers and goes to the even one, 1; so does the
  // second operand go from 1 + 3 * 2^-8 up to 1 + 2^-6.
  const float low = 1.0F + 1.0F / 256.0F;
  const float high = 1.0F + 3.0F / 256.0F;
  for (const Isa isa : available_isas()) {
    float c = 0;
    matmul({.M = 1,
            .N = 1,
            .K = 1,
            .a = &low,
            .lda = 1,
            .b = &high,
            .ldb = 1,
            .c = &c,
            .ldc = 1,
            .compute = Compute::kBf16},
           isa);
    EXPECT_EQ(c, 1.0F + 1.0F / 64.0F) << isa_name(isa);
  }
}

TEST(MatmulTest, NanAndInfinityReachTheirRowsAndColumnsOnly) {
  for (const Isa isa : available_isas()) {
    for (const Case& spec : all_layouts({.M = 40, .N = 50, .K = 70})) {
      Problem problem(spec);
      const bool a_stored = spec.layout_a == Layout::kAsStored;
      const bool b_stored = spec.layout_b == Layout::kAsStored;
      (a_stored ? problem.a.at(20, 69) : problem.a.at(69, 20)) = kNan;
      (b_stored ? problem.b.at(3, 49) : problem.b.at(49, 3)) = kInf;
      matmul(problem.args(), isa);
      const std::string where = fmt::format("{} {}", isa_name(isa), name_of(spec));
      for (std::int64_t i = 0; i < spec.M; ++i) {
        for (std::int64_t j = 0; j < spec.N; ++j) {
          const float value = problem.c.at(i, j);
          ASSERT_EQ(std::isnan(value), i == 20) << where << " at " << i << ", " << j;
          ASSERT_EQ(std::isinf(value), i != 20 && j == 49) << where << " at " << i << ", " << j;
        }
      }
    }
  }
}

TEST(MatmulTest, RepeatsItsBytesForEachThreadCount) {
  for (const int threads : {1, 2, 3}) {
    const ThreadCount guard(threads);
    for (const Isa isa : available_isas()) {
      if (isa == Isa::kReference) continue;
      for (const Case& spec : all_layouts({.M = 90, .N = 100, .K = 5000})) {
        Problem first(spec), second(spec);
        matmul(first.args(), isa);
        matmul(second.args(), isa);
        EXPECT_EQ(std::memcmp(first.c.values.data(), second.c.values.data(),
                              first.c.values.size() * sizeof(float)),
                  0)
            << isa_name(isa) << " " << name_of(spec) << " on " << threads;
      }
    }
  }
}

TEST(MatmulTest, EveryThreadCountMatchesTheReference) {
  for (const int threads : {2, 3}) {
    const ThreadCount guard(threads);
    for (const Shape& shape : {Shape{500, 70, 90}, Shape{9, 700, 300}, Shape{64, 96, 4100}}) {
      for (const Case& spec : all_layouts({.M = shape.M,
                              .N = shape.N,
                              .K = shape.K,
                              .beta = 1.0F,
                              .with_bias = true,
                              .with_residual = true,
                              .gap = 3})) {
        check(spec, {detected_isa()});
      }
    }
  }
}

TEST(MatmulTest, RejectsWrongArguments) {
  Problem problem({.M = 4, .N = 5, .K = 6});
  const auto with = [&](auto change) {
    MatmulArgs args = problem.args();
    change(args);
    return args;
  };
  EXPECT_THROW(matmul(with([](auto& args) { args.M = -1; })), ShapeError);
  EXPECT_THROW(matmul(with([](auto& args) { args.lda = 5; })), ShapeError);
  EXPECT_THROW(matmul(with([](auto& args) { args.ldb = 4; })), ShapeError);
  EXPECT_THROW(matmul(with([](auto& args) { args.ldc = 4; })), ShapeError);
  EXPECT_THROW(matmul(with([](auto& args) { args.b = nullptr; })), ShapeError);
  EXPECT_THROW(matmul(with([](auto& args) { args.beta = 0.5F; })), ShapeError);
  EXPECT_THROW(matmul(with([](auto& args) { args.beta = kNan; })), ShapeError);
  EXPECT_THROW(matmul(with([&](auto& args) {
                 args.residual = problem.residual.values.data();
                 args.ld_residual = 4;
               })),
               ShapeError);
  const PackedMatrix empty;
  EXPECT_THROW(matmul(with([&](auto& args) { args.packed_b = &empty; })), ShapeError);
}

TEST(MatmulTest, RejectsALevelTheMachineLacks) {
  if (detected_isa() == Isa::kAmx) GTEST_SKIP() << "this machine has every level";
  Problem problem({.M = 4, .N = 5, .K = 6});
  EXPECT_THROW(matmul(problem.args(), Isa::kAmx), UnsupportedError);
}

TEST(MatmulTest, ExplainsKernelAndPlan) {
  const ThreadCount guard(2);
  Problem deep({.M = 64, .N = 64, .K = 6400});
  EXPECT_EQ(explain(deep.args(), Isa::kReference), "reference_f32");
  for (const Isa isa : available_isas()) {
    if (isa == Isa::kReference) continue;
    EXPECT_THAT(explain(deep.args(), isa), testing::HasSubstr("k over 2")) << isa_name(isa);
  }
}

TEST(PackedMatrixTest, RepackReplacesShapeAndValues) {
  Problem small({.M = 3, .N = 5, .K = 7});
  Problem large({.M = 30, .N = 50, .K = 300, .compute = Compute::kBf16});
  PackedMatrix matrix;
  EXPECT_TRUE(matrix.empty());
  for (Problem* problem : {&small, &large, &small}) {
    matrix.repack(problem->pack_args());
    EXPECT_EQ(matrix.rows(), problem->spec.K);
    EXPECT_EQ(matrix.columns(), problem->spec.N);
    EXPECT_GT(matrix.bytes(), 0);
    Problem expected(problem->spec);
    matmul(expected.args(), Isa::kReference);
    MatmulArgs args = problem->args();
    args.packed_b = &matrix;
    matmul(args);
    expect_same(*problem, expected, "repacked");
  }
}

}  // namespace
}  // namespace conopa::kernels
