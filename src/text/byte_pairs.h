#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace conopa::text {

/// A byte-pair encoding with all symbols as ids.
struct BytePairs {
  struct Merge {
    std::int32_t rank = 0;  ///< lower ones come first
    std::int32_t id = 0;    ///< what the pair becomes
  };

  std::array<std::int32_t, 256> inner{};                 ///< ids of bytes inside a word
  std::array<std::int32_t, 256> last{};                  ///< ids of bytes at a word's end
  std::unordered_map<std::uint64_t, Merge> merges = {};  ///< by pair_key
  std::int64_t vocabulary = 0;
  std::int64_t bos = 0;
  std::int64_t eos = 0;

  [[nodiscard]] static std::uint64_t pair_key(std::int32_t left, std::int32_t right) noexcept {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U |
           static_cast<std::uint32_t>(right);
  }

  /// Appends the ids of one word, which must not be empty: of all neighbours the pair with the
  /// lowest rank is merged wherever it stands, from left to right, until no pair has a rank.
  /// @complexity O(n log n) for n bytes, so that one endless word is no trap.
  void encode_word(std::string_view word, std::vector<std::int64_t>& ids) const;
};

/// The character that stands for each byte in vocabulary files, as UTF-8: printable bytes stand for
/// themselves, the others are U+0100 and following, in order.
[[nodiscard]] std::array<std::string, 256> byte_characters();

/// All bytes in the order of CLIP's ids: first those that stand for themselves.
[[nodiscard]] std::array<std::uint8_t, 256> bytes_in_id_order();

}  // namespace conopa::text
