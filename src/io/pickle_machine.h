#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/byte_reader.h"
#include "io/pickle_tree.h"

namespace conopa {

/// The stack machine of the pickle format, building a PickleTree.
///
/// It only moves data: a call (REDUCE, NEWOBJ, INST, ...) becomes a kObject node, except for the
/// containers in rebuild_container, which are pure data. All costs are bounded: every opcode adds
/// at most one value and one memo entry, copies are counted, and text is bounded by the input.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, std::string_view where,
                const PickleLimits& limits);

  /// Runs up to STOP. Call once.
  [[nodiscard]] ParsedPickle run();

 private:
  // Each handles the opcodes of its group and returns whether `op` is one of them.
  bool step_number(std::uint8_t op);
  bool step_text(std::uint8_t op);
  bool step_container(std::uint8_t op);
  bool step_items(std::uint8_t op);
  bool step_stack(std::uint8_t op);
  bool step_memo(std::uint8_t op);
  bool step_global(std::uint8_t op);
  bool step_object(std::uint8_t op);

  [[noreturn]] void fail(std::string_view what) const;

  PickleId add(PickleKind kind);
  void push(PickleId id);
  void push_new(PickleKind kind) { push(add(kind)); }
  void push_int(std::int64_t value);
  void push_bool(bool value);
  void push_text(PickleKind kind, std::string_view text);
  void push_decimal(std::string_view digits);
  void push_long(std::uint64_t length);
  void push_quoted(std::string_view line);
  void push_escaped(std::string_view line);
  void push_global(std::string_view module, std::string_view name);

  [[nodiscard]] PickleId pop();
  [[nodiscard]] PickleId top() const;
  [[nodiscard]] std::vector<PickleId> pop_to_mark();
  void push_sequence(PickleKind kind, std::vector<PickleId> items);
  void append_to(PickleId target, std::span<const PickleId> items);
  void set_entries(PickleId target, std::span<const PickleId> items);

  void memo_put(std::uint64_t index);
  void memo_get(std::uint64_t index);

  void call(PickleId callable, PickleId args);
  bool rebuild_container(std::string_view name, PickleId args);
  bool copy_pairs(const PickleNode& pairs, std::vector<PickleId>& out);
  void count_copies(std::size_t count);
  void build(PickleId target, PickleId state);

  ByteReader in_;
  PickleLimits limits_;
  std::shared_ptr<PickleTree> tree_ = std::make_shared<PickleTree>();
  std::vector<PickleId> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleId> memo_;
  std::size_t text_budget_;
  std::int64_t copies_ = 0;
  PickleId none_ = kNoPickle;
  PickleId true_ = kNoPickle;
  PickleId false_ = kNoPickle;
  bool stopped_ = false;
};

}  // namespace conopa
