#pragma once

#include "kernels/act_ops_table.h"

/// Rows of the table as constant data, as in train_ops_isa.h.
namespace conopa::kernels::avx2 {
extern const ActOps kActOps;
}
namespace conopa::kernels::avx512 {
extern const ActOps kActOps;
}
namespace conopa::kernels::avx512bf16 {
extern const ActOps kActOps;
}
