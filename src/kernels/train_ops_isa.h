#pragma once

#include "conopa/kernels/train_ops.h"

namespace conopa::kernels::avx2 {
[[nodiscard]] TrainOps train_ops() noexcept;
}
namespace conopa::kernels::avx512 {
[[nodiscard]] TrainOps train_ops() noexcept;
}
