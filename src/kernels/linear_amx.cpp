// Inference matrix products with AMX: bf16 (tdpbf16ps) and int8 (tdpbssd, signed by signed, so that
// nothing has to be corrected). Blocks and reasons in linear_amx_panel.h, scheme in
// linear_driver.cpp; epilogues and the expansion of block forms are those of
// linear_avx512bf16.cpp, whose panels have the same order.

#include <immintrin.h>

#include "kernels/linear_amx_panel.h"

namespace conopa::kernels::detail::amx {
namespace {

/// The operand of LDTILECFG: all eight tiles 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Per call rather than per thread: another library on the thread may have its own configuration,
// and released tiles need not be saved when the thread is switched.
void begin() noexcept {
  static constexpr TileConfig kConfig;
  _tile_loadconfig(&kConfig);
}
void end() noexcept { _tile_release(); }

/// Tiles by number. The intrinsics paste the number into assembly text, so each needs a literal.
struct TileMoves {
  template <int kTile>
  static void zero();
  template <int kTile>
  static void load(const void* from, std::int64_t stride);
  template <int kTile>
  static void store(void* to, std::int64_t stride);
  static void prefetch(const void* from) { __builtin_prefetch(from, 0, 3); }
  static void prefetch_far(const void* from) { __builtin_prefetch(from, 0, 2); }
  static void prefetch_output(const void* to) { __builtin_prefetch(to, 1, 3); }
};

#define CONOPA_TILE(t)                                                                           \
  template <>                                                                                    \
  [[gnu::always_inline]] inline void TileMoves::load<t>(const void* from, std::int64_t stride) { \
    _tile_loadd(t, from, stride);                                                                \
  }
#define CONOPA_SUM_TILE(t)                                                                \
  CONOPA_TILE(t)                                                                          \
  template <>                                                                             \
  [[gnu::always_inline]] inline void TileMoves::zero<t>() {                               \
    _tile_zero(t);                                                                        \
  }                                                                                       \
  template <>                                                                             \
  [[gnu::always_inline]] inline void TileMoves::store<t>(void* to, std::int64_t stride) { \
    _tile_stored(t, to, stride);                                                          \
  }
CONOPA_SUM_TILE(0)
CONOPA_SUM_TILE(1)
CONOPA_SUM_TILE(2)
CONOPA_SUM_TILE(3)
CONOPA_TILE(4)
CONOPA_TILE(5)
CONOPA_TILE(6)
CONOPA_TILE(7)
#undef CONOPA_SUM_TILE
#undef CONOPA_TILE

struct Bf16Tiles : TileMoves {
  template <int kSum, int kLeft, int kRight>
  static void multiply();
};
struct Int8Tiles : TileMoves {
  template <int kSum, int kLeft, int kRight>
  static void multiply();
};

#define CONOPA_PRODUCT(c, a, b)                                       \
  template <>                                                         \
  [[gnu::always_inline]] inline void Bf16Tiles::multiply<c, a, b>() { \
    _tile_dpbf16ps(c, a, b);                                          \
  }                                                                   \
  template <>                                                         \
  [[gnu::always_inline]] inline void Int8Tiles::multiply<c, a, b>() { \
    _tile_dpbssd(c, a, b);                                            \
  }
CONOPA_PRODUCT(0, 4, 6)
CONOPA_PRODUCT(1, 4, 7)
CONOPA_PRODUCT(2, 5, 6)
CONOPA_PRODUCT(3, 5, 7)
#undef CONOPA_PRODUCT

}  // namespace

const LinearFunctions kLinearBf16 = {.panel = tile_panel<Bf16Tiles>,
                                     .expand_rows = nullptr,
                                     .sum_rows = nullptr,
                                     .expand_blocks = avx512bf16::expand_blocks,
                                     .epilogue = avx512bf16::epilogue_of_floats,
                                     .begin = begin,
                                     .end = end};
const LinearFunctions kLinearI8 = {.panel = tile_panel<Int8Tiles>,
                                   .expand_rows = nullptr,
                                   .sum_rows = nullptr,
                                   .expand_blocks = nullptr,
                                   .epilogue = avx512bf16::epilogue_of_integers,
                                   .begin = begin,
                                   .end = end};

}  // namespace conopa::kernels::detail::amx
