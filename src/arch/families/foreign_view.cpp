#include <algorithm>

#include "arch/families/families.h"

namespace conopa::arch {

const Shape* ForeignView::shape(std::string_view canonical) const {
  return shape_of(tensors_, to_foreign(family_, scheme_, canonical));
}

bool ForeignView::ignores(std::string_view canonical) const {
  return is_ignored(family_, scheme_, to_foreign(family_, scheme_, canonical));
}

std::optional<ForeignView> find_view(const Family& family, const TensorIndex& tensors,
                                     const std::vector<std::string>& required,
                                     const std::vector<std::string>& usual) {
  std::vector<std::string_view> schemes{"canonical"};
  for (const NamingScheme& scheme : family.schemes) schemes.push_back(scheme.name);
  std::optional<ForeignView> best;
  std::int64_t most = -1;
  for (const std::string_view scheme : schemes) {
    const ForeignView view(family, scheme, tensors);
    const auto has = [&view](const std::string& name) { return view.has(name); };
    if (!std::ranges::all_of(required, has)) continue;
    const std::int64_t found = std::ranges::count_if(usual, has);
    if (found <= most) continue;
    most = found;
    best.emplace(view);
  }
  return best;
}

std::int64_t read_classes(const ForeignView& view) {
  const Shape* head = view.shape(std::string(names::kHead) + ".weight");
  return head != nullptr && head->size() == 2 ? (*head)[0] : 0;
}

}  // namespace conopa::arch
