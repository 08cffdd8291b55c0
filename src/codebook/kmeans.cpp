#include "conopa/codebook/kmeans.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "codebook/kmeans_start.h"
#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "conopa/kernels/matmul.h"

namespace conopa::codebook {
namespace {

constexpr const char* kWhere = "kmeans";
// Vectors whose products with all centres are held at once: 1 MiB for 512 centres. Blocks are the
// unit of parallel work, and their bounds do not depend on the threads.
constexpr std::int64_t kBlock = 512;

using Labels = std::vector<std::int64_t>;

// The part of a squared distance that depends on the centre: |c|²/2 − x·c.
class Assigner {
 public:
  Assigner(std::span<const float> centres, std::int64_t dims)
      : centres_(centres),
        D_(dims),
        K_(std::ssize(centres) / dims),
        packed_(kernels::PackedMatrix::pack({.N = K_,
                                             .K = D_,
                                             .b = centres.data(),
                                             .ldb = D_,
                                             .layout_b = kernels::Layout::kTransposed})),
        half_norms_(static_cast<std::size_t>(K_)) {
    for (std::size_t k = 0; k < half_norms_.size(); ++k) {
      const float* centre = centres.data() + k * static_cast<std::size_t>(dims);
      half_norms_[k] = 0.5F * std::inner_product(centre, centre + dims, centre, 0.0F);
    }
  }

  void run(std::span<const float> vectors, std::span<std::int64_t> labels,
           std::span<float> squared) const {
    const std::int64_t M = std::ssize(labels);
    parallel_for(0, (M + kBlock - 1) / kBlock, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> products(static_cast<std::size_t>(kBlock * K_));
      for (std::int64_t block = begin; block < end; ++block) {
        const std::int64_t first = block * kBlock;
        const std::int64_t count = std::min(kBlock, M - first);
        const float* rows = vectors.data() + first * D_;
        kernels::matmul({.M = count,
                         .N = K_,
                         .K = D_,
                         .a = rows,
                         .lda = D_,
                         .packed_b = &packed_,
                         .c = products.data(),
                         .ldc = K_});
        for (std::int64_t i = 0; i < count; ++i) {
          const auto at = static_cast<std::size_t>(first + i);
          labels[at] = nearest(products.data() + i * K_);
          if (squared.empty()) continue;
          squared[at] = squared_distance(rows + i * D_, centres_.data() + labels[at] * D_,
                                         static_cast<std::size_t>(D_));
        }
      }
    });
  }

 private:
  [[nodiscard]] std::int64_t nearest(const float* products) const {
    std::size_t best = 0;
    float lowest = half_norms_[0] - products[0];
    for (std::size_t k = 1; k < half_norms_.size(); ++k) {
      const float value = half_norms_[k] - products[k];
      if (value < lowest) {
        lowest = value;
        best = k;
      }
    }
    return static_cast<std::int64_t>(best);
  }

  std::span<const float> centres_;
  std::int64_t D_;
  std::int64_t K_;
  kernels::PackedMatrix packed_;
  std::vector<float> half_norms_;
};

double sum_of(std::span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

Labels count_labels(const Labels& labels, std::int64_t centres) {
  Labels counts(static_cast<std::size_t>(centres));
  for (const std::int64_t label : labels) ++counts[static_cast<std::size_t>(label)];
  return counts;
}

// Gives every centre without vectors the farthest vector of a centre that has others.
void fill_empty(Labels& labels, Labels& counts, std::span<const float> squared) {
  const auto empty = std::ranges::count(counts, 0);
  if (empty == 0) return;
  Labels order(labels.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [&](std::int64_t i) { return squared[static_cast<std::size_t>(i)]; });
  std::size_t next = 0;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    if (counts[k] > 0) continue;
    for (; next < order.size(); ++next) {
      const auto vector = static_cast<std::size_t>(order[next]);
      if (squared[vector] <= 0.0F) return;  // fewer distinct vectors than centres
      const auto from = static_cast<std::size_t>(labels[vector]);
      if (counts[from] < 2) continue;
      --counts[from];
      labels[vector] = static_cast<std::int64_t>(k);
      counts[k] = 1;
      ++next;
      break;
    }
  }
}

// Numbers of the vectors, those of centre 0 first, each centre's in ascending order.
Labels by_label(const Labels& labels, const Labels& counts) {
  Labels next(counts.size());
  std::exclusive_scan(counts.begin(), counts.end(), next.begin(), std::int64_t{0});
  Labels out(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    out[static_cast<std::size_t>(next[static_cast<std::size_t>(labels[i])]++)] =
        static_cast<std::int64_t>(i);
  }
  return out;
}

// Every centre becomes the mean of its vectors, added up in double in their order; centres without
// vectors stay.
void move_centres(std::span<const float> vectors, std::int64_t dims, const Labels& labels,
                  const Labels& counts, std::vector<float>& centres) {
  const auto D = static_cast<std::size_t>(dims);
  const Labels members = by_label(labels, counts);
  Labels first(counts.size());
  std::exclusive_scan(counts.begin(), counts.end(), first.begin(), std::int64_t{0});
  parallel_for(0, std::ssize(counts), 8, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sum(D);
    for (auto k = static_cast<std::size_t>(begin); k < static_cast<std::size_t>(end); ++k) {
      if (counts[k] == 0) continue;
      std::ranges::fill(sum, 0.0);
      for (std::int64_t m = first[k]; m < first[k] + counts[k]; ++m) {
        const float* row = vectors.data() + members[static_cast<std::size_t>(m)] * dims;
        for (std::size_t d = 0; d < D; ++d) sum[d] += static_cast<double>(row[d]);
      }
      for (std::size_t d = 0; d < D; ++d) {
        centres[k * D + d] = static_cast<float>(sum[d] / static_cast<double>(counts[k]));
      }
    }
  });
}

