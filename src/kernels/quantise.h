#pragma once

namespace conopa::kernels {

/// How a row becomes int8: element = round(value * inverse), value = scale * element.
struct RowScale {
  float scale;
  float inverse;
  bool finite;  ///< if not, the elements are zero and the scale alone spoils the row's products
};

/// Rows whose largest magnitude is below this count as zero: their inverse would overflow.
inline constexpr float kLeastMagnitude = 1e-30F;

/// Scale of a row with this largest magnitude, which is NaN if any element is. Inlined by force:
/// files compiled for wider instruction sets use it too.
[[gnu::always_inline]] inline RowScale row_scale(float largest) noexcept {
  if (largest < kLeastMagnitude) return {1.0F, 0.0F, true};
  const bool finite = largest - largest == 0.0F;
  return {largest / 127.0F, finite ? 127.0F / largest : 0.0F, finite};
}

}  // namespace conopa::kernels
