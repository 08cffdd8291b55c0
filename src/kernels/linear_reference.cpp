#include "kernels/linear_reference.h"

#include <algorithm>

#include "conopa/core/dtype.h"
#include "conopa/core/parallel.h"
#include "kernels/linear_source.h"
#include "kernels/reference/rowwise.h"

namespace conopa::kernels::detail {
namespace {

std::vector<float> pack_rows(const WeightPack& args, const WeightView& view,
                             std::vector<float>& scale) {
  std::vector<float> rows(static_cast<std::size_t>(args.N * args.K));
  if (args.compute == ActType::kI8) scale.resize(static_cast<std::size_t>(args.N));
  parallel_for(0, args.N, 64, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int8_t> quantized(static_cast<std::size_t>(args.K));
    for (std::int64_t n = begin; n < end; ++n) {
      const std::span<float> row(rows.data() + n * args.K, static_cast<std::size_t>(args.K));
      if (args.compute == ActType::kI8) {
        scale[static_cast<std::size_t>(n)] = quantize_weight_row(view, n, row, quantized);
        std::ranges::transform(quantized, row.begin(), [](int q) { return static_cast<float>(q); });
      } else {
        read_weight_row(view, n, row);
        if (args.compute == ActType::kBf16) round_to_bf16(row);
      }
    }
  });
  return rows;
}

double element(const ConstAct& x, std::int64_t row, std::int64_t k) {
  const std::int64_t at = row * x.stride + k;
  switch (x.type) {
    case ActType::kF32:
      return static_cast<double>(static_cast<const float*>(x.data)[at]);
    case ActType::kBf16:
      return static_cast<double>(bf16_to_float(static_cast<const std::uint16_t*>(x.data)[at]));
    case ActType::kI8:
      return static_cast<double>(static_cast<const std::int8_t*>(x.data)[at]);
  }
  return 0.0;
}

// Sum of products; whole numbers below 2^53 are exact in double.
double sum_of_products(const std::vector<double>& x, const float* w) {
  double sum = 0.0;
  for (std::size_t k = 0; k < x.size(); ++k) sum += x[k] * static_cast<double>(w[k]);
  return sum;
}

void rotate(const LinearRope& rope, std::int64_t row, std::vector<double>& y) {
  for (std::int64_t column = 0; column < rope.columns; column += 2) {
    const std::int64_t in_section = column % (rope.heads * rope.head_width);
    const std::int64_t head = in_section / rope.head_width;
    const std::int64_t at = head * rope.head_stride + (row % rope.tokens) * (rope.head_width / 2) +
                            (in_section % rope.head_width) / 2;
    const auto cos = static_cast<double>(rope.cos[at]);
    const auto sin = static_cast<double>(rope.sin[at]);
    const auto pair = static_cast<std::size_t>(column);
    const double a = y[pair];
    const double b = y[pair + 1];
    y[pair] = a * cos - b * sin;
    y[pair + 1] = b * cos + a * sin;
  }
}

class Rows {
 public:
  Rows(const LinearArgs& args, const ReferenceWeight& weight) : args_(args), weight_(weight) {}

  void run(std::int64_t m) const {
    std::vector<double> x(static_cast<std::size_t>(weight_.k));
    for (std::size_t k = 0; k < x.size(); ++k) {
      x[k] = element(args_.x, m, static_cast<std::int64_t>(k));
    }
    std::vector<double> y(static_cast<std::size_t>(weight_.n));
    for (std::size_t n = 0; n < y.size(); ++n) y[n] = activated(x, m, n);
    if (args_.epilogue.rope.cos != nullptr) rotate(args_.epilogue.rope, m, y);
    write(y, m);
  }

 private:
  [[nodiscard]] double activated(const std::vector<double>& x, std::int64_t m,
                                 std::size_t n) const {
    const Epilogue& e = args_.epilogue;
    const double up = biased(x, m, n, weight_.weight, weight_.scale, e.bias);
    if (!weight_.gate.empty()) {
      return up * reference::silu(biased(x, m, n, weight_.gate, weight_.gate_scale, e.gate_bias));
    }
    return e.activation == Activation::kGelu ? reference::gelu(up) : up;
  }

  [[nodiscard]] double biased(const std::vector<double>& x, std::int64_t m, std::size_t n,
                              const std::vector<float>& rows, const std::vector<float>& scale,
                              const float* bias) const {
    double sum = sum_of_products(x, rows.data() + n * x.size());
    if (args_.x.type == ActType::kI8) {
      sum *= static_cast<double>(args_.x.scale[m]) * static_cast<double>(scale[n]);
    }
    return bias == nullptr ? sum : sum + static_cast<double>(bias[n]);
  }

  void write(const std::vector<double>& y, std::int64_t m) const {
    const Epilogue& e = args_.epilogue;
    const std::int64_t row =
        args_.group == 0 ? m : m / args_.group * args_.group_stride + m % args_.group;
    const std::int64_t from = e.residual_rows == 0 ? m : m % e.residual_rows;
    const std::int64_t padded = act_padded(args_.y.type, weight_.n);
    for (std::int64_t n = 0; n < padded; ++n) {
      double value = 0.0;
      if (n < weight_.n) {
        value = y[static_cast<std::size_t>(n)];
        if (e.layer_scale != nullptr) value *= static_cast<double>(e.layer_scale[n]);
        if (e.residual != nullptr) {
          value += static_cast<double>(e.residual[from * e.residual_stride + n]);
        }
      }
      const auto rounded = static_cast<float>(value);
      const std::int64_t at = row * args_.y.stride + n;
      if (args_.y.type == ActType::kF32) {
        static_cast<float*>(args_.y.data)[at] = rounded;
      } else {
        static_cast<std::uint16_t*>(args_.y.data)[at] = float_to_bf16(rounded);
      }
    }
  }

  const LinearArgs& args_;
  const ReferenceWeight& weight_;
};

}  // namespace

ReferenceWeight pack_reference(const WeightPack& args) {
  ReferenceWeight packed;
  packed.n = args.N;
  packed.k = args.K;
  packed.weight = pack_rows(args, args.weight, packed.scale);
  if (!args.gate.empty()) packed.gate = pack_rows(args, args.gate, packed.gate_scale);
  return packed;
}

void linear_reference(const LinearArgs& args, const ReferenceWeight& weight) {
  const Rows rows(args, weight);
  parallel_for(0, args.M, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = begin; m < end; ++m) rows.run(m);
  });
}

}  // namespace conopa::kernels::detail
