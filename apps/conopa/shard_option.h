#pragma once

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>

namespace conopa::app {

inline constexpr double kDefaultShardGb = 5.0;

/// `--shard-gb`, the size from which weights are written in several files.
inline void add_shard_option(CLI::App& command, double& shard_gb) {
  command
      .add_option("--shard-gb", shard_gb,
                  "weights beyond this many GB go into several files with an index")
      ->check(CLI::Range(1e-6, 1e6))
      ->capture_default_str();
}

[[nodiscard]] inline std::int64_t shard_bytes(double shard_gb) {
  return std::llround(shard_gb * 1e9);
}

}  // namespace conopa::app
