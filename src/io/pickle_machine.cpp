#include "io/pickle_machine.h"

#include <algorithm>
#include <array>
#include <utility>

#include "conopa/core/error.h"
#include "io/pickle_opcodes.h"

namespace conopa {
namespace {

/// Text may be built beyond the input's own bytes only by joining global names.
constexpr std::size_t kExtraText = 16 << 20;
constexpr std::size_t kMaxText = 512 << 20;
constexpr std::uint8_t kHighestProtocol = 5;

}  // namespace

PickleMachine::PickleMachine(std::span<const std::byte> bytes, std::string_view where,
                             const PickleLimits& limits)
    : in_(bytes, where),
      limits_(limits),
      text_budget_(std::min(bytes.size(), kMaxText) + kExtraText) {}

ParsedPickle PickleMachine::run() {
  while (!stopped_) {
    const auto op = in_.read<std::uint8_t>();
    const bool known = step_memo(op) || step_number(op) || step_text(op) || step_container(op) ||
                       step_items(op) || step_stack(op) || step_global(op) || step_object(op);
    if (!known) fail(fmt::format("unknown opcode 0x{:02x}", op));
  }
  return {PickleValue(tree_, pop()), static_cast<std::int64_t>(in_.position())};
}

void PickleMachine::fail(std::string_view what) const {
  throw FormatError(in_.where(),
                    "pickle is malformed before byte {}: {}; the file is damaged or no PyTorch "
                    "checkpoint, copy or download it again",
                    in_.position(), what);
}

PickleId PickleMachine::add(PickleKind kind) {
  if (static_cast<std::int64_t>(tree_->size()) >= limits_.max_values) fail("too many values");
  return tree_->add(kind);
}

void PickleMachine::push(PickleId id) {
  if (static_cast<std::int64_t>(stack_.size()) >= limits_.max_stack) fail("stack too deep");
  stack_.push_back(id);
}

PickleId PickleMachine::pop() {
  const PickleId id = top();
  stack_.pop_back();
  return id;
}

PickleId PickleMachine::top() const {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) fail("stack is empty");
  return stack_.back();
}

std::vector<PickleId> PickleMachine::pop_to_mark() {
  if (marks_.empty()) fail("mark is missing");
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleId> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

bool PickleMachine::step_stack(std::uint8_t op) {
  switch (op) {
    case opcode::kMark:
      if (static_cast<std::int64_t>(marks_.size()) >= limits_.max_stack) fail("too many marks");
      marks_.push_back(stack_.size());
      return true;
    case opcode::kStop:
      stopped_ = true;
      return true;
    case opcode::kPop:
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
      } else {
        static_cast<void>(pop());
      }
      return true;
    case opcode::kPopMark:
      static_cast<void>(pop_to_mark());
      return true;
    case opcode::kDup:
      push(top());
      return true;
    case opcode::kProto:
      if (in_.read<std::uint8_t>() > kHighestProtocol) fail("protocol is newer than 5");
      return true;
    case opcode::kFrame:
      in_.skip(sizeof(std::uint64_t));
      return true;  // a reading hint only
    default:
      return false;
  }
}

void PickleMachine::memo_put(std::uint64_t index) {
  const PickleId id = top();
  if (static_cast<std::int64_t>(memo_.size()) >= limits_.max_values) fail("memo too large");
  memo_[index] = id;
}

void PickleMachine::memo_get(std::uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) fail(fmt::format("memo entry {} is missing", index));
  push(found->second);
}

