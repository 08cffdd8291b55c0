#include "kernels/reference/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "conopa/core/parallel.h"
#include "kernels/reference/rope_row.h"

namespace conopa::kernels::reference {

namespace {

std::size_t at(std::int64_t row, std::int64_t width, std::int64_t column) {
  return static_cast<std::size_t>(row * width + column);
}

HeadProblem head_problem(const AttentionInput& input, std::int64_t b) {
  const AttentionShape& s = input.shape;
  HeadProblem problem{.queries = s.queries,
                      .keys = s.keys,
                      .width = s.head_width,
                      .scale = static_cast<double>(input.scale),
                      .mask = input.mask.kind,
                      .alpha = static_cast<double>(input.mask.alpha)};
  if (problem.mask == MaskKind::kPrefixCausal) {
    problem.prefix = input.mask.prefix[static_cast<std::size_t>(b)];
  }
  return problem;
}

/// One head's [N, Dh] rows as doubles, rotated if there is a table.
std::vector<double> gather(const ConstRows& rows, const RopeTable& table, std::int64_t b,
                           std::int64_t tokens, std::int64_t h, std::int64_t width) {
  std::vector<double> out(at(tokens, width, 0));
  for (std::int64_t n = 0; n < tokens; ++n) {
    const std::span<double> target{&out[at(n, width, 0)], static_cast<std::size_t>(width)};
    const float* source = rows.row(b * tokens + n) + h * width;
    std::copy(source, source + width, target.begin());
    if (!table.empty()) rotate_row(table, b, n, h, RopeDirection::kForward, target);
  }
  return out;
}

void scatter(std::vector<double> values, const MutableRows& rows, const RopeTable& table,
             std::int64_t b, std::int64_t tokens, std::int64_t h, std::int64_t width) {
  for (std::int64_t n = 0; n < tokens; ++n) {
    const std::span<double> source{&values[at(n, width, 0)], static_cast<std::size_t>(width)};
    if (!table.empty()) rotate_row(table, b, n, h, RopeDirection::kInverse, source);
    float* target = rows.row(b * tokens + n) + h * width;
    std::transform(source.begin(), source.end(), target,
                   [](double x) { return static_cast<float>(x); });
  }
}

HeadTensors gather_head(const AttentionInput& input, std::int64_t b, std::int64_t h) {
  const AttentionShape& s = input.shape;
  return {.q = gather(input.q, input.rope_q, b, s.queries, h, s.head_width),
          .k = gather(input.k, input.rope_k, b, s.keys, h, s.head_width),
          .v = gather(input.v, {}, b, s.keys, h, s.head_width)};
}

template <typename Body>
void for_each_head(const AttentionShape& shape, Body&& body) {
  parallel_for(0, shape.batch * shape.heads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(i / shape.heads, i % shape.heads);
  });
}

double dot(const std::vector<double>& a, std::int64_t row_a, std::span<const double> b,
           std::int64_t row_b, std::int64_t width) {
  double sum = 0.0;
  for (std::int64_t d = 0; d < width; ++d) sum += a[at(row_a, width, d)] * b[at(row_b, width, d)];
  return sum;
}

}  // namespace

bool visible(const HeadProblem& p, std::int64_t i, std::int64_t j) noexcept {
  switch (p.mask) {
    case MaskKind::kNone:
    case MaskKind::kSoftCausal:
      return true;
    case MaskKind::kCausal:
      return j <= i;
    case MaskKind::kCausalFirstOpen:
      return i == 0 || j <= i;
    case MaskKind::kPrefixCausal:
      return j <= i || j < p.prefix;
  }
  return true;
}

double soft_factor(const HeadProblem& p, std::int64_t i, std::int64_t j) noexcept {
  return p.mask == MaskKind::kSoftCausal && j > i ? p.alpha : 1.0;
}

