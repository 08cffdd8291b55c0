#include "conopa/core/fingerprint.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace conopa {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

}  // namespace

// The word goes through the finaliser of splitmix64 (every bit of it changes half of the others),
// so that no small change of one word undoes a small change of the word before.
void Fingerprint::mix(std::uint64_t word) noexcept {
  word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9ULL;
  word = (word ^ (word >> 27)) * 0x94D049BB133111EBULL;
  state_ = (std::rotl(state_, 29) ^ word ^ (word >> 31)) * 0xD6E8FEB86659FD93ULL;
}

Fingerprint& Fingerprint::add(std::span<const std::byte> bytes) noexcept {
  mix(bytes.size());
  while (bytes.size() >= kWord) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), kWord);
    mix(word);
    bytes = bytes.subspan(kWord);
  }
  if (bytes.empty()) return *this;
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  mix(word);
  return *this;
}

Fingerprint& Fingerprint::add(std::string_view text) noexcept {
  return add(std::as_bytes(std::span(text)));
}

std::string Fingerprint::hex() const {
  Fingerprint last = *this;  // the last piece has gone through one step only
  last.mix(0x2545F4914F6CDD1DULL);
  last.mix(1);
  return fmt::format("{:016x}", last.state_);
}

}  // namespace conopa
