#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string_view>

namespace conopa::tasks {

/// Sets the number of threads of libtorch and of the kernels, which share one OpenMP team.
/// @param threads  0 = one per core this process may use.
/// @return the number in effect.
/// @throws ConfigError if negative or above 4096.
std::int64_t set_compute_threads(std::int64_t threads);

/// The device that "auto", "cpu", "cuda" or "cuda:1" stands for; auto prefers a GPU.
/// @throws ConfigError for another name, UnsupportedError if there is no such device.
[[nodiscard]] c10::Device select_device(std::string_view name);

}  // namespace conopa::tasks
