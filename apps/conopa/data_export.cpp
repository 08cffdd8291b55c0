#include "data_export.h"

#include <fmt/format.h>

#include <algorithm>

#include "conopa/image/codec.h"
#include "conopa/io/atomic_file.h"
#include "model_store.h"

namespace conopa::app {
namespace {

// Class names may hold anything ("T-shirt/top"); file names get letters, digits, '-' and '_'.
std::string safe(std::string name) {
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '_'; }, '-');
  return name;
}

}  // namespace

std::int64_t export_images(const data::Dataset& dataset, std::int64_t count,
                           const std::filesystem::path& folder) {
  ensure_directory(folder);
  const std::int64_t total = std::min(count, dataset.size());
  for (std::int64_t i = 0; i < total; ++i) {
    const std::int64_t index = i * dataset.size() / total;
    const data::Sample sample = dataset.get(index);
    const std::string name =
        fmt::format("{:05}_{}.png", index, safe(class_name(dataset.class_names(), sample.label)));
    write_file_atomically(folder / name, image::encode_png(sample.image));
  }
  return total;
}

}  // namespace conopa::app
