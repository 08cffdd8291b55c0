#include "conopa/kernels/attend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "conopa/core/dtype.h"
#include "conopa/core/error.h"
#include "kernels/attend_table.h"
#include "kernels/linear_amx_panel.h"
#include "kernels/reference/attend.h"
#include "tests/kernels/act_support.h"
#include "tests/kernels/amx_emulation.h"
#include "tests/kernels/train_ops_support.h"

namespace conopa::kernels {

inline void PrintTo(Isa isa, std::ostream* out) { *out << isa_name(isa); }

namespace {

using testing_support::ActBuffer;
using testing_support::kFloatTypes;
using testing_support::kNan;
using testing_support::random_floats;
using testing_support::relative_error;
using testing_support::ScopedThreads;

struct Case {
  std::int64_t sequences, queries, keys, heads, width;
  AttentionMask mask{};
  float scale = 0.0F;     // 0: 1 / sqrt(width)
  double spread = 1.0;    // standard deviation of q and k
  bool shuffled = false;  // rows by index
};

/// Rows that a case reads and writes; more rows than it uses, so that an index can skip some.
class Problem {
 public:
  Problem(const Case& c, ActType type)
      : case_(c),
        type_(type),
        q_(type, rows(c.queries), c.heads * c.width,
           random_floats(rows(c.queries) * c.heads * c.width, 1, c.spread)),
        kv_(type, rows(c.keys), 2 * c.heads * c.width, key_values(c)) {
    for (std::int64_t i = 0; i < c.sequences * c.queries; ++i) q_rows_.push_back(place(i));
    for (std::int64_t i = 0; i < c.sequences * c.keys; ++i) k_rows_.push_back(place(i));
    std::reverse(q_rows_.begin(), q_rows_.end());
    std::rotate(k_rows_.begin(), k_rows_.begin() + 1, k_rows_.end());
  }

  [[nodiscard]] AttendArgs args(ActBuffer& out) {
    const std::int64_t d = case_.heads * case_.width;
    const float usual = 1.0F / std::sqrt(static_cast<float>(case_.width));
    return {.sequences = case_.sequences,
            .queries = case_.queries,
            .keys = case_.keys,
            .heads = case_.heads,
            .head_width = case_.width,
            .q = q_.view(),
            .k = kv_.view(),
            .v = kv_.columns_from(d),
            .out = out.view(),
            .q_rows = case_.shuffled ? q_rows_.data() : nullptr,
            .k_rows = case_.shuffled ? k_rows_.data() : nullptr,
            .scale = case_.scale == 0.0F ? usual : case_.scale,
            .mask = case_.mask};
  }
  [[nodiscard]] ActBuffer output(std::int64_t extra = 0) const {
    return {type_, rows(case_.queries), case_.heads * case_.width, extra};
  }
  [[nodiscard]] ActBuffer& q() { return q_; }
  [[nodiscard]] ActBuffer& kv() { return kv_; }
  [[nodiscard]] std::int64_t query_row(std::int64_t i) const {
    return case_.shuffled ? q_rows_[static_cast<std::size_t>(i)] : i;
  }
  /// The output rows that belong to queries.
  [[nodiscard]] std::vector<float> rows_of(const ActBuffer& out) const {
    std::vector<float> all;
    for (std::int64_t i = 0; i < case_.sequences * case_.queries; ++i) {
      for (std::int64_t d = 0; d < case_.heads * case_.width; ++d) {
        all.push_back(out.at(query_row(i), d));
      }
    }
    return all;
  }

 private:
  [[nodiscard]] std::int64_t rows(std::int64_t tokens) const {
    return case_.sequences * tokens * (case_.shuffled ? 2 : 1);
  }
  static std::int32_t place(std::int64_t i) { return static_cast<std::int32_t>(2 * i + 1); }
  [[nodiscard]] std::vector<float> key_values(const Case& c) const {
    const std::int64_t d = c.heads * c.width;
    auto values = random_floats(rows(c.keys) * 2 * d, 2);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto column = static_cast<std::int64_t>(i) % (2 * d);
      if (column < d) values[i] *= static_cast<float>(c.spread);
    }
    return values;
  }

