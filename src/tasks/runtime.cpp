#include "conopa/tasks/runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <sched.h>

#include <algorithm>
#include <string>
#include <thread>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"

namespace conopa::tasks {
namespace {

// Cores this process may use (containers and taskset narrow the machine's number).
std::int64_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace

std::int64_t set_compute_threads(std::int64_t threads) {
  if (threads < 0 || threads > 4096) {
    throw ConfigError("threads", "the number of threads must be 0 to 4096, got {}", threads);
  }
  const auto count = static_cast<int>(threads == 0 ? usable_cores() : threads);
  at::set_num_threads(count);
  set_num_threads(count);
  return count;
}

c10::Device select_device(std::string_view name) {
  if (name == "cpu") return at::kCPU;
  if (name == "auto") return at::hasCUDA() ? c10::Device(at::kCUDA, 0) : c10::Device(at::kCPU);
  if (name != "cuda" &&
      !(name.starts_with("cuda:") && name.size() == 6 && name[5] >= '0' && name[5] <= '9')) {
    throw ConfigError("device", "expected auto, cpu, cuda or cuda:N, got '{}'", name);
  }
  const int index = name == "cuda" ? 0 : name[5] - '0';
  const auto available =
      at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().getNumGPUs()) : 0;
  if (index >= available) {
    throw UnsupportedError("device", "this libtorch sees {} CUDA devices, asked for '{}'; use cpu",
                           available, name);
  }
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace conopa::tasks
