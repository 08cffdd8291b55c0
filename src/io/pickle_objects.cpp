// Globals, calls and persistent references of the pickle machine: nothing is ever called.

#include <algorithm>
#include <array>

#include "conopa/core/error.h"
#include "io/pickle_machine.h"
#include "io/pickle_opcodes.h"

namespace conopa {
namespace {

constexpr std::size_t kMaxGlobalName = 1024;

/// Classes whose call with the given arguments is nothing but a container.
constexpr std::array<std::pair<std::string_view, PickleKind>, 14> kContainers{
    {{"collections.OrderedDict", PickleKind::kDict},
     {"builtins.dict", PickleKind::kDict},
     {"__builtin__.dict", PickleKind::kDict},
     {"builtins.list", PickleKind::kList},
     {"__builtin__.list", PickleKind::kList},
     {"builtins.tuple", PickleKind::kTuple},
     {"__builtin__.tuple", PickleKind::kTuple},
     {"torch.Size", PickleKind::kTuple},
     {"builtins.set", PickleKind::kSet},
     {"__builtin__.set", PickleKind::kSet},
     {"builtins.frozenset", PickleKind::kSet},
     {"__builtin__.frozenset", PickleKind::kSet},
     {"collections.defaultdict", PickleKind::kDict},
     {"collections.Counter", PickleKind::kDict}}};

}  // namespace

void PickleMachine::push_global(std::string_view module, std::string_view name) {
  if (module.size() > kMaxGlobalName || name.size() > kMaxGlobalName) fail("global name too long");
  push_text(PickleKind::kGlobal, fmt::format("{}.{}", module, name));
}

bool PickleMachine::step_global(std::uint8_t op) {
  switch (op) {
    case opcode::kGlobal: {
      const std::string_view module = in_.line();
      push_global(module, in_.line());
      return true;
    }
    case opcode::kStackGlobal: {
      const PickleId name = pop();
      const PickleId module = pop();
      if (tree_->node(name).kind != PickleKind::kString ||
          tree_->node(module).kind != PickleKind::kString) {
        fail("global name is no string");
      }
      push_global(tree_->node(module).text, tree_->node(name).text);
      return true;
    }
    case opcode::kPersId:
      push_text(PickleKind::kString, in_.line());
      [[fallthrough]];
    case opcode::kBinPersId:
      push_sequence(PickleKind::kPersistent, {pop()});
      return true;
    case opcode::kExt1:
    case opcode::kExt2:
    case opcode::kExt4:
    case opcode::kNextBuffer:
    case opcode::kReadOnlyBuffer:
      throw UnsupportedError(
          in_.where(),
          "the pickle refers to data outside the file (opcode 0x{:02x}); save it "
          "with torch.save and default settings",
          op);
    default:
      return false;
  }
}

bool PickleMachine::step_object(std::uint8_t op) {
  switch (op) {
    case opcode::kReduce:
    case opcode::kNewObj: {
      const PickleId args = pop();
      call(pop(), args);
      return true;
    }
    case opcode::kNewObjEx: {
      static_cast<void>(pop());  // keyword arguments: nothing uses them
      const PickleId args = pop();
      call(pop(), args);
      return true;
    }
    case opcode::kObj: {
      std::vector<PickleId> items = pop_to_mark();
      if (items.empty()) fail("class is missing");
      const PickleId callable = items.front();
      items.erase(items.begin());
      push_sequence(PickleKind::kTuple, std::move(items));
      call(callable, pop());
      return true;
    }
    case opcode::kInst: {
      const std::string_view module = in_.line();
      push_sequence(PickleKind::kTuple, pop_to_mark());
      const PickleId args = pop();
      push_global(module, in_.line());
      call(pop(), args);
      return true;
    }
    case opcode::kBuild: {
      const PickleId state = pop();
      build(top(), state);
      return true;
    }
    default:
      return false;
  }
}

void PickleMachine::call(PickleId callable, PickleId args) {
  const PickleNode& function = tree_->node(callable);
  if (function.kind == PickleKind::kGlobal && rebuild_container(function.text, args)) return;
  const PickleId id = add(PickleKind::kObject);
  PickleNode& object = tree_->node(id);
  object.callable = callable;
  object.args = args;
  push(id);
}

void PickleMachine::count_copies(std::size_t count) {
  copies_ += static_cast<std::int64_t>(count);
  if (copies_ > limits_.max_values) fail("too many copied elements");
}

/// Appends key and value of every pair in a list of pairs; false if it is something else.
bool PickleMachine::copy_pairs(const PickleNode& pairs, std::vector<PickleId>& out) {
  if (pairs.kind != PickleKind::kList && pairs.kind != PickleKind::kTuple) return false;
  count_copies(pairs.items.size());
  for (const PickleId id : pairs.items) {
    const PickleNode& pair = tree_->node(id);
    const bool sequence = pair.kind == PickleKind::kList || pair.kind == PickleKind::kTuple;
    if (!sequence || pair.items.size() != 2) return false;
    out.insert(out.end(), pair.items.begin(), pair.items.end());
  }
  return true;
}

bool PickleMachine::rebuild_container(std::string_view name, PickleId args) {
  const auto known = std::find_if(kContainers.begin(), kContainers.end(),
                                  [name](const auto& entry) { return entry.first == name; });
  if (known == kContainers.end() || tree_->node(args).kind != PickleKind::kTuple) return false;
  const PickleNode& tuple = tree_->node(args);
  std::vector<PickleId> items;
  // defaultdict's argument makes missing values; the entries follow as SETITEMS.
  if (!tuple.items.empty() && name != "collections.defaultdict") {
    if (tuple.items.size() != 1) return false;
    const PickleNode& source = tree_->node(tuple.items.front());
    const bool same = source.kind == known->second;
    if (known->second == PickleKind::kDict) {
      if (!same && !copy_pairs(source, items)) return false;
    } else if (!same && source.kind != PickleKind::kList && source.kind != PickleKind::kTuple &&
               source.kind != PickleKind::kSet) {
      return false;
    }
    if (items.empty()) {
      count_copies(source.items.size());
      items = source.items;
    }
  }
  push_sequence(known->second, std::move(items));
  return true;
}

void PickleMachine::build(PickleId target, PickleId state) {
  PickleNode& node = tree_->node(target);
  // An OrderedDict may carry attributes too (torch's `_metadata`); other kinds cannot.
  if (node.kind != PickleKind::kObject && node.kind != PickleKind::kDict) {
    fail("state is given to a plain value");
  }
  node.state = state;
}

}  // namespace conopa
