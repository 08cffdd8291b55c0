#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace conopa::bench {

/// One block of a model in training.
struct TrainShape {
  const char* name;
  std::int64_t batch, tokens, heads, head_width, width, hidden;

  [[nodiscard]] std::int64_t rows() const { return batch * tokens; }
};

/// A small model on 28x28 images (patch 4, class token), and iLLaMA-tiny at 224.
inline constexpr TrainShape kTrainShapes[] = {{"B128_N50", 128, 50, 3, 32, 96, 256},
                                              {"B32_N197", 32, 197, 3, 64, 192, 512}};
inline constexpr std::int64_t kClasses = 1000;
inline constexpr std::int64_t kParameters = 5'701'096;  // iLLaMA-tiny

/// Registers the same operations as chains of stock libtorch operators.
void register_libtorch_chains(int threads);

}  // namespace conopa::bench
