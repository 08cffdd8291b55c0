#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/io/pickle.h"

namespace conopa {

using PickleId = std::uint32_t;
inline constexpr PickleId kNoPickle = UINT32_MAX;

/// One value. Nodes refer to each other by position in the tree, so that cycles leak nothing and
/// deep nesting needs no recursion to destroy.
struct PickleNode {
  PickleKind kind = PickleKind::kNone;
  union {
    bool boolean;
    std::int64_t integer = 0;
    double real;
  };
  std::string text;             // see PickleValue::text
  std::vector<PickleId> items;  // elements; of a dict: key, value, key, value, ...
  PickleId callable = kNoPickle;
  PickleId args = kNoPickle;
  PickleId state = kNoPickle;
  PickleId entries = kNoPickle;  // of an object: the dict of SETITEMS
};

/// All values of one pickle; immutable when the machine has finished.
class PickleTree {
 public:
  [[nodiscard]] const PickleNode& node(PickleId id) const { return nodes_[id]; }
  [[nodiscard]] PickleNode& node(PickleId id) { return nodes_[id]; }
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }

  PickleId add(PickleKind kind) {
    nodes_.emplace_back().kind = kind;
    return static_cast<PickleId>(nodes_.size() - 1);
  }

 private:
  std::vector<PickleNode> nodes_;
};

}  // namespace conopa
