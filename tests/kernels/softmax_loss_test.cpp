#include "conopa/kernels/softmax_loss.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "conopa/core/error.h"
#include "kernels/reference/rowwise.h"
#include "tests/kernels/train_ops_support.h"

namespace conopa::kernels {
namespace {

using testing_support::fast_rows;
using testing_support::FastOpsTest;
using testing_support::isa_test_name;
using testing_support::random_doubles;
using testing_support::random_floats;
using testing_support::reference_ops;
using testing_support::relative_error;

struct Results {
  std::vector<float> loss, lse, dlogits;
};

Results run(const TrainOps& ops, std::int64_t classes, const std::vector<float>& logits,
            const LossTarget& target, const std::vector<float>& dloss) {
  const auto rows = logits.size() / static_cast<std::size_t>(classes);
  Results r{.loss = std::vector<float>(rows),
            .lse = std::vector<float>(rows),
            .dlogits = std::vector<float>(logits.size())};
  ops.cross_entropy_forward(classes, logits, target, r.loss, r.lse);
  ops.cross_entropy_backward(classes, logits, target, r.lse, dloss, r.dlogits);
  return r;
}

class FastCrossEntropyTest : public FastOpsTest {};
INSTANTIATE_TEST_SUITE_P(Isa, FastCrossEntropyTest, ::testing::ValuesIn(fast_rows()),
                         isa_test_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FastCrossEntropyTest);

TEST_P(FastCrossEntropyTest, AgreesWithReferenceForDenseTargetsAndLabels) {
  for (const auto& [rows, classes] :
       std::vector<std::array<std::int64_t, 2>>{{1, 1}, {5, 2}, {128, 10}, {9, 33}, {16, 1000}}) {
    const auto logits = random_floats(rows * classes, 1, 4.0);
    auto dense = random_floats(rows * classes, 2);
    for (float& t : dense) t = std::abs(t);
    std::vector<std::int64_t> labels;
    for (std::int64_t b = 0; b < rows; ++b) labels.push_back(b * 7 % classes);
    const auto each = random_floats(rows, 3);
    for (const LossTarget& target : {LossTarget{.dense = dense}, LossTarget{.labels = labels},
                                     LossTarget{.labels = labels, .smoothing = 0.1F}}) {
      for (const std::vector<float>& dloss : {each, std::vector<float>{0.25F}}) {
        const Results fast = run(GetParam(), classes, logits, target, dloss);
        const Results expected = run(reference_ops(), classes, logits, target, dloss);
        EXPECT_LT(relative_error(fast.loss, expected.loss), 2e-6) << rows << "x" << classes;
        EXPECT_LT(relative_error(fast.lse, expected.lse), 1e-6) << rows << "x" << classes;
        EXPECT_LT(relative_error(fast.dlogits, expected.dlogits, 0.1), 2e-6)
            << rows << "x" << classes;
      }
    }
  }
}

TEST_P(FastCrossEntropyTest, StaysFiniteForHugeLogits) {
  const std::vector<float> logits{1e4F, -1e4F, 0.0F};
  const std::vector<std::int64_t> labels{0};
  const Results r = run(GetParam(), 3, logits, {.labels = labels}, {1.0F});
  EXPECT_FLOAT_EQ(r.loss[0], 0.0F);
  for (const float d : r.dlogits) EXPECT_FLOAT_EQ(d, 0.0F);
}

TEST(CrossEntropyTest, UniformLogitsLoseLogOfClasses) {
  const std::vector<float> logits(20, 3.0F);
  const std::vector<std::int64_t> labels{4, 9};
  std::vector<float> loss(2);
  cross_entropy_forward(10, logits, {.labels = labels, .smoothing = 0.1F}, loss, {});
  EXPECT_FLOAT_EQ(loss[0], std::log(10.0F));
  EXPECT_FLOAT_EQ(loss[1], std::log(10.0F));
}

TEST(CrossEntropyGradientTest, MatchesFiniteDifferencesInDouble) {
  auto logits = random_doubles(6, 1);
  auto target = random_doubles(6, 2);
  for (double& t : target) t = std::abs(t);
  std::vector<double> gradient(6);
  reference::cross_entropy_row_backward(logits, target, 1.5, gradient);
  const auto objective = [&] { return 1.5 * reference::cross_entropy_row(logits, target).loss; };
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(testing_support::central_difference(logits, i, objective), gradient[i], 1e-8);
  }
}

TEST(CrossEntropyTest, RefusesWhatDoesNotFit) {
  const std::vector<float> logits(6), dense(5);
  const std::vector<std::int64_t> labels{0, 2}, negative{-1, 0}, large{0, 3};
  std::vector<float> loss(2), out(6);
  EXPECT_NO_THROW(cross_entropy_forward(3, logits, {.labels = labels}, loss, {}));
  EXPECT_THROW(cross_entropy_forward(3, logits, {.labels = negative}, loss, {}), ShapeError);
  EXPECT_THROW(cross_entropy_forward(3, logits, {.labels = large}, loss, {}), ShapeError);
  EXPECT_THROW(cross_entropy_forward(3, logits, {.dense = dense}, loss, {}), ShapeError);
  EXPECT_THROW(cross_entropy_forward(2, logits, {.labels = labels}, loss, {}), ShapeError);
  EXPECT_THROW(cross_entropy_backward(3, logits, {.labels = labels}, loss, {}, out), ShapeError);
}

}  // namespace
}  // namespace conopa::kernels
