#include "conopa/eval/pca.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"

namespace conopa::eval {
namespace {

constexpr int kMaxIterations = 1000;  // a few dozen unless variances nearly agree
// Directions are settled when none of them turns by more than this (sine of the angle).
constexpr double kTolerance = 1e-10;
// More directions than asked for are iterated: convergence then depends on the gap behind them.
constexpr std::size_t kSpare = 5;

using Matrix = std::vector<double>;  // row-major

double dot(const double* a, const double* b, std::size_t n) {
  return std::inner_product(a, a + n, b, 0.0);
}

Matrix mean_of(std::span<const float> rows, std::size_t D) {
  Matrix mean(D);
  for (std::size_t i = 0; i < rows.size(); ++i) mean[i % D] += static_cast<double>(rows[i]);
  for (double& x : mean) x /= static_cast<double>(rows.size() / D);
  return mean;
}

// [D, D], unbiased. Every thread owns rows of the result, so that sums have one order.
Matrix covariance(std::span<const float> rows, const Matrix& mean) {
  const std::size_t D = mean.size();
  const std::size_t M = rows.size() / D;
  Matrix out(D * D);
  parallel_for(0, std::ssize(mean), 8, [&](std::int64_t begin, std::int64_t end) {
    Matrix centred(D);
    for (std::size_t m = 0; m < M; ++m) {
      for (std::size_t d = 0; d < D; ++d) {
        centred[d] = static_cast<double>(rows[m * D + d]) - mean[d];
      }
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        for (std::size_t j = 0; j < D; ++j) out[i * D + j] += centred[i] * centred[j];
      }
    }
  });
  for (double& x : out) x /= static_cast<double>(M - 1);
  return out;
}

// Gram-Schmidt, twice for accuracy; rows that vanish become unit vectors orthogonal to the others.
void orthonormalise(Matrix& rows, std::size_t D) {
  const std::size_t count = rows.size() / D;
  std::size_t axis = 0;
  for (std::size_t i = 0; i < count; ++i) {
    double* row = rows.data() + i * D;
    double length = std::sqrt(dot(row, row, D));
    for (;;) {
      const double before = length;
      for (int pass = 0; pass < 2; ++pass) {
        for (std::size_t k = 0; k < i; ++k) {
          const double* other = rows.data() + k * D;
          const double along = dot(row, other, D);
          for (std::size_t d = 0; d < D; ++d) row[d] -= along * other[d];
        }
      }
      length = std::sqrt(dot(row, row, D));
      if (length > 1e-12 * before && length > 0.0) break;
      std::fill(row, row + D, 0.0);
      row[axis++ % D] = 1.0;
      length = 1.0;
    }
    for (std::size_t d = 0; d < D; ++d) row[d] /= length;
  }
}

Matrix times(const Matrix& rows, const Matrix& symmetric, std::size_t D) {
  Matrix out(rows.size());
  const std::size_t count = rows.size() / D;
  parallel_for(0, static_cast<std::int64_t>(D), 32, [&](std::int64_t begin, std::int64_t end) {
    for (auto d = static_cast<std::size_t>(begin); d < static_cast<std::size_t>(end); ++d) {
      for (std::size_t i = 0; i < count; ++i) {
        out[i * D + d] = dot(rows.data() + i * D, symmetric.data() + d * D, D);
      }
    }
  });
  return out;
}

Matrix random_start(std::size_t count, std::size_t D) {
  Rng rng(0, RngPurpose::kInit);
  Matrix out(count * D);
  for (double& x : out) x = rng.normal();
  orthonormalise(out, D);
  return out;
}

// Iterates until the first `wanted` directions stand still.
Matrix iterate(const Matrix& matrix, std::size_t wanted, std::size_t D) {
  Matrix rows = random_start(std::min(D, wanted + kSpare), D);
  for (int step = 0; step < kMaxIterations; ++step) {
    Matrix next = times(rows, matrix, D);
    orthonormalise(next, D);
    double turned = 0.0;
    for (std::size_t i = 0; i < wanted; ++i) {
      const double along = dot(next.data() + i * D, rows.data() + i * D, D);
      double off = 0.0;  // 1 − along² would lose half of the digits
      for (std::size_t d = 0; d < D; ++d) {
        off += std::pow(next[i * D + d] - along * rows[i * D + d], 2);
      }
      turned = std::max(turned, std::sqrt(off));
    }
    rows = std::move(next);
    if (turned < kTolerance) break;
  }
  rows.resize(wanted * D);
  return rows;
}

void fix_signs(Matrix& components, std::size_t D) {
  for (std::size_t at = 0; at < components.size(); at += D) {
    const auto row = std::span(components).subspan(at, D);
    const auto largest = std::ranges::max_element(row, {}, [](double x) { return std::abs(x); });
    if (*largest >= 0.0) continue;
    for (double& x : row) x = -x;
  }
}

}  // namespace

PcaBasis principal_components(std::span<const float> rows, std::int64_t dims, std::int64_t count) {
  if (dims < 1 || count < 1 || count > dims || std::ssize(rows) % dims != 0 ||
      std::ssize(rows) / dims < 2) {
    throw ShapeError("pca",
                     "expected at least 2 rows of {} numbers and 1 to {} components, got {} "
                     "numbers and {} components",
                     dims, dims, rows.size(), count);
  }
  if (!std::ranges::all_of(rows, [](float x) { return std::isfinite(x); })) {
    throw FormatError("pca", "expected finite values, found NaN or infinity; check the model");
  }
  const auto D = static_cast<std::size_t>(dims);
  PcaBasis out{.dims = dims, .mean = mean_of(rows, D), .components = {}, .variances = {}};
  const Matrix matrix = covariance(rows, out.mean);
  for (std::size_t d = 0; d < D; ++d) out.total_variance += matrix[d * D + d];
  out.components = iterate(matrix, static_cast<std::size_t>(count), D);
  fix_signs(out.components, D);
  const Matrix images = times(out.components, matrix, D);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    out.variances.push_back(
        std::max(0.0, dot(images.data() + i * D, out.components.data() + i * D, D)));
  }
  return out;
}

std::vector<float> project(std::span<const float> rows, const PcaBasis& basis) {
  const auto D = static_cast<std::size_t>(basis.dims);
  if (D == 0 || rows.size() % D != 0) {
    throw ShapeError("pca", "expected rows of {} numbers, got {} in all", D, rows.size());
  }
  const auto count = static_cast<std::size_t>(basis.count());
  std::vector<float> out(rows.size() / D * count);
  for (std::size_t m = 0; m < rows.size() / D; ++m) {
    for (std::size_t i = 0; i < count; ++i) {
      double sum = 0.0;
      for (std::size_t d = 0; d < D; ++d) {
        sum += (static_cast<double>(rows[m * D + d]) - basis.mean[d]) * basis.components[i * D + d];
      }
      out[m * count + i] = static_cast<float>(sum);
    }
  }
  return out;
}

}  // namespace conopa::eval
