// The blocks of a language model inside an encoder, in their plain or their short form.

#include <cmath>

#include "conopa/core/parallel.h"
#include "conopa/kernels/matmul.h"
#include "engine/weight_loader.h"

namespace conopa::engine {

namespace names = arch::names;

namespace {

struct Matrix {
  std::vector<float> values;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

// aᵀ b over the rows of both.
Matrix product_of_transposed(const Matrix& a, const Matrix& b, kernels::Isa isa) {
  Matrix out{.values = std::vector<float>(static_cast<std::size_t>(a.columns * b.columns)),
             .rows = a.columns,
             .columns = b.columns};
  kernels::matmul({.M = a.columns,
                   .N = b.columns,
                   .K = a.rows,
                   .a = a.values.data(),
                   .lda = a.columns,
                   .layout_a = kernels::Layout::kTransposed,
                   .b = b.values.data(),
                   .ldb = b.columns,
                   .c = out.values.data(),
                   .ldc = b.columns},
                  isa);
  return out;
}

// Takes the mean over the rows from every column: what a layer norm behind the map subtracts.
void centre(Matrix& m) {
  parallel_for(0, m.columns, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      double sum = 0.0;
      for (std::int64_t r = 0; r < m.rows; ++r) {
        sum += static_cast<double>(m.values[static_cast<std::size_t>(r * m.columns + c)]);
      }
      const auto mean = static_cast<float>(sum / static_cast<double>(m.rows));
      for (std::int64_t r = 0; r < m.rows; ++r) {
        m.values[static_cast<std::size_t>(r * m.columns + c)] -= mean;
      }
    }
  });
}

// Row r times factors[r].
void scale_rows(Matrix& m, std::span<const float> factors) {
  for (std::int64_t r = 0; r < m.rows; ++r) {
    for (std::int64_t c = 0; c < m.columns; ++c) {
      m.values[static_cast<std::size_t>(r * m.columns + c)] *= factors[static_cast<std::size_t>(r)];
    }
  }
}

Matrix transposed(std::span<const float> values, std::int64_t rows, std::int64_t columns) {
  Matrix out{.values = std::vector<float>(values.size()), .rows = columns, .columns = rows};
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      out.values[static_cast<std::size_t>(c * rows + r)] =
          values[static_cast<std::size_t>(r * columns + c)];
    }
  }
  return out;
}

}  // namespace

// Keys of a head: [C, Dh] = (diag(w) A)ᵀ Wkᵀ over sqrt(Dh); values: [Dh, C] = Wv diag(w) A.
void WeightLoader::fold(const arch::BlockSpec& b, LanguageWeights& out) const {
  const std::int64_t D = b.dim;
  const std::int64_t Dh = b.head_dim();
  Matrix a{.values = floats(std::string(names::kLanguageIn) + ".weight"),
           .rows = D,
           .columns = spec_.dim};
  if (b.norm == arch::Norm::kLayer) centre(a);
  Matrix gram = product_of_transposed(a, a, isa_);
  for (float& value : gram.values) value /= static_cast<float>(D);
  out.gram = packed(gram.values, gram.rows, ActType::kF32);

  const NormWeights norm = norm_of(b.name(names::kNorm1), b.norm, b.norm_eps);
  scale_rows(a, norm.weight);
  const std::vector<float> qkv = floats(b.name(names::kQkv) + ".weight");
  const std::vector<float> bias = floats_or_none(b.name(names::kQkv) + ".bias");
  const float share = 1.0F / std::sqrt(static_cast<float>(Dh));
  for (std::int64_t h = 0; h < b.heads; ++h) {
    const auto rows = [&](std::int64_t section) {
      return std::span(qkv).subspan(static_cast<std::size_t>((section * D + h * Dh) * D),
                                    static_cast<std::size_t>(Dh * D));
    };
    Matrix keys = product_of_transposed(a, transposed(rows(1), Dh, D), isa_);
    for (float& value : keys.values) value *= share;
    out.keys.push_back(packed(keys.values, keys.rows, ActType::kF32));
    const Matrix values = product_of_transposed(transposed(rows(2), Dh, D), a, isa_);
    LinearWeights& own = out.values.emplace_back(packed(values.values, values.rows, ActType::kF32));
    own.bias.resize(static_cast<std::size_t>(Dh), 0.0F);
    for (std::int64_t r = 0; r < Dh; ++r) {  // weights of a softmax sum to one
      double sum = bias.empty() ? 0.0 : static_cast<double>(bias[2 * D + h * Dh + r]);
      for (std::int64_t c = 0; c < D && !norm.bias.empty(); ++c) {
        sum += static_cast<double>(rows(2)[static_cast<std::size_t>(r * D + c)]) *
               static_cast<double>(norm.bias[static_cast<std::size_t>(c)]);
      }
      own.bias[static_cast<std::size_t>(r)] = static_cast<float>(sum);
    }
  }
}

LanguageWeights WeightLoader::language(const std::vector<arch::BlockSpec>& blocks) const {
  LanguageWeights out;
  const arch::LanguageBlock& llm = spec_.llm;
  if (!llm.present()) return out;
  out.in = linear(std::string(names::kLanguageIn), types_.input);
  out.out = linear(std::string(names::kLanguageOut), types_.input);
  if (!llm.has_blocks()) {
    out.norm = norm_of(std::string(names::kLanguageNorm), arch::Norm::kLayer, llm.norm_eps);
  } else if (llm.final_norm) {
    out.norm = norm_of(std::string(names::kLanguageNorm), llm.norm, llm.norm_eps);
  }
  for (const arch::BlockSpec& b : blocks) {
    const bool last = b.index + 1 == llm.depth;
    out.blocks.push_back(block(b, last && spec_.llm_last() && arch::reads_one_token(spec_)));
  }
  if (arch::folds_language_block(spec_)) fold(blocks.front(), out);
  return out;
}

}  // namespace conopa::engine
