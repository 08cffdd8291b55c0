#include "conopa/eval/rank.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"

namespace conopa::eval {
namespace {

constexpr int kMaxSweeps = 60;  // convergence is quadratic; more than about 15 never happens

/// The columns of the taller orientation as rows of a contiguous buffer: [columns][length].
struct Columns {
  std::size_t count;
  std::size_t length;
  std::vector<double> values;
  [[nodiscard]] double* column(std::size_t i) { return values.data() + i * length; }
};

Columns load_columns(std::span<const double> matrix, std::size_t rows, std::size_t cols) {
  if (rows < cols) return {rows, cols, {matrix.begin(), matrix.end()}};  // columns of the transpose
  Columns out{cols, rows, std::vector<double>(matrix.size())};
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < cols; ++c) out.column(c)[r] = matrix[r * cols + c];
  }
  return out;
}

double dot(const double* a, const double* b, std::size_t n) {
  return std::inner_product(a, a + n, b, 0.0);
}

/// Makes two columns orthogonal; returns whether they were not yet.
bool rotate(double* p, double* q, std::size_t n) {
  const double alpha = dot(p, p, n);
  const double beta = dot(q, q, n);
  const double gamma = dot(p, q, n);
  const double limit = std::numeric_limits<double>::epsilon() * std::sqrt(alpha * beta);
  // Products of denormal columns underflow to 0: such columns count as orthogonal.
  if (gamma == 0.0 || std::abs(gamma) <= limit) return false;
  const double zeta = (beta - alpha) / (2.0 * gamma);
  const double t = std::copysign(1.0, zeta) / (std::abs(zeta) + std::hypot(1.0, zeta));
  const double c = 1.0 / std::hypot(1.0, t);
  const double s = c * t;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = p[i];
    p[i] = c * x - s * q[i];
    q[i] = s * x + c * q[i];
  }
  return true;
}

}  // namespace

std::vector<double> singular_values(std::span<const double> matrix, std::int64_t rows,
                                    std::int64_t cols) {
  if (rows < 1 || cols < 1 || static_cast<std::int64_t>(matrix.size()) / rows != cols ||
      static_cast<std::int64_t>(matrix.size()) % rows != 0) {
    throw ShapeError("rank", "expected a [{}, {}] matrix, got {} values; pass one whole matrix",
                     rows, cols, matrix.size());
  }
  if (!std::all_of(matrix.begin(), matrix.end(), [](double x) { return std::isfinite(x); })) {
    throw FormatError("rank", "expected finite values, found NaN or infinity; check the model");
  }
  Columns columns =
      load_columns(matrix, static_cast<std::size_t>(rows), static_cast<std::size_t>(cols));
  bool rotated = true;
  for (int sweep = 0; sweep < kMaxSweeps && rotated; ++sweep) {
    rotated = false;
    for (std::size_t p = 0; p + 1 < columns.count; ++p) {
      for (std::size_t q = p + 1; q < columns.count; ++q) {
        rotated |= rotate(columns.column(p), columns.column(q), columns.length);
      }
    }
  }
  std::vector<double> sigma(columns.count);
  for (std::size_t i = 0; i < columns.count; ++i) {
    sigma[i] = std::sqrt(dot(columns.column(i), columns.column(i), columns.length));
  }
  std::sort(sigma.begin(), sigma.end(), std::greater<>());
  return sigma;
}

RankCurves attention_rank(std::span<const double> maps, std::int64_t layers, std::int64_t heads,
                          std::int64_t tokens, double threshold) {
  const std::int64_t count = layers * heads;
  if (layers < 1 || heads < 1 || tokens < 1 ||
      static_cast<std::int64_t>(maps.size()) != count * tokens * tokens) {
    throw ShapeError("rank",
                     "expected [{}, {}, {}, {}] attention maps, got {} values; pass all "
                     "layers and heads",
                     layers, heads, tokens, tokens, maps.size());
  }
  const auto n = static_cast<std::size_t>(tokens);
  RankCurves out{layers, heads, tokens, std::vector<double>(static_cast<std::size_t>(count) * n),
                 std::vector<std::int64_t>(static_cast<std::size_t>(count))};
  parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto map = static_cast<std::size_t>(begin); map < static_cast<std::size_t>(end); ++map) {
      const std::vector<double> sigma =
          singular_values(maps.subspan(map * n * n, n * n), tokens, tokens);
      const double total = std::accumulate(sigma.begin(), sigma.end(), 0.0);
      if (total == 0.0) continue;
      double sum = 0.0;
      for (std::size_t i = 0; i < n; ++i) {
        sum += sigma[i];
        out.cumulative[map * n + i] = sum / total;
        if (out.index[map] == 0 && sum / total >= threshold) {
          out.index[map] = static_cast<std::int64_t>(i) + 1;
        }
      }
    }
  });
  return out;
}

}  // namespace conopa::eval
