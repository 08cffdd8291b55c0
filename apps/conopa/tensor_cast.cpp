#include "tensor_cast.h"

#include "conopa/core/error.h"

namespace conopa::app {

DType dtype_option(std::string_view word) {
  if (word == "f32") return DType::kF32;
  if (word == "f16") return DType::kF16;
  if (word == "bf16") return DType::kBF16;
  throw UsageError("--dtype", "expected f32, f16 or bf16, got '{}'", word);
}

}  // namespace conopa::app
