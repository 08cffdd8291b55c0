#include "conopa/kernels/isa.h"

#include <array>
#include <cstdlib>
#include <string>

#include "conopa/core/error.h"

#ifdef __x86_64__
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace conopa::kernels {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"reference", "avx2", "avx512", "avx512_bf16",
                                                    "amx"};

#ifdef __x86_64__

// Linux hands out the tile registers on request only. Success also proves that the kernel saves
// them on a context switch.
bool amx_permitted() noexcept {
#ifdef __linux__
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

// Two features whose names Clang 16 does not know in __builtin_cpu_supports.
bool has_f16c() noexcept {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & (1U << 29)) != 0;
}

bool has_amx() noexcept {
  constexpr unsigned kBf16TileInt8 = (1U << 22) | (1U << 24) | (1U << 25);
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 &&
         (edx & kBf16TileInt8) == kBf16TileInt8;
}

// The compiler's feature tests include the operating system's support for the wide registers.
Isa detect() noexcept {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c()) {
    return Isa::kReference;
  }
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq")) {
    return Isa::kAvx2;
  }
  if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vnni")) {
    return Isa::kAvx512;
  }
  return has_amx() && amx_permitted() ? Isa::kAmx : Isa::kAvx512Bf16;
}

#else

Isa detect() noexcept { return Isa::kReference; }

#endif

}  // namespace

std::string_view isa_name(Isa isa) noexcept { return kNames[static_cast<std::size_t>(isa)]; }

std::optional<Isa> isa_from_name(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Isa>(i);
  }
  return std::nullopt;
}

Isa detected_isa() noexcept {
  static const Isa isa = detect();
  return isa;
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(detected_isa()); ++i) {
    isas.push_back(static_cast<Isa>(i));
  }
  return isas;
}

Isa resolve_isa(std::string_view request, Isa detected) {
  if (request.empty()) return detected;
  const std::optional<Isa> isa = isa_from_name(request);
  if (!isa) {
    throw UnsupportedError(
        "CONOPA_ISA", "expected reference, avx2, avx512, avx512_bf16 or amx, got '{}'; unset it",
        request);
  }
  if (*isa > detected) {
    throw UnsupportedError("CONOPA_ISA",
                           "expected at most {}, the best of this machine, got '{}'; lower or "
                           "unset it",
                           isa_name(detected), request);
  }
  return *isa;
}

Isa active_isa() {
  // A throwing initialiser runs again on the next call, so a wrong value never goes unnoticed.
  static const Isa isa = [] {
    const char* request = std::getenv("CONOPA_ISA");
    return resolve_isa(request == nullptr ? "" : request, detected_isa());
  }();
  return isa;
}

}  // namespace conopa::kernels
