#include "llm/opened.h"

#include <algorithm>
#include <array>

#include "conopa/core/error.h"

namespace conopa::llm {

std::string Opened::layer_prefix(std::int64_t index) const {
  return fmt::format("{}{}{}.", base, naming->layers, index);
}

std::string Opened::final_norm() const { return base + std::string(naming->final_norm); }

std::string Opened::describe() const {
  const auto name = [](const TensorSource& source) {
    return std::filesystem::path(source.where()).filename().string();
  };
  std::string files = name(*parts.front());
  if (parts.size() > 1) files += " to " + name(*parts.back());
  return fmt::format("{} ({}, {} layers)", files, naming->format, config.layers);
}

std::string find_base(const Naming& naming, const TensorSource& source) {
  for (const std::string_view base : naming.bases) {
    const std::string prefix = std::string(base) + std::string(naming.layers);
    const bool found = std::ranges::any_of(
        source.names(), [&](const std::string& name) { return name.starts_with(prefix); });
    if (found) return std::string(base);
  }
  throw FormatError(source.where(),
                    "expected tensors such as {}{}0.{}.weight, found {} tensors{}; the weights "
                    "belong to another model than the config",
                    naming.bases.front(), naming.layers, naming.parts.front().name,
                    source.names().size(),
                    source.names().empty() ? "" : " such as " + source.names().front());
}

}  // namespace conopa::llm