  Case case_;
  ActType type_;
  ActBuffer q_, kv_;
  std::vector<std::int32_t> q_rows_, k_rows_;
};

/// float32: rounding of some hundred products. bf16: the weights are rounded to 2^-9, and so is the
/// output; relative to the largest output.
double tolerance(ActType type) { return type == ActType::kF32 ? 5e-6 : 1.2e-2; }

void expect_as_reference(const Case& c, ActType type, Isa isa) {
  SCOPED_TRACE(::testing::PrintToString(type) + " S" + std::to_string(c.sequences) + " Nq" +
               std::to_string(c.queries) + " Nk" + std::to_string(c.keys) + " H" +
               std::to_string(c.heads) + " Dh" + std::to_string(c.width) + " mask " +
               std::to_string(static_cast<int>(c.mask.kind)));
  Problem problem(c, type);
  ActBuffer actual = problem.output(c.shuffled ? 0 : 64), expected = problem.output();
  attend(problem.args(actual), isa);
  reference::attend(problem.args(expected));
  EXPECT_LT(relative_error(problem.rows_of(actual), problem.rows_of(expected)), tolerance(type));
  EXPECT_TRUE(c.shuffled || actual.keeps_contract());
}

class AttendTest : public ::testing::TestWithParam<Isa> {};
std::string test_name(const ::testing::TestParamInfo<Isa>& info) {
  return std::string(isa_name(info.param));
}
INSTANTIATE_TEST_SUITE_P(Isa, AttendTest, ::testing::ValuesIn(available_isas()), test_name);

/// Levels above the reference, to be compared with it; a machine may have none.
std::vector<Isa> fast_isas() {
  std::vector<Isa> isas = available_isas();
  isas.erase(isas.begin());
  return isas;
}

class FastAttendTest : public AttendTest {};
INSTANTIATE_TEST_SUITE_P(Isa, FastAttendTest, ::testing::ValuesIn(fast_isas()), test_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FastAttendTest);

TEST_P(AttendTest, WeighsAHandComputedCase) {
  // Scores of query 0: ln 3 and 0, of query 1: 0 and 0.
  const float ln3 = std::log(3.0F);
  ActBuffer q(ActType::kF32, 2, 2, std::vector{ln3, 0.0F, 0.0F, 0.0F});
  ActBuffer k(ActType::kF32, 2, 2, std::vector{1.0F, 5.0F, 0.0F, 7.0F});
  ActBuffer v(ActType::kF32, 2, 2, std::vector{4.0F, 0.0F, 0.0F, 8.0F});
  const auto run = [&](AttentionMask mask) {
    ActBuffer out(ActType::kF32, 2, 2);
    attend({.sequences = 1,
            .queries = 2,
            .keys = 2,
            .heads = 1,
            .head_width = 2,
            .q = q.view(),
            .k = k.view(),
            .v = v.view(),
            .out = out.view(),
            .mask = mask},
           GetParam());
    return out.values();
  };
  const auto near = [](const std::vector<float>& actual, const std::vector<float>& expected) {
    EXPECT_LT(relative_error(actual, expected), 1e-6);
  };
  const std::vector<std::int64_t> prefix{2};
  near(run({}), {3, 2, 2, 4});
  near(run({.kind = MaskKind::kCausal}), {4, 0, 2, 4});
  near(run({.kind = MaskKind::kCausalFirstOpen}), {3, 2, 2, 4});
  near(run({.kind = MaskKind::kPrefixCausal, .prefix = prefix}), {3, 2, 2, 4});
  near(run({.kind = MaskKind::kSoftCausal, .alpha = 0.5F}), {3, 1, 2, 4});
  near(run({.kind = MaskKind::kSoftCausal, .alpha = 0.0F}), {3, 0, 2, 4});
}

TEST_P(FastAttendTest, AgreesOverTokenCounts) {
  for (const ActType type : kFloatTypes) {
    for (const std::int64_t n : {1, 2, 16, 17, 49, 50, 196, 197, 257}) {
      expect_as_reference({2, n, n, 2, 32}, type, GetParam());
      expect_as_reference({1, n, n, 1, 64}, type, GetParam());
    }
    for (const std::int64_t n : {577, 1025})
      expect_as_reference({1, n, n, 1, 16}, type, GetParam());
  }
}

TEST_P(FastAttendTest, AgreesOverHeadWidths) {
  for (const ActType type : kFloatTypes) {
    for (const std::int64_t width : {1, 7, 8, 16, 24, 32, 33, 40, 64, 80, 96, 128}) {
      expect_as_reference({1, 37, 37, 3, width}, type, GetParam());
    }
  }
}

TEST_P(FastAttendTest, AgreesOverMasks) {
  for (const ActType type : kFloatTypes) {
    for (const std::int64_t n : {1, 2, 17, 50, 197, 577, 1025}) {
      const std::vector<std::int64_t> prefix{n / 3, n, 0};
      const std::int64_t sequences = n > 200 ? 1 : 3;
      for (const AttentionMask& mask : {
               AttentionMask{.kind = MaskKind::kCausal},
               AttentionMask{.kind = MaskKind::kCausalFirstOpen},
               AttentionMask{.kind = MaskKind::kSoftCausal, .alpha = 0.0F},
               AttentionMask{.kind = MaskKind::kSoftCausal, .alpha = 0.3F},
               AttentionMask{.kind = MaskKind::kPrefixCausal,
               .prefix = std::span(prefix).first(static_cast<std::size_t>(sequences))},
           }) {
        expect_as_reference({sequences, n, n, 1, 16, mask}, type, GetParam());
      }
    }
  }
}

TEST_P(FastAttendTest, AgreesWithOtherKeyCountsAndIndexes) {
  for (const ActType type : kFloatTypes) {
    for (const auto& [queries, keys] : std::vector<std::array<std::int64_t, 2>>{
             {1, 197}, {1, 1}, {196, 49}, {50, 7}, {7, 50}, {3, 1300}, {64, 64}}) {
      for (const bool shuffled : {false, true}) {
        expect_as_reference({.sequences = 2,
                             .queries = queries,
                             .keys = keys,
                             .heads = 2,
                             .width = 40,
                             .shuffled = shuffled},
                            type, GetParam());
      }
    }
  }
}

TEST_P(AttendTest, ReadsNothingOutsideItsRows) {
  // Rows of other heads, between the columns and not in the index are NaN.
  for (const ActType type : kFloatTypes) {
    const Case c{
        .sequences = 2, .queries = 19, .keys = 23, .heads = 2, .width = 24, .shuffled = true};
    Problem problem(c, type);
    ActBuffer clean = problem.output(), dirty = problem.output();
    attend(problem.args(clean), GetParam());
    for (ActBuffer* buffer : {&problem.q(), &problem.kv()}) {
      const std::int64_t used = buffer == &problem.q() ? 48 : 96;
      const MutableAct rows = buffer->view();
      const std::int64_t count = 2 * 2 * (buffer == &problem.q() ? 19 : 23);
      const std::int64_t size = act_size(type);
      for (std::int64_t r = 0; r < count; ++r) {
        auto* row = static_cast<std::uint8_t*>(rows.data) + r * rows.stride * size;
        const std::int64_t from = r % 2 == 0 ? 0 : used;  // the index names odd rows
        std::memset(row + from * size, 0xFF, static_cast<std::size_t>((rows.stride - from) * size));
      }
    }
    attend(problem.args(dirty), GetParam());
    EXPECT_EQ(clean.bytes(), dirty.bytes());
  }
}

TEST_P(FastAttendTest, KeepsLargeScoresFinite) {
  for (const ActType type : kFloatTypes) {
    // Scores of some 1e12 and 1e30: one key takes all the weight, chosen as the reference does.
    for (const double spread : {1e6, 1e15}) {
      const Case c{
          .sequences = 1, .queries = 20, .keys = 600, .heads = 1, .width = 16, .spread = spread};
      expect_as_reference(c, type, GetParam());
    }
  }
}

TEST_P(AttendTest, PassesNanToEveryQueryThatSeesIt) {
  const Case c{.sequences = 1,
               .queries = 60,
               .keys = 60,
               .heads = 2,
               .width = 16,
               .mask = {.kind = MaskKind::kCausal}};
  for (const ActType type : kFloatTypes) {
    for (const std::int64_t column : {3, 32 + 5}) {  // of head 0: in k, in v
      Problem problem(c, type);
      const MutableAct rows = problem.kv().view();
      std::memset(
          static_cast<std::uint8_t*>(rows.data) + (20 * rows.stride + column) * act_size(type),
          0xFF, static_cast<std::size_t>(act_size(type)));
      ActBuffer out = problem.output();
      attend(problem.args(out), GetParam());
      const std::int64_t place = column < 32 ? 0 : 5;
      for (std::int64_t i = 20; i < 60; ++i) EXPECT_TRUE(std::isnan(out.at(i, place))) << i;
      for (std::int64_t i = 0; i < 60; ++i) EXPECT_FALSE(std::isnan(out.at(i, 16))) << i;
    }
  }
}

TEST_P(AttendTest, GivesTheSameBytesForEveryThreadCount) {
  for (const ActType type : kFloatTypes) {
    for (const Case& c : {Case{1, 197, 197, 3, 32}, Case{7, 49, 49, 2, 16},
                          Case{1, 640, 640, 1, 16, {.kind = MaskKind::kCausal}},
                          Case{1, 300, 300, 1, 8, {.kind = MaskKind::kSoftCausal}}}) {
      Problem problem(c, type);
      std::vector<std::vector<std::uint8_t>> results;
      for (const int threads : {1, 2, 5}) {
        const ScopedThreads scope(threads);
        ActBuffer out = problem.output();
        attend(problem.args(out), GetParam());
        results.push_back(out.bytes());
      }
      EXPECT_EQ(results[0], results[1]);
      EXPECT_EQ(results[0], results[2]);
    }
  }
}

/// A product like those of tile registers: steps of kStep words, whole tiles of 16 rows and panels.
template <int kPerWord, int kStep>
void multiply_whole_tiles(const detail::PanelTask& task) noexcept {
  if (task.words % kStep != 0 || task.cols != 32) std::abort();
  const auto product = [](const detail::Word* a, const detail::Word* b) {
    if (kPerWord == 1) return *a * *b;
    std::uint16_t left[2], right[2];
    std::memcpy(left, a, sizeof(left));
    std::memcpy(right, b, sizeof(right));
    return bf16_to_float(left[0]) * bf16_to_float(right[0]) +
           bf16_to_float(left[1]) * bf16_to_float(right[1]);
  };
  for (std::int64_t i = 0; i < (task.rows + 15) / 16 * 16; ++i) {
    for (std::int64_t j = 0; j < 32; ++j) {
      float sum = task.accumulate ? task.c[i * task.ldc + j] : 0.0F;
      for (std::int64_t p = 0; p < task.words; ++p) {
        sum += product(task.a + i * task.a_stride + p, task.b + p * 32 + j);
      }
      task.c[i * task.ldc + j] = sum;
    }
  }
}

void expect_whole_tiles_as_reference(const detail::AttendChoice& choice) {
  const AttentionMask causal{.kind = MaskKind::kCausal};
  const AttentionMask soft{.kind = MaskKind::kSoftCausal};
  for (const Case& c : {Case{2, 1, 1, 1, 8}, Case{1, 17, 17, 2, 40, causal}, Case{1, 50, 50, 3, 64},
                        Case{1, 70, 70, 1, 24, soft}, Case{2, 5, 49, 1, 128},
                        Case{1, 33, 700, 1, 33}, Case{1, 660, 660, 1, 16, causal}}) {
    SCOPED_TRACE(::testing::PrintToString(c.queries) + " queries of width " +
                 ::testing::PrintToString(c.width));
    Problem problem(c, ActType::kBf16);
    ActBuffer actual = problem.output(), expected = problem.output();
    detail::run_attend(choice, problem.args(actual));
    reference::attend(problem.args(expected));
    EXPECT_LT(relative_error(problem.rows_of(actual), problem.rows_of(expected)),
              tolerance(ActType::kBf16));
  }
}

TEST_P(FastAttendTest, AgreesWithProductsOfWholeTiles) {
  detail::AttendChoice choice = detail::select_attend(ActType::kBf16, GetParam());
  const std::int64_t lanes = choice.kernel->lanes;
  choice.product = {.isa = GetParam(),
                    .tile_rows = 32,
                    .panel = 32,
                    .k_per_word = choice.kernel->k_per_word,
                    .words_multiple = lanes,
                    .whole_tiles = true,
                    .multiply = choice.kernel->k_per_word == 2 ? multiply_whole_tiles<2, 16>
                                : lanes == 16                  ? multiply_whole_tiles<1, 16>
                                                               : multiply_whole_tiles<1, 8>};
  expect_whole_tiles_as_reference(choice);
}

#ifdef CONOPA_X86_KERNELS
void multiply_emulated(const detail::PanelTask& task) noexcept {
  detail::LinearPanelTask whole{};
  whole.product = task;
  detail::tile_panel<testing_support::EmulatedBf16Tiles>(whole);
}

/// What packs pairs of bfloat16 for the tiles needs AVX-512 BF16 to run.
std::vector<Isa> pair_isas() {
  std::vector<Isa> isas = fast_isas();
  std::erase_if(isas, [](Isa isa) { return isa != Isa::kAvx512Bf16; });
  return isas;
}

class AmxAttendTest : public AttendTest {};
INSTANTIATE_TEST_SUITE_P(Isa, AmxAttendTest, ::testing::ValuesIn(pair_isas()), test_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AmxAttendTest);

TEST_P(AmxAttendTest, AgreesWithEmulatedTiles) {
  detail::AttendChoice choice = detail::select_attend(ActType::kBf16, Isa::kAmx);
  ASSERT_STREQ(choice.kernel->name, "amx_bf16");
  choice.product.multiply = multiply_emulated;
  choice.product.begin = choice.product.end = nullptr;
  expect_whole_tiles_as_reference(choice);
}
#endif

TEST(AttendCheckTest, RefusesWhatDoesNotFit) {
  Problem problem({2, 6, 6, 2, 16}, ActType::kBf16);
  ActBuffer out = problem.output(), floats(ActType::kF32, 12, 32), bytes(ActType::kI8, 12, 32);
  const AttendArgs good = problem.args(out);
  EXPECT_NO_THROW(attend(good));
  const std::vector<std::int64_t> prefix{1, 7};
  const auto refused = [&](auto change) {
    AttendArgs args = good;
    change(args);
    EXPECT_THROW(attend(args), ShapeError);
  };
  refused([](AttendArgs& a) { a.heads = 0; });
  refused([](AttendArgs& a) { a.sequences = -1; });
  refused([](AttendArgs& a) { a.keys = 0; });
  refused([](AttendArgs& a) { a.q.stride = 31; });
  refused([](AttendArgs& a) { a.out.stride = 31; });
  refused([](AttendArgs& a) { a.v.data = nullptr; });
  refused([](AttendArgs& a) { a.k.type = ActType::kF32; });
  refused([&](AttendArgs& a) { a.out = floats.view(); });
  refused([](AttendArgs& a) { a.scale = kNan; });
  refused([](AttendArgs& a) { a.scale = -1.0F; });
  refused([](AttendArgs& a) {
    a.mask.kind = MaskKind::kCausal;
    a.keys = 5;
  });
  refused([](AttendArgs& a) { a.mask = {.kind = MaskKind::kSoftCausal, .alpha = 1.5F}; });
  refused([](AttendArgs& a) { a.mask = {.kind = MaskKind::kPrefixCausal}; });
  refused([&](AttendArgs& a) { a.mask = {.kind = MaskKind::kPrefixCausal, .prefix = prefix}; });
  AttendArgs whole = good;
  whole.q = whole.k = whole.v = bytes.view();
  whole.out = bytes.view();
  EXPECT_THROW(attend(whole), UnsupportedError);
}

TEST(AttendCheckTest, NamesItsKernel) {
  EXPECT_EQ(explain_attend(ActType::kF32, Isa::kReference), "reference");
  EXPECT_EQ(explain_attend(ActType::kBf16, Isa::kReference), "reference");
  EXPECT_THROW((void)explain_attend(ActType::kI8, Isa::kReference), UnsupportedError);
}

TEST(AttendTableTest, HasAProductForEveryFastLevel) {
  for (const Isa isa : fast_isas()) {
    for (const ActType type : kFloatTypes) {
      const detail::AttendChoice choice = detail::select_attend(type, isa);
      ASSERT_NE(choice.product.multiply, nullptr);
      EXPECT_LE(choice.kernel->isa, isa);
      EXPECT_LE(choice.product.isa, isa);
      EXPECT_EQ(choice.product.k_per_word, choice.kernel->k_per_word);
      // The best kernel of a level is not passed over for want of a product.
      for (const detail::AttendKernel& row : detail::attend_kernels()) {
        if (row.type != type || row.isa > isa) continue;
        EXPECT_EQ(&row, choice.kernel);
        break;
      }
    }
  }
}

}  // namespace
}  // namespace conopa::kernels
