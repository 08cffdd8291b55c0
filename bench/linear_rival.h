#pragma once

#include <cstdint>
#include <memory>

#include "conopa/kernels/act_rows.h"

namespace conopa::bench {

/// The same product by oneDNN: weights in its own packed order, bias and GELU fused.
class LinearRival {
 public:
  struct Shape {
    std::int64_t M = 0;
    std::int64_t N = 0;
    std::int64_t K = 0;
    kernels::ActType type = kernels::ActType::kBf16;  ///< of the input; int8 writes bf16
    bool gelu = false;
  };
  explicit LinearRival(const Shape& shape);
  ~LinearRival();
  LinearRival(const LinearRival&) = delete;
  LinearRival& operator=(const LinearRival&) = delete;

  void run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conopa::bench
