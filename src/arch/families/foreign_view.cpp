#include <algorithm>

#include "arch/families/families.h"

namespace conopa::arch {

const Shape* ForeignView::shape(std::string_view canonical) const {
  return shape_of(tensors_, to_foreign(family_, scheme_, canonical));
}

std::optional<ForeignView> find_view(const Family& family, const TensorIndex& tensors,
                                     const std::vector<std::string>& required) {
  std::vector<std::string_view> schemes{"canonical"};
  for (const NamingScheme& scheme : family.schemes) schemes.push_back(scheme.name);
  for (const std::string_view scheme : schemes) {
    const ForeignView view(family, scheme, tensors);
    if (std::ranges::all_of(required,
                            [&view](const std::string& name) { return view.has(name); })) {
      return view;
    }
  }
  return std::nullopt;
}

}  // namespace conopa::arch
