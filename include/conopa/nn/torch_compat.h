#pragma once

// The differences between libtorch 1.13 and 2.x, in this one header.

#include <ATen/autocast_mode.h>
#include <torch/csrc/api/include/torch/version.h>

#define CONOPA_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) ||         \
   (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

#if CONOPA_TORCH_AT_LEAST(2, 4)
#include <optional>
#endif

namespace conopa::nn {

/// The optional type of operator signatures.
#if CONOPA_TORCH_AT_LEAST(2, 4)
using OptionalTensor = std::optional<at::Tensor>;
#else
using OptionalTensor = c10::optional<at::Tensor>;
#endif

/// Runs a scope under bf16 autocast on one device kind and restores the previous state at its end.
class AutocastScope {
 public:
  AutocastScope(at::DeviceType device, bool enabled) : device_(device) {
#if CONOPA_TORCH_AT_LEAST(2, 4)
    was_enabled_ = at::autocast::is_autocast_enabled(device_);
    previous_ = at::autocast::get_autocast_dtype(device_);
    at::autocast::set_autocast_enabled(device_, enabled);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
#else
    was_enabled_ =
        device_ == at::kCPU ? at::autocast::is_cpu_enabled() : at::autocast::is_enabled();
    previous_ = device_ == at::kCPU ? at::autocast::get_autocast_cpu_dtype()
                                    : at::autocast::get_autocast_gpu_dtype();
    set(enabled, at::kBFloat16);
#endif
    at::autocast::increment_nesting();
  }
  ~AutocastScope() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
#if CONOPA_TORCH_AT_LEAST(2, 4)
    at::autocast::set_autocast_enabled(device_, was_enabled_);
    at::autocast::set_autocast_dtype(device_, previous_);
#else
    set(was_enabled_, previous_);
#endif
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
#if !CONOPA_TORCH_AT_LEAST(2, 4)
  void set(bool enabled, at::ScalarType dtype) const {
    if (device_ == at::kCPU) {
      at::autocast::set_cpu_enabled(enabled);
      at::autocast::set_autocast_cpu_dtype(dtype);
    } else {
      at::autocast::set_enabled(enabled);
      at::autocast::set_autocast_gpu_dtype(dtype);
    }
  }
#endif
  at::DeviceType device_;
  bool was_enabled_ = false;
  at::ScalarType previous_ = at::kFloat;
};

}  // namespace conopa::nn
