#include <utility>

#include "conopa/data/file_dataset.h"
#include "data/list_file.h"

namespace conopa::data {

std::unique_ptr<Dataset> open_captions(const std::filesystem::path& path, std::string_view split) {
  const std::vector<ListFile> files = read_lists(path, split, ListContent::kCaptions);
  const ListFile& own = files.front();
  PathTable paths;
  PathTable captions;
  for (const ListRow& row : own.rows) {
    if (!own.serves(row, split)) continue;
    paths.push_back(row.path);
    captions.push_back(row.caption);
  }
  return std::make_unique<FileDataset>(own.path.parent_path(), std::move(paths),
                                       std::move(captions));
}

}  // namespace conopa::data
