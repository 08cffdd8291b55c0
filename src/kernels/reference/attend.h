#pragma once

#include "conopa/kernels/attend.h"

namespace conopa::kernels::reference {

/// attend() head by head in double.
void attend(const AttendArgs& args);

}  // namespace conopa::kernels::reference
