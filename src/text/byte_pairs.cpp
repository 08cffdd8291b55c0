#include "text/byte_pairs.h"

#include <cstddef>
#include <queue>
#include <tuple>

#include "conopa/core/error.h"
#include "text/unicode.h"

namespace conopa::text {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// A symbol of the word in a linked list; merging keeps the left one and unlinks the right one.
struct Node {
  std::int32_t id = 0;
  std::size_t previous = kNone;
  std::size_t next = kNone;
  bool alive = true;
};

/// Two neighbours that may be merged; stale once either has changed.
struct Candidate {
  BytePairs::Merge merge;
  std::size_t left = 0;
  std::int32_t left_id = 0;
  std::int32_t right_id = 0;

  // For a queue whose top is the lowest rank, then the leftmost place.
  friend bool operator<(const Candidate& a, const Candidate& b) noexcept {
    return std::tie(a.merge.rank, a.left) > std::tie(b.merge.rank, b.left);
  }
};

class WordMerger {
 public:
  WordMerger(const BytePairs& pairs, std::string_view word) : pairs_(pairs), nodes_(word.size()) {
    const std::size_t end = word.size() - 1;
    for (std::size_t i = 0; i <= end; ++i) {
      const auto byte = static_cast<unsigned char>(word[i]);
      nodes_[i].id = i == end ? pairs.last[byte] : pairs.inner[byte];
      nodes_[i].previous = i == 0 ? kNone : i - 1;
      nodes_[i].next = i == end ? kNone : i + 1;
    }
    for (std::size_t i = 0; i < end; ++i) offer(i);
  }

  void run() {
    std::vector<std::size_t> merged;
    while (!queue_.empty()) {
      // One rank is merged everywhere before pairs that this makes are looked at.
      const std::int32_t rank = queue_.top().merge.rank;
      merged.clear();
      while (!queue_.empty() && queue_.top().merge.rank == rank) {
        const Candidate candidate = queue_.top();
        queue_.pop();
        if (apply(candidate)) merged.push_back(candidate.left);
      }
      for (const std::size_t place : merged) {
        if (nodes_[place].previous != kNone) offer(nodes_[place].previous);
        offer(place);
      }
    }
  }

  void append_to(std::vector<std::int64_t>& ids) const {
    for (std::size_t i = 0; i != kNone; i = nodes_[i].next) ids.push_back(nodes_[i].id);
  }

 private:
  // Enters the pair that begins at a place, if it has a rank.
  void offer(std::size_t left) {
    const std::size_t right = nodes_[left].next;
    if (right == kNone) return;
    const auto found = pairs_.merges.find(BytePairs::pair_key(nodes_[left].id, nodes_[right].id));
    if (found == pairs_.merges.end()) return;
    queue_.push({found->second, left, nodes_[left].id, nodes_[right].id});
  }

  bool apply(const Candidate& candidate) {
    Node& left = nodes_[candidate.left];
    if (!left.alive || left.id != candidate.left_id || left.next == kNone) return false;
    Node& right = nodes_[left.next];
    if (right.id != candidate.right_id) return false;
    left.id = candidate.merge.id;
    left.next = right.next;
    right.alive = false;
    if (left.next != kNone) nodes_[left.next].previous = candidate.left;
    return true;
  }

  const BytePairs& pairs_;
  std::vector<Node> nodes_;
  std::priority_queue<Candidate> queue_;
};

bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

}  // namespace

void BytePairs::encode_word(std::string_view word, std::vector<std::int64_t>& ids) const {
  CONOPA_ASSERT(!word.empty());
  WordMerger merger(*this, word);
  merger.run();
  merger.append_to(ids);
}

std::array<std::string, 256> byte_characters() {
  std::array<std::string, 256> characters;
  std::int32_t shifted = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    append_utf8(characters[static_cast<std::size_t>(byte)],
                stands_for_itself(byte) ? byte : shifted++);
  }
  return characters;
}

std::array<std::uint8_t, 256> bytes_in_id_order() {
  std::array<std::uint8_t, 256> order{};
  std::size_t place = 0;
  for (const bool own : {true, false}) {
    for (int byte = 0; byte < 256; ++byte) {
      if (stands_for_itself(byte) == own) order[place++] = static_cast<std::uint8_t>(byte);
    }
  }
  return order;
}

}  // namespace conopa::text