void check_vectors(std::span<const float> vectors, std::int64_t dims, std::int64_t centres) {
  if (dims < 1 || std::ssize(vectors) % dims != 0 || std::ssize(vectors) / dims < centres) {
    throw ShapeError(kWhere,
                     "expected at least {} vectors of {} numbers, one per centre, got {} numbers; "
                     "take more samples or fewer centres",
                     centres, dims, vectors.size());
  }
  if (!std::ranges::all_of(vectors, [](float x) { return std::isfinite(x); })) {
    throw FormatError(kWhere, "expected finite vectors, found NaN or infinity; check the data");
  }
}

}  // namespace

void KMeansOptions::validate() const {
  constexpr std::int64_t kMostCentres = std::int64_t{1} << 20;
  if (centres < 1 || centres > kMostCentres) {
    throw ConfigError(kWhere, "expected 1 to {} centres, got {}", kMostCentres, centres);
  }
  if (iterations < 0) {
    throw ConfigError(kWhere, "expected 0 or more iterations, got {}", iterations);
  }
}

Labels nearest_centres(std::span<const float> vectors, std::span<const float> centres,
                       std::int64_t dims, std::span<float> squared) {
  if (dims < 1 || centres.empty() || std::ssize(vectors) % dims != 0 ||
      std::ssize(centres) % dims != 0 ||
      (!squared.empty() && std::ssize(squared) != std::ssize(vectors) / dims)) {
    throw ShapeError(kWhere, "expected vectors and centres of {} numbers, got {} and {} numbers",
                     dims, vectors.size(), centres.size());
  }
  Labels labels(vectors.size() / static_cast<std::size_t>(dims));
  Assigner(centres, dims).run(vectors, labels, squared);
  return labels;
}

KMeansResult kmeans(std::span<const float> vectors, std::int64_t dims, const KMeansOptions& options,
                    const std::function<void(std::int64_t, double)>& after) {
  options.validate();
  check_vectors(vectors, dims, options.centres);
  KMeansResult out;
  out.centres = start_centres(vectors, dims, options.centres, options.seed);
  std::vector<float> squared(vectors.size() / static_cast<std::size_t>(dims));
  out.labels = nearest_centres(vectors, out.centres, dims, squared);
  out.inertia.push_back(sum_of(squared));
  for (std::int64_t step = 0; step < options.iterations && !out.settled; ++step) {
    const Labels before = out.labels;
    Labels counts = count_labels(out.labels, options.centres);
    fill_empty(out.labels, counts, squared);
    move_centres(vectors, dims, out.labels, counts, out.centres);
    out.labels = nearest_centres(vectors, out.centres, dims, squared);
    out.inertia.push_back(sum_of(squared));
    out.settled = out.labels == before;
    if (after) after(step + 1, out.inertia.back());
  }
  out.counts = count_labels(out.labels, options.centres);
  return out;
}

double use_entropy(std::span<const std::int64_t> counts) {
  const auto total =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  double bits = 0.0;
  for (const std::int64_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / total;
    bits -= share * std::log2(share);
  }
  return bits;
}

}  // namespace conopa::codebook
