#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace conopa {

class PickleTree;

/// What a pickled value is. Containers that Python rebuilds by calling a known harmless class
/// (OrderedDict, set, torch.Size, ...) appear as the container; everything else that would be
/// called appears as kObject and is never called.
enum class PickleKind : std::uint8_t {
  kNone,
  kBool,
  kInt,
  kBigInt,  ///< beyond 64 bits; text() holds two's complement little-endian bytes, or digits
  kFloat,
  kString,
  kBytes,
  kList,
  kTuple,
  kDict,
  kSet,
  kGlobal,      ///< a class or function by name: text() is "module.name"
  kPersistent,  ///< reference to something outside the pickle; operator[](0) is its id
  kObject       ///< a call that was not made: callable, args, state
};

/// One value of an unpickled tree: a cheap handle that keeps the tree alive. Values may be shared
/// and may contain themselves; whoever walks a tree must bound depth and visits.
class PickleValue {
 public:
  PickleValue(std::shared_ptr<const PickleTree> tree, std::uint32_t id)
      : tree_(std::move(tree)), id_(id) {}

  [[nodiscard]] PickleKind kind() const noexcept;
  [[nodiscard]] bool is(PickleKind wanted) const noexcept { return kind() == wanted; }
  /// Identity inside the tree: equal for two references to one value.
  [[nodiscard]] std::uint32_t id() const noexcept { return id_; }

  [[nodiscard]] std::optional<bool> as_bool() const noexcept;
  /// Integers and booleans.
  [[nodiscard]] std::optional<std::int64_t> as_int() const noexcept;
  /// Floats, integers and booleans.
  [[nodiscard]] std::optional<double> as_float() const noexcept;
  [[nodiscard]] std::optional<std::string_view> as_string() const noexcept;

  /// Characters of strings, bytes, big integers and global names; the callable's name of an
  /// object ("" if it is not a global); "" otherwise. Valid while any handle of the tree lives.
  [[nodiscard]] std::string_view text() const noexcept;

  /// Elements of a list, tuple or set (an object: of its appended items); entries of a dict.
  [[nodiscard]] std::int64_t size() const noexcept;
  /// Element of a list, tuple, set, object or persistent id; 0 <= i < size().
  [[nodiscard]] PickleValue operator[](std::int64_t i) const;
  /// Key and value of a dict entry, in file order; 0 <= i < size().
  [[nodiscard]] PickleValue key(std::int64_t i) const;
  [[nodiscard]] PickleValue value(std::int64_t i) const;
  /// Value of a dict key, the last one if it was set twice. Linear in the dict.
  [[nodiscard]] std::optional<PickleValue> find(std::string_view key) const;
  [[nodiscard]] std::optional<PickleValue> find(std::int64_t key) const;

  /// Positional arguments of an object (a tuple as a rule), and the state it was to be given: the
  /// attribute dict of an argparse.Namespace.
  [[nodiscard]] std::optional<PickleValue> args() const;
  [[nodiscard]] std::optional<PickleValue> state() const;
  /// Dict entries that an object was to be given.
  [[nodiscard]] std::optional<PickleValue> entries() const;

  /// Every value of one kind in the whole tree, reachable from here or not.
  [[nodiscard]] std::vector<PickleValue> all_of_kind(PickleKind wanted) const;

  /// Python-like text of at most about `max_chars` characters, for listings.
  [[nodiscard]] std::string describe(std::size_t max_chars = 80) const;

 private:
  std::shared_ptr<const PickleTree> tree_;
  std::uint32_t id_;
};

/// Bounds that keep a hostile pickle from exhausting memory.
struct PickleLimits {
  std::int64_t max_values = 4'000'000;  ///< values, memo entries and copied elements, each
  std::int64_t max_stack = 1'000'000;
};

struct ParsedPickle {
  PickleValue root;
  std::int64_t consumed;  ///< bytes up to and including STOP
};

/// Reads one pickle (protocols 0 to 5) without executing anything.
///
/// @param where  file name for messages.
/// @throws FormatError on truncation, unknown opcodes or exceeded limits; UnsupportedError on
/// extension codes and out-of-band buffers, which no checkpoint has.
/// @complexity Linear in the bytes; memory below 100 bytes per value.
[[nodiscard]] ParsedPickle parse_pickle(std::span<const std::byte> bytes, std::string_view where,
                                        const PickleLimits& limits = {});

}  // namespace conopa
