#include "image_inputs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/data/image_folder.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxStreamBytes = std::size_t{1} << 30;

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

void add_folder(const std::string& folder, std::vector<ImageInput>& out) {
  std::error_code error;
  std::vector<std::string> found;
  fs::recursive_directory_iterator it(folder, error);
  while (!error && it != fs::recursive_directory_iterator()) {
    std::error_code broken_link;
    if (hidden(it->path())) {
      it.disable_recursion_pending();
    } else if (data::has_image_extension(it->path()) && it->is_regular_file(broken_link)) {
      found.push_back(it->path().string());
    }
    it.increment(error);
  }
  if (error) throw IoError(folder, "cannot read the folder: {}", error.message());
  if (found.empty()) {
    throw FormatError(folder,
                      "expected images (.jpg .png .webp .ppm ...) in the folder, found none; check "
                      "the path");
  }
  std::sort(found.begin(), found.end());
  for (std::string& name : found) out.push_back({.name = std::move(name)});
}

void add_path(const std::string& path, std::vector<ImageInput>& out) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    add_folder(path, out);
  } else {
    out.push_back({.name = path});
  }
}

void add_list(std::istream& in, const std::string& name, std::vector<ImageInput>& out) {
  const std::size_t before = out.size();
  std::string line;
  while (std::getline(in, line)) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) add_path(line, out);
  }
  if (in.bad()) throw IoError(name, "cannot read the list of images");
  if (out.size() == before) {
    throw FormatError(name, "expected paths of images, one a line, found none; check the list");
  }
}

void add_list_file(const std::string& path, std::vector<ImageInput>& out) {
  std::error_code ignored;
  std::ifstream in(path, std::ios::binary);
  if (!in || fs::is_directory(path, ignored)) {
    throw IoError(path, "expected a text file with paths of images, cannot read it");
  }
  add_list(in, path, out);
}

}  // namespace

std::vector<ImageInput> collect_images(const std::vector<std::string>& words,
                                       const InputOptions& options, std::istream& standard_input) {
  if (std::count(words.begin(), words.end(), "-") > 1) {
    throw UsageError("inputs", "standard input (-) can be read once only");
  }
  std::vector<ImageInput> out;
  for (const std::string& word : words) {
    if (word == "-" && !options.lists) {
      out.push_back({.name = word, .from_stdin = true});
    } else if (word == "-") {
      add_list(standard_input, word, out);
    } else if (options.lists) {
      add_list_file(word, out);
    } else {
      add_path(word, out);
    }
  }
  return out;
}

std::vector<std::byte> read_stream(std::istream& in) {
  constexpr std::size_t kChunk = 1 << 16;
  std::vector<std::byte> bytes;
  while (in) {
    const std::size_t size = bytes.size();
    if (size > kMaxStreamBytes) {
      throw FormatError("stdin", "expected an image of at most {} bytes, found more",
                        kMaxStreamBytes);
    }
    bytes.resize(size + kChunk);
    in.read(reinterpret_cast<char*>(bytes.data() + size), kChunk);
    bytes.resize(size + static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) throw IoError("stdin", "cannot read the image");
  if (bytes.empty()) throw FormatError("stdin", "expected an image, found nothing");
  return bytes;
}

}  // namespace conopa::app
