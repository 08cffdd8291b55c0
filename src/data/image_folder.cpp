#include "conopa/data/image_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/core/nearest.h"
#include "conopa/data/file_dataset.h"
#include "data/io_errors.h"

namespace conopa::data {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 32;  // of folders inside a class; ends loops of symbolic links

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::vector<std::string> subfolders(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && !is_hidden(entry.path())) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Folder names in class order and what to call the classes.
struct Classes {
  std::vector<std::string> folders;
  std::vector<std::string> names;
};

// The folder that a line of classes.txt starts with: all of it, or up to a tab or blank.
std::string_view folder_of_line(std::string_view line, const std::vector<std::string>& sorted) {
  const auto known = [&](std::string_view word) {
    return std::binary_search(sorted.begin(), sorted.end(), word, std::less<>());
  };
  for (const std::string_view stops :
       {std::string_view(), std::string_view("\t"), std::string_view("\t ")}) {
    const std::string_view word =
        stops.empty() ? line : line.substr(0, std::min(line.find_first_of(stops), line.size()));
    if (known(word)) return word;
  }
  return {};
}

Classes apply_names_file(const fs::path& path, std::vector<std::string> folders) {
  const std::vector<std::string> lines = read_name_lines(path);
  Classes out;
  for (const std::string& line : lines) {
    const std::string_view folder = folder_of_line(line, folders);
    if (folder.empty()) continue;
    const std::size_t rest = line.find_first_not_of("\t ", folder.size());
    out.folders.emplace_back(folder);
    out.names.push_back(rest == std::string::npos ? std::string(folder) : line.substr(rest));
  }
  if (lines.size() != folders.size() ||
      (!out.folders.empty() && out.folders.size() != lines.size())) {
    throw FormatError(path.string(),
                      "expected one line for each of {} class folders, found {} lines of which {} "
                      "name a folder; correct or remove the file",
                      folders.size(), lines.size(), out.folders.size());
  }
  if (out.folders.empty()) return {std::move(folders), lines};  // display names in folder order
  std::vector<std::string> sorted = out.folders;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    throw FormatError(path.string(), "expected every class folder once, found '{}' twice",
                      *std::adjacent_find(sorted.begin(), sorted.end()));
  }
  return out;
}

Classes find_classes(const fs::path& root, const fs::path& split_root) {
  const fs::path train = root / "train";
  const bool all = split_root == root;
  const fs::path& source = !all && fs::is_directory(train) ? train : split_root;
  std::vector<std::string> folders = subfolders(source);
  if (folders.empty()) {
    throw FormatError(source.string(),
                      "expected one folder per class, found none; see the layout root/split/class");
  }
  const fs::path names = root / "classes.txt";
  if (fs::exists(names)) return apply_names_file(names, std::move(folders));
  return {folders, folders};
}

// Paths relative to `root`, sorted byte-wise.
std::vector<std::string> images_below(const fs::path& root, const fs::path& folder) {
  std::vector<std::string> paths;
  const auto options = fs::directory_options::follow_directory_symlink;
  for (auto it = fs::recursive_directory_iterator(folder, options);
       it != fs::recursive_directory_iterator(); ++it) {
    if (it.depth() > kMaxDepth) {
      throw FormatError(folder.string(),
                        "expected at most {} nested folders, found more; look for a loop of "
                        "symbolic links",
                        kMaxDepth);
    }
    if (is_hidden(it->path())) {
      it.disable_recursion_pending();
    } else if (has_image_extension(it->path()) && !it->is_directory()) {
      paths.push_back(it->path().lexically_relative(root).string());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

fs::path require_split(const fs::path& root, std::string_view split) {
  if (!fs::is_directory(root)) {
    throw IoError(root.string(), "expected a folder of images, found none; check data.path");
  }
  if (split == "all") return root;
  const fs::path folder = root / split;
  if (!fs::is_directory(folder)) {
    const std::vector<std::string> found = subfolders(root);
    throw IoError(root.string(),
                  "expected a folder for split '{}'{}; found {}; set the split, or 'all' if the "
                  "class folders lie here",
                  split, did_you_mean(split, found),
                  found.empty()
                      ? "no folders"
                      : fmt::format("{}", fmt::join(found.begin(),
                                                    found.begin() +
                                                        static_cast<std::ptrdiff_t>(
                                                            std::min<std::size_t>(found.size(), 8)),
                                                    ", ")));
  }
  return folder;
}

std::unique_ptr<Dataset> open_checked(const fs::path& root, std::string_view split,
                                      const ClassOptions& options) {
  const fs::path split_root = require_split(root, split);
  Classes classes = find_classes(root, split_root);
  const std::vector<std::string> present = subfolders(split_root);
  for (const std::string& folder : present) {
    if (std::find(classes.folders.begin(), classes.folders.end(), folder) ==
        classes.folders.end()) {
      throw FormatError((split_root / folder).string(),
                        "expected a class that training has, found '{}'{}; remove or rename it",
                        folder, did_you_mean(folder, classes.folders));
    }
  }
  PathTable paths;
  std::vector<std::int32_t> labels;
  for (std::size_t k = 0; k < classes.folders.size(); ++k) {
    const std::string& folder = classes.folders[k];
    if (!std::binary_search(present.begin(), present.end(), folder)) continue;
    const std::vector<std::string> images = images_below(split_root, split_root / folder);
    if (images.empty()) {
      throw FormatError((split_root / folder).string(),
                        "expected images in a class folder, found none; add some or remove it");
    }
    for (const std::string& image : images) paths.push_back(image);
    labels.insert(labels.end(), images.size(), static_cast<std::int32_t>(k));
  }
  const auto found = static_cast<std::int64_t>(classes.folders.size());
  std::vector<std::string> names =
      settle_class_names(root.string(), options, found, std::move(classes.names));
  return std::make_unique<FileDataset>(split_root, std::move(paths), std::move(labels),
                                       std::move(names));
}

}  // namespace

bool has_image_extension(const fs::path& path) {
  constexpr std::array<std::string_view, 8> kExtensions = {".jpg", ".jpeg", ".png", ".webp",
                                                           ".ppm", ".pgm",  ".pbm", ".pnm"};
  std::string extension = path.extension().string();
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::unique_ptr<Dataset> open_image_folder(const fs::path& root, std::string_view split,
                                           const ClassOptions& classes) {
  return with_io_errors(root, [&] { return open_checked(root, split, classes); });
}

}  // namespace conopa::data
