#pragma once

#include "conopa/nn/encoder.h"

namespace conopa::nn {

struct Encoder::Stream {
  at::Tensor x;          ///< rows [B·N, D]
  Branch pending;        ///< to be added by the next norm
  at::Tensor read = {};  ///< sum of the outputs of spec.read_blocks so far
};

}  // namespace conopa::nn