bool PickleMachine::step_memo(std::uint8_t op) {
  const auto decimal = [this] {
    std::uint64_t index = 0;
    const std::string_view line = in_.line();
    if (line.empty() || line.size() > 18) fail("memo index is malformed");
    for (const char c : line) {
      if (c < '0' || c > '9') fail("memo index is malformed");
      index = index * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return index;
  };
  switch (op) {
    case opcode::kPut:
      memo_put(decimal());
      return true;
    case opcode::kBinPut:
      memo_put(in_.read<std::uint8_t>());
      return true;
    case opcode::kLongBinPut:
      memo_put(in_.read<std::uint32_t>());
      return true;
    case opcode::kMemoize:
      memo_put(memo_.size());
      return true;
    case opcode::kGet:
      memo_get(decimal());
      return true;
    case opcode::kBinGet:
      memo_get(in_.read<std::uint8_t>());
      return true;
    case opcode::kLongBinGet:
      memo_get(in_.read<std::uint32_t>());
      return true;
    default:
      return false;
  }
}

void PickleMachine::push_sequence(PickleKind kind, std::vector<PickleId> items) {
  const PickleId id = add(kind);
  tree_->node(id).items = std::move(items);
  push(id);
}

bool PickleMachine::step_container(std::uint8_t op) {
  const auto pop_tuple = [this](std::size_t count) {
    std::vector<PickleId> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    push_sequence(PickleKind::kTuple, std::move(items));
  };
  switch (op) {
    case opcode::kEmptyTuple:
      push_new(PickleKind::kTuple);
      return true;
    case opcode::kTuple1:
      pop_tuple(1);
      return true;
    case opcode::kTuple2:
      pop_tuple(2);
      return true;
    case opcode::kTuple3:
      pop_tuple(3);
      return true;
    case opcode::kTuple:
      push_sequence(PickleKind::kTuple, pop_to_mark());
      return true;
    case opcode::kEmptyList:
      push_new(PickleKind::kList);
      return true;
    case opcode::kList:
      push_sequence(PickleKind::kList, pop_to_mark());
      return true;
    case opcode::kEmptyDict:
      push_new(PickleKind::kDict);
      return true;
    case opcode::kEmptySet:
      push_new(PickleKind::kSet);
      return true;
    case opcode::kFrozenSet:
      push_sequence(PickleKind::kSet, pop_to_mark());
      return true;
    case opcode::kDict: {
      const std::vector<PickleId> items = pop_to_mark();
      push_new(PickleKind::kDict);
      set_entries(top(), items);
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::step_items(std::uint8_t op) {
  switch (op) {
    case opcode::kAppend: {
      const PickleId item = pop();
      append_to(top(), {&item, 1});
      return true;
    }
    case opcode::kAppends:
    case opcode::kAddItems: {
      const std::vector<PickleId> items = pop_to_mark();
      append_to(top(), items);
      return true;
    }
    case opcode::kSetItem: {
      const PickleId value = pop();
      const PickleId key = pop();
      set_entries(top(), std::array{key, value});
      return true;
    }
    case opcode::kSetItems: {
      const std::vector<PickleId> items = pop_to_mark();
      set_entries(top(), items);
      return true;
    }
    default:
      return false;
  }
}

void PickleMachine::append_to(PickleId target, std::span<const PickleId> items) {
  PickleNode& node = tree_->node(target);
  if (node.kind != PickleKind::kList && node.kind != PickleKind::kSet &&
      node.kind != PickleKind::kObject) {
    fail("items are appended to a value that is no list");
  }
  node.items.insert(node.items.end(), items.begin(), items.end());
}

void PickleMachine::set_entries(PickleId target, std::span<const PickleId> items) {
  if (items.size() % 2 != 0) fail("a dict key has no value");
  if (tree_->node(target).kind == PickleKind::kObject) {
    if (tree_->node(target).entries == kNoPickle) {
      const PickleId entries = add(PickleKind::kDict);  // may move the nodes
      tree_->node(target).entries = entries;
    }
    target = tree_->node(target).entries;
  }
  PickleNode& node = tree_->node(target);
  if (node.kind != PickleKind::kDict) fail("entries are set on a value that is no dict");
  node.items.insert(node.items.end(), items.begin(), items.end());
}

}  // namespace conopa
