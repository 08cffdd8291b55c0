#pragma once

#include "kernels/linear_driver.h"
#include "kernels/linear_reference.h"

namespace conopa::kernels {

struct PackedWeight::Impl {
  const detail::LinearKernel* kernel = nullptr;
  std::int64_t n = 0;
  std::int64_t k = 0;
  bool gated = false;
  WeightForm form = WeightForm::kF32;  ///< of `weight`; named by kernel()
  detail::PackedPanels panels;         ///< of the fast kernels
  detail::ReferenceWeight reference;   ///< of the reference kernels
};

}  // namespace conopa::kernels
