#pragma once

#include "conopa/nn/encoder.h"

namespace conopa::nn {

struct Encoder::Stream {
  at::Tensor x;                        ///< rows [B·N, D]
  Branch pending;                      ///< to be added by the next norm
  std::vector<at::Tensor> reads = {};  ///< sums of the outputs of each of pass.read_lists so far
};

}  // namespace conopa::nn
