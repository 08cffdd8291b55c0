#include "conopa/arch/folded_pool.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "conopa/core/rng.h"

namespace conopa::arch {
namespace {

constexpr std::size_t kTokens = 5;

std::vector<float> noise(std::size_t count, std::uint64_t index) {
  Rng rng(3, RngPurpose::kTest, 0, index);
  std::vector<float> out(count);
  for (float& value : out) value = static_cast<float>(rng.normal());
  return out;
}

struct Case {
  std::string name;
  std::size_t width, heads, queries;
  bool biased, normed;
};

struct Parameters {
  std::vector<float> queries, keys, values, key_bias, value_bias, mean, variance;
};

Parameters random_parameters(const Case& c) {
  Parameters p{.queries = noise(c.queries * c.width, 1),
               .keys = noise(c.width * c.width, 2),
               .values = noise(c.width * c.width, 3),
               .key_bias = noise(c.width, 4),
               .value_bias = noise(c.width, 5),
               .mean = noise(c.width, 6),
               .variance = noise(c.width, 7)};
  for (float& value : p.variance) value = std::fabs(value) + 0.1F;
  return p;
}

// Row of a matrix [width, width] times x, plus a bias.
double row_product(const std::vector<float>& m, std::size_t row, const std::vector<double>& x,
                   const std::vector<float>* bias) {
  double sum = bias == nullptr ? 0.0 : static_cast<double>((*bias)[row]);
  for (std::size_t c = 0; c < x.size(); ++c) {
    sum += static_cast<double>(m[row * x.size() + c]) * x[c];
  }
  return sum;
}

// Softmax of scores.
std::vector<double> softmax(std::vector<double> scores) {
  double sum = 0.0;
  for (double& s : scores) sum += s = std::exp(s);
  for (double& s : scores) s /= sum;
  return scores;
}

// The read-out as it is written down: norm, keys and values of every token, queries, mean.
std::vector<double> pooled(const Case& c, const Parameters& p,
                           const std::vector<std::vector<double>>& tokens) {
  std::vector<std::vector<double>> normed = tokens;
  for (auto& x : normed) {
    for (std::size_t d = 0; d < c.width && c.normed; ++d) {
      x[d] = (x[d] - static_cast<double>(p.mean[d])) /
             std::sqrt(static_cast<double>(p.variance[d]) + 1e-6);
    }
  }
  const std::size_t Dh = c.width / c.heads;
  std::vector<double> out(c.width, 0.0);
  for (std::size_t h = 0; h < c.heads; ++h) {
    for (std::size_t q = 0; q < c.queries; ++q) {
      std::vector<double> scores;
      for (const auto& x : normed) {
        double score = 0.0;
        for (std::size_t d = h * Dh; d < (h + 1) * Dh; ++d) {
          score += static_cast<double>(p.queries[q * c.width + d]) *
                   row_product(p.keys, d, x, c.biased ? &p.key_bias : nullptr);
        }
        scores.push_back(score / std::sqrt(static_cast<double>(Dh)));
      }
      const std::vector<double> weights = softmax(scores);
      for (std::size_t d = h * Dh; d < (h + 1) * Dh; ++d) {
        for (std::size_t n = 0; n < normed.size(); ++n) {
          out[d] += weights[n] / static_cast<double>(c.queries) *
                    row_product(p.values, d, normed[n], c.biased ? &p.value_bias : nullptr);
        }
      }
    }
  }
  return out;
}

// The same from the folded form, on tokens as they are.
std::vector<double> folded_output(const Case& c, const FoldedPool& folded,
                                  const std::vector<std::vector<double>>& tokens) {
  const std::size_t Dh = c.width / c.heads;
  std::vector<double> out;
  for (std::size_t h = 0; h < c.heads; ++h) {
    std::vector<double> gathered(c.width, 0.0);
    for (std::size_t q = 0; q < c.queries; ++q) {
      std::vector<double> scores;
      for (const auto& x : tokens) {
        scores.push_back(row_product(folded.scores, h * c.queries + q, x, nullptr));
      }
      const std::vector<double> weights = softmax(scores);
      for (std::size_t n = 0; n < tokens.size(); ++n) {
        for (std::size_t d = 0; d < c.width; ++d) {
          gathered[d] += weights[n] / static_cast<double>(c.queries) * tokens[n][d];
        }
      }
    }
    for (std::size_t d = h * Dh; d < (h + 1) * Dh; ++d) {
      out.push_back(row_product(folded.values, d, gathered, &folded.bias));
    }
  }
  return out;
}

class FoldedPoolTest : public ::testing::TestWithParam<Case> {};

TEST_P(FoldedPoolTest, GivesWhatKeysAndValuesOfEveryTokenGive) {
  const Case& c = GetParam();
  const Parameters p = random_parameters(c);
  std::vector<std::vector<double>> tokens;
  for (std::size_t n = 0; n < kTokens; ++n) {
    const std::vector<float> x = noise(c.width, 10 + n);
    tokens.emplace_back(x.begin(), x.end());
  }
  const ChannelShift norm = c.normed ? batch_norm_shift(p.mean, p.variance) : ChannelShift{};
  const FoldedPool folded = fold_pool(
      {.queries = p.queries,
       .keys = p.keys,
       .values = p.values,
       .value_bias = c.biased ? std::span<const float>(p.value_bias) : std::span<const float>(),
       .norm = norm,
       .width = static_cast<std::int64_t>(c.width),
       .heads = static_cast<std::int64_t>(c.heads)});
  const std::vector<double> expected = pooled(c, p, tokens);
  const std::vector<double> found = folded_output(c, folded, tokens);
  ASSERT_EQ(found.size(), expected.size());
  // Folded values are rounded to float32 once; sums here are in double precision.
  for (std::size_t d = 0; d < found.size(); ++d) EXPECT_NEAR(found[d], expected[d], 2e-5) << d;
}

INSTANTIATE_TEST_SUITE_P(Forms, FoldedPoolTest,
                         ::testing::Values(Case{"plain", 8, 2, 1, false, false},
                                           Case{"biased", 8, 4, 1, true, false},
                                           Case{"normed", 12, 3, 1, false, true},
                                           Case{"queries", 12, 2, 3, true, true},
                                           Case{"one_head", 4, 1, 2, true, true}),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace conopa::arch
