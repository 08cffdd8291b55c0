#include "io/pth_flatten.h"

#include <functional>

#include "conopa/core/error.h"

namespace conopa::detail {
namespace {

// A value may be referred to many times, so a small file can describe a huge tree.
constexpr int kMaxDepth = 64;
constexpr std::int64_t kMaxVisits = 4'000'000;
constexpr std::size_t kMaxNameBytes = 128 << 20;
constexpr std::size_t kMaxSkipped = 1000;

/// Walks a tree depth first; names are built only where something is found.
class Walker {
 public:
  explicit Walker(std::string_view where) : where_(where) {}

  [[nodiscard]] FlatTensors take() { return std::move(flat_); }
  void stop_at_first() { stop_at_first_ = true; }
  [[nodiscard]] bool found() const noexcept { return !flat_.tensors.empty(); }

  void walk(const PickleValue& value) {
    if (stop_at_first_ && found()) return;
    if (path_.size() > kMaxDepth || ++visits_ > kMaxVisits) fail();
    if (auto tensor = parse_tensor(value, where_)) {
      std::string name = joined();
      flat_.tensors.emplace_back(std::move(name), std::move(*tensor));
    } else if (value.is(PickleKind::kDict)) {
      walk_dict(value);
    } else if (value.is(PickleKind::kList) || value.is(PickleKind::kTuple)) {
      walk_items(value);
    } else if (value.is(PickleKind::kObject)) {
      walk_object(value);
    }
  }

 private:
  [[noreturn]] void fail() const {
    throw FormatError(where_,
                      "the checkpoint nests deeper than {} levels or holds too many "
                      "values; it is damaged, or name the wanted part by its key path",
                      kMaxDepth);
  }

  void walk_below(std::string_view key, const PickleValue& value) {
    path_.emplace_back(key);
    walk(value);
    path_.pop_back();
  }

  void walk_dict(const PickleValue& dict) {
    for (std::int64_t i = 0; i < dict.size(); ++i) {
      const PickleValue key = dict.key(i);
      if (const auto text = key.as_string()) {
        walk_below(*text, dict.value(i));
      } else if (const auto number = key.as_int()) {
        walk_below(std::to_string(*number), dict.value(i));
      }
    }
  }

  void walk_items(const PickleValue& items) {
    for (std::int64_t i = 0; i < items.size(); ++i) walk_below(std::to_string(i), items[i]);
  }

  void walk_object(const PickleValue& object) {
    const auto state = object.state();
    const bool has_state = state && state->is(PickleKind::kDict);
    if (has_state && state->find("_modules")) {  // a saved nn.Module
      for (const std::string_view part : {"_parameters", "_buffers", "_modules"}) {
        if (const auto below = state->find(part)) walk(*below);
      }
      return;
    }
    if (has_state && object.text().starts_with("__torch__.")) return walk(*state);
    if (const auto entries = object.entries()) walk(*entries);  // a dict subclass
    if (flat_.skipped.size() < kMaxSkipped) {
      flat_.skipped.push_back(joined() + ": " + std::string(object.text()));
    }
  }

  std::string joined() {
    std::string name;
    for (const std::string& part : path_) {
      if (!name.empty()) name += '.';
      name += part;
    }
    name_bytes_ += name.size();
    if (name_bytes_ > kMaxNameBytes) fail();
    return name;
  }

  std::string_view where_;
  std::vector<std::string> path_;
  std::int64_t visits_ = 0;
  std::size_t name_bytes_ = 0;
  bool stop_at_first_ = false;
  FlatTensors flat_;
};

}  // namespace

FlatTensors flatten(const PickleValue& root, std::string_view where) {
  Walker walker(where);
  walker.walk(root);
  return walker.take();
}

bool holds_tensor(const PickleValue& root, std::string_view where) {
  Walker walker(where);
  walker.stop_at_first();
  walker.walk(root);
  return walker.found();
}

}  // namespace conopa::detail