HeadResult head_forward(const HeadProblem& p, const HeadTensors& x) {
  HeadResult r{.out = std::vector<double>(at(p.queries, p.width, 0)),
               .lse = std::vector<double>(at(p.queries, 1, 0)),
               .softmax = std::vector<double>(at(p.queries, p.keys, 0)),
               .map = std::vector<double>(at(p.queries, p.keys, 0))};
  for (std::int64_t i = 0; i < p.queries; ++i) {
    double* weights = &r.softmax[at(i, p.keys, 0)];
    for (std::int64_t j = 0; j < p.keys; ++j) {
      weights[j] = visible(p, i, j) ? p.scale * dot(x.q, i, x.k, j, p.width)
                                    : -std::numeric_limits<double>::infinity();
    }
    const double top = *std::max_element(weights, weights + p.keys);
    double sum = 0.0;
    for (std::int64_t j = 0; j < p.keys; ++j) sum += std::exp(weights[j] - top);
    r.lse[at(i, 1, 0)] = top + std::log(sum);
    for (std::int64_t j = 0; j < p.keys; ++j) {
      weights[j] = std::exp(weights[j] - top) / sum;
      r.map[at(i, p.keys, j)] = weights[j] * soft_factor(p, i, j);
      for (std::int64_t d = 0; d < p.width; ++d) {
        r.out[at(i, p.width, d)] += r.map[at(i, p.keys, j)] * x.v[at(j, p.width, d)];
      }
    }
  }
  return r;
}

HeadTensors head_backward(const HeadProblem& p, const HeadTensors& x,
                          std::span<const double> dout) {
  const HeadResult r = head_forward(p, x);
  HeadTensors g{.q = std::vector<double>(x.q.size()),
                .k = std::vector<double>(x.k.size()),
                .v = std::vector<double>(x.v.size())};
  std::vector<double> dweights(at(p.keys, 1, 0));
  for (std::int64_t i = 0; i < p.queries; ++i) {
    double mean = 0.0;  // of the weights' gradient under the softmax
    for (std::int64_t j = 0; j < p.keys; ++j) {
      dweights[at(j, 1, 0)] = soft_factor(p, i, j) * dot(x.v, j, dout, i, p.width);
      mean += r.softmax[at(i, p.keys, j)] * dweights[at(j, 1, 0)];
    }
    for (std::int64_t j = 0; j < p.keys; ++j) {
      const double dscore = p.scale * r.softmax[at(i, p.keys, j)] * (dweights[at(j, 1, 0)] - mean);
      for (std::int64_t d = 0; d < p.width; ++d) {
        g.q[at(i, p.width, d)] += dscore * x.k[at(j, p.width, d)];
        g.k[at(j, p.width, d)] += dscore * x.q[at(i, p.width, d)];
        g.v[at(j, p.width, d)] += r.map[at(i, p.keys, j)] * dout[at(i, p.width, d)];
      }
    }
  }
  return g;
}

void attention_forward(const AttentionInput& input, const AttentionOutput& output) {
  const AttentionShape& s = input.shape;
  for_each_head(s, [&](std::int64_t b, std::int64_t h) {
    const HeadResult r = head_forward(head_problem(input, b), gather_head(input, b, h));
    const std::int64_t stride = s.heads * s.head_width;
    scatter(r.out, {output.out.subspan(at(b * s.queries, stride, 0)), stride}, {}, 0, s.queries, h,
            s.head_width);
    const std::int64_t head_row = (b * s.heads + h) * s.queries;
    for (std::int64_t i = 0; i < s.queries; ++i) {
      if (!output.lse.empty()) {
        output.lse[at(head_row + i, 1, 0)] = static_cast<float>(r.lse[at(i, 1, 0)]);
      }
      if (output.map.empty()) continue;
      for (std::int64_t j = 0; j < s.keys; ++j) {
        output.map[at(head_row + i, s.keys, j)] = static_cast<float>(r.map[at(i, s.keys, j)]);
      }
    }
  });
}

void attention_backward(const AttentionInput& input, std::span<const float> dout,
                        std::span<const float> /*lse*/, const AttentionGrads& grads) {
  const AttentionShape& s = input.shape;
  const ConstRows dout_rows{dout, s.heads * s.head_width};
  for_each_head(s, [&](std::int64_t b, std::int64_t h) {
    const std::vector<double> dhead = gather(dout_rows, {}, b, s.queries, h, s.head_width);
    HeadTensors g = head_backward(head_problem(input, b), gather_head(input, b, h), dhead);
    scatter(std::move(g.q), grads.dq, input.rope_q, b, s.queries, h, s.head_width);
    scatter(std::move(g.k), grads.dk, input.rope_k, b, s.keys, h, s.head_width);
    scatter(std::move(g.v), grads.dv, {}, b, s.keys, h, s.head_width);
  });
}

}  // namespace conopa::kernels::reference
