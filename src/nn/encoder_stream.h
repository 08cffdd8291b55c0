#pragma once

#include "conopa/nn/encoder.h"

namespace conopa::nn {

struct Encoder::Stream {
  at::Tensor x;    ///< rows [B·N, D]
  Branch pending;  ///< to be added by the next norm
};

}  // namespace conopa::nn
