#include "tests/llm/reference_block.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace conopa::testing {
namespace {

using Values = std::vector<double>;

class Block {
 public:
  Block(const llm::LmConfig& config, const llm::LmTensors& layer, std::int64_t tokens)
      : config_(config), layer_(layer), tokens_(tokens) {}

  [[nodiscard]] Values norm(const Values& x, const std::string& name) const {
    const Values weight = layer_.at(name + ".weight").to_f64();
    const bool centred = config_.norm == arch::Norm::kLayer;
    const Values bias = centred ? layer_.at(name + ".bias").to_f64() : Values(weight.size(), 0.0);
    const std::size_t width = weight.size();
    Values out(x.size());
    for (std::size_t row = 0; row < x.size(); row += width) {
      double mean = 0.0;
      for (std::size_t i = 0; centred && i < width; ++i) mean += x[row + i];
      mean /= static_cast<double>(width);
      double square = 0.0;
      for (std::size_t i = 0; i < width; ++i) square += (x[row + i] - mean) * (x[row + i] - mean);
      const double scale = 1.0 / std::sqrt(square / static_cast<double>(width) + config_.norm_eps);
      for (std::size_t i = 0; i < width; ++i) {
        out[row + i] = (x[row + i] - mean) * scale * weight[i] + bias[i];
      }
    }
    return out;
  }

  [[nodiscard]] Values linear(const Values& x, const std::string& name) const {
    const HostTensor& matrix = layer_.at(name + ".weight");
    const Values weight = matrix.to_f64();
    const auto rows = static_cast<std::size_t>(matrix.dim(0));
    const auto columns = static_cast<std::size_t>(matrix.dim(1));
    Values bias(rows, 0.0);
    if (config_.bias) bias = layer_.at(name + ".bias").to_f64();
    Values out;
    for (std::size_t token = 0; token < x.size() / columns; ++token) {
      for (std::size_t row = 0; row < rows; ++row) {
        double sum = bias[row];
        for (std::size_t i = 0; i < columns; ++i) {
          sum += weight[row * columns + i] * x[token * columns + i];
        }
        out.push_back(sum);
      }
    }
    return out;
  }

  [[nodiscard]] Values attention(const Values& x) const {
    const Values qkv = linear(x, "attn.qkv");
    const auto dim = static_cast<std::size_t>(config_.dim);
    const auto width = static_cast<std::size_t>(config_.head_dim());
    const auto tokens = static_cast<std::size_t>(tokens_);
    Values out(tokens * dim, 0.0);
    for (std::size_t head = 0; head < dim; head += width) {
      for (std::size_t i = 0; i < tokens; ++i) {
        Values weights(tokens, 0.0);
        for (std::size_t j = 0; j < tokens; ++j) {
          for (std::size_t c = 0; c < width; ++c) {
            weights[j] += qkv[i * 3 * dim + head + c] * qkv[j * 3 * dim + dim + head + c];
          }
          weights[j] /= std::sqrt(static_cast<double>(width));
        }
        softmax(weights);
        for (std::size_t j = 0; j < tokens; ++j) {
          for (std::size_t c = 0; c < width; ++c) {
            out[i * dim + head + c] += weights[j] * qkv[j * 3 * dim + 2 * dim + head + c];
          }
        }
      }
    }
    return linear(out, "attn.proj");
  }

  [[nodiscard]] Values feed_forward(const Values& x) const {
    Values up = linear(x, "mlp.up");
    if (config_.relu) {
      for (double& value : up) value = std::max(value, 0.0);
    } else {
      const Values gate = linear(x, "mlp.gate");
      for (std::size_t i = 0; i < up.size(); ++i) up[i] *= gate[i] / (1.0 + std::exp(-gate[i]));
    }
    return linear(up, "mlp.down");
  }

 private:
  static void softmax(Values& values) {
    const double most = *std::ranges::max_element(values);
    double sum = 0.0;
    for (double& value : values) sum += value = std::exp(value - most);
    for (double& value : values) value /= sum;
  }

  const llm::LmConfig& config_;
  const llm::LmTensors& layer_;
  std::int64_t tokens_;
};

Values sum(Values a, const Values& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

}  // namespace

Values reference_block(const llm::LmConfig& config, const llm::LmTensors& layer, Values x,
                       std::int64_t tokens) {
  const Block block(config, layer, tokens);
  if (config.post_norm) {
    const Values h = block.norm(sum(x, block.attention(x)), "norm1");
    return block.norm(sum(h, block.feed_forward(h)), "norm2");
  }
  const Values h = sum(x, block.attention(block.norm(x, "norm1")));
  return sum(h, block.feed_forward(block.norm(h, "norm2")));
}

}  // namespace conopa::testing
