#include "io/pickle_tree.h"

#include "conopa/core/error.h"
#include "io/pickle_machine.h"

namespace conopa {
namespace {

std::optional<PickleValue> value_or_nothing(const std::shared_ptr<const PickleTree>& tree,
                                            PickleId id) {
  if (id == kNoPickle) return std::nullopt;
  return PickleValue(tree, id);
}

}  // namespace

PickleKind PickleValue::kind() const noexcept { return tree_->node(id_).kind; }

std::optional<bool> PickleValue::as_bool() const noexcept {
  if (!is(PickleKind::kBool)) return std::nullopt;
  return tree_->node(id_).boolean;
}

std::optional<std::int64_t> PickleValue::as_int() const noexcept {
  if (is(PickleKind::kInt)) return tree_->node(id_).integer;
  if (is(PickleKind::kBool)) return tree_->node(id_).boolean ? 1 : 0;
  return std::nullopt;
}

std::optional<double> PickleValue::as_float() const noexcept {
  if (is(PickleKind::kFloat)) return tree_->node(id_).real;
  if (const auto integer = as_int()) return static_cast<double>(*integer);
  return std::nullopt;
}

std::optional<std::string_view> PickleValue::as_string() const noexcept {
  if (!is(PickleKind::kString)) return std::nullopt;
  return text();
}

std::string_view PickleValue::text() const noexcept {
  const PickleNode& node = tree_->node(id_);
  if (node.kind != PickleKind::kObject) return node.text;
  const PickleNode& callable = tree_->node(node.callable);
  return callable.kind == PickleKind::kGlobal ? std::string_view(callable.text)
                                              : std::string_view();
}

std::int64_t PickleValue::size() const noexcept {
  const auto count = static_cast<std::int64_t>(tree_->node(id_).items.size());
  return is(PickleKind::kDict) ? count / 2 : count;
}

PickleValue PickleValue::operator[](std::int64_t i) const {
  CONOPA_ASSERT(!is(PickleKind::kDict) && i >= 0 && i < size());
  return {tree_, tree_->node(id_).items[static_cast<std::size_t>(i)]};
}

PickleValue PickleValue::key(std::int64_t i) const {
  CONOPA_ASSERT(is(PickleKind::kDict) && i >= 0 && i < size());
  return {tree_, tree_->node(id_).items[static_cast<std::size_t>(2 * i)]};
}

PickleValue PickleValue::value(std::int64_t i) const {
  CONOPA_ASSERT(is(PickleKind::kDict) && i >= 0 && i < size());
  return {tree_, tree_->node(id_).items[static_cast<std::size_t>(2 * i + 1)]};
}

std::optional<PickleValue> PickleValue::find(std::string_view wanted) const {
  if (!is(PickleKind::kDict)) return std::nullopt;
  for (std::int64_t i = size(); i-- > 0;) {
    const PickleNode& node = tree_->node(key(i).id_);
    if (node.kind == PickleKind::kString && node.text == wanted) return value(i);
  }
  return std::nullopt;
}

std::optional<PickleValue> PickleValue::find(std::int64_t wanted) const {
  if (!is(PickleKind::kDict)) return std::nullopt;
  for (std::int64_t i = size(); i-- > 0;) {
    if (key(i).as_int() == wanted) return value(i);
  }
  return std::nullopt;
}

std::optional<PickleValue> PickleValue::args() const {
  return value_or_nothing(tree_, tree_->node(id_).args);
}

std::optional<PickleValue> PickleValue::state() const {
  return value_or_nothing(tree_, tree_->node(id_).state);
}

std::optional<PickleValue> PickleValue::entries() const {
  return value_or_nothing(tree_, tree_->node(id_).entries);
}

std::vector<PickleValue> PickleValue::all_of_kind(PickleKind wanted) const {
  std::vector<PickleValue> out;
  for (std::size_t id = 0; id < tree_->size(); ++id) {
    if (tree_->node(static_cast<PickleId>(id)).kind == wanted) {
      out.push_back({tree_, static_cast<PickleId>(id)});
    }
  }
  return out;
}

ParsedPickle parse_pickle(std::span<const std::byte> bytes, std::string_view where,
                          const PickleLimits& limits) {
  return PickleMachine(bytes, where, limits).run();
}

}  // namespace conopa
