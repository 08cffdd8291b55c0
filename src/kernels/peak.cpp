#include "conopa/kernels/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "conopa/core/error.h"
#include "conopa/core/parallel.h"
#include "kernels/peak_loops.h"

namespace conopa::kernels {
namespace {

struct Loop {
  std::string_view name;
  Isa isa = Isa::kReference;
  ActType type = ActType::kF32;
  void (*spin)(std::int64_t rounds) = nullptr;
  double ops = 0.0;  // of a round
};

// Best first; a type's last row is what kernels of the lowest level fall back to.
#ifdef CONOPA_X86_KERNELS
constexpr double kTile = 2.0 * 16 * 16;  // operations of a tile product per element of K
constexpr Loop kLoops[] = {
    {"avx512 vfmadd", Isa::kAvx512, ActType::kF32, avx512::spin_fma, 32.0 * avx512::kFmaChains},
    {"avx2 vfmadd", Isa::kAvx2, ActType::kF32, avx2::spin_fma, 16.0 * avx2::kFmaChains},
    {"amx tdpbf16ps", Isa::kAmx, ActType::kBf16, amx::spin_bf16, kTile * 32 * amx::kTiles},
    {"avx512_bf16 vdpbf16ps", Isa::kAvx512Bf16, ActType::kBf16, avx512bf16::spin_bf16,
     64.0 * avx512bf16::kChains},
    {"avx512 vfmadd", Isa::kAvx512, ActType::kBf16, avx512::spin_fma, 32.0 * avx512::kFmaChains},
    {"avx2 vfmadd", Isa::kAvx2, ActType::kBf16, avx2::spin_fma, 16.0 * avx2::kFmaChains},
    {"amx tdpbssd", Isa::kAmx, ActType::kI8, amx::spin_i8, kTile * 64 * amx::kTiles},
    {"avx512_vnni vpdpbusd", Isa::kAvx512Bf16, ActType::kI8, avx512bf16::spin_i8,
     128.0 * avx512bf16::kChains},
    {"avx512 vpmaddubsw", Isa::kAvx512, ActType::kI8, avx512::spin_bytes,
     128.0 * avx512::kByteChains},
    {"avx2 vpmaddubsw", Isa::kAvx2, ActType::kI8, avx2::spin_bytes, 64.0 * avx2::kByteChains},
};

const Loop* find_loop(Isa isa, ActType type) {
  const auto* loop = std::ranges::find_if(
      kLoops, [&](const Loop& row) { return row.type == type && row.isa <= isa; });
  return loop == std::end(kLoops) ? nullptr : loop;
}
#else
const Loop* find_loop(Isa, ActType) { return nullptr; }
#endif

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double seconds_of(const Loop& loop, std::int64_t rounds) {
  const auto start = Clock::now();
  loop.spin(rounds);
  return seconds_since(start);
}

// The best repetition of the calling thread within `seconds`, operations per second. Repetitions
// are shorter than a scheduler's slice, so that some pass undisturbed on a busy machine.
double best_rate(const Loop& loop, double seconds) {
  constexpr double kRepetition = 5e-4;
  const auto start = Clock::now();
  std::int64_t rounds = 1000;
  while (seconds_of(loop, rounds) < kRepetition) rounds *= 2;
  double best = seconds_of(loop, rounds);
  while (seconds_since(start) < seconds) best = std::min(best, seconds_of(loop, rounds));
  return loop.ops * static_cast<double>(rounds) / best;
}

}  // namespace

Peak measure_peak(Isa isa, ActType type, double seconds) {
  if (isa > detected_isa()) {
    throw UnsupportedError("peak",
                           "expected an instruction set of this machine, found {}; it has {}",
                           isa_name(isa), isa_name(detected_isa()));
  }
  const Loop* loop = find_loop(isa, type);
  if (loop == nullptr) return {};
  std::atomic<double> rate = 0.0;  // all threads run at the same time: they may share a core
  parallel_for(0, num_threads(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; ++begin) rate += best_rate(*loop, seconds);
  });
  return {.loop = loop->name, .gops = 1e-9 * rate};
}

}  // namespace conopa::kernels
