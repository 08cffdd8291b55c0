#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/data/memory_dataset.h"
#include "conopa/image/codec.h"
#include "conopa/image/image.h"

namespace conopa::data::testing {

/// A folder that exists as long as this does.
class TempFolder {
 public:
  TempFolder() {
    static std::atomic<int> counter{0};
    path_ = std::filesystem::temp_directory_path() /
            ("conopa_data_" + std::to_string(getpid()) + "_" + std::to_string(counter++));
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// Writes a file, with its folders; returns its path.
  std::filesystem::path write(std::string_view name, std::string_view content) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }

  std::filesystem::path write_png(std::string_view name, std::int64_t width, std::int64_t height,
                                  std::uint8_t value, std::int64_t channels = 3) const {
    image::Image picture(width, height, channels);
    std::fill(picture.pixels.begin(), picture.pixels.end(), value);
    const std::vector<std::byte> bytes = image::encode_png(picture);
    return write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

 private:
  std::filesystem::path path_;
};

inline std::vector<std::byte> to_bytes(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

/// An IDX file of unsigned bytes.
inline std::string idx_file(const std::vector<std::uint32_t>& shape, std::string_view values) {
  std::string out{'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (const std::uint32_t size : shape) {
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>((size >> shift) & 0xFFU);
  }
  out += values;
  return out;
}

/// The message of the error that `action` throws, which must be an E.
template <typename E, typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error: " << error.what();
    return {};
  }
  ADD_FAILURE() << "no error";
  return {};
}

/// Gray images of 4×4 whose pixels all equal their place; label = place modulo classes.
inline std::shared_ptr<const Dataset> numbered_images(std::int64_t count, std::int64_t classes) {
  MemoryImages images;
  images.name = "numbered";
  images.height = 4;
  images.width = 4;
  images.channels = 1;
  for (std::int64_t i = 0; i < count; ++i) {
    images.pixels.insert(images.pixels.end(), 16, static_cast<std::uint8_t>(i));
    images.labels.push_back(i % classes);
  }
  for (std::int64_t k = 0; k < classes; ++k) images.class_names.push_back(std::to_string(k));
  return std::make_shared<MemoryDataset>(std::move(images));
}

}  // namespace conopa::data::testing
