#include "conopa/io/row_file.h"

#include <nlohmann/json.hpp>

#include "conopa/core/error.h"
#include "io/row_file_npz.h"
#include "io/safetensors_header.h"

namespace conopa {
namespace {

using Json = nlohmann::ordered_json;

/// The header is written first, with room for every name, and again in the end.
class SafetensorsRowFile final : public RowFile {
 public:
  SafetensorsRowFile(const std::filesystem::path& path, RowFileOptions given)
      : RowFile(path, std::move(given)) {
    const std::string header = header_of(options().names);
    room_ = (header.size() + 7) / 8 * 8;
    if (static_cast<std::int64_t>(room_) > kMaxHeaderBytes) {
      throw FormatError(path.string(),
                        "the names of {} rows exceed the {} bytes of a header; write fewer",
                        options().names.size(), kMaxHeaderBytes);
    }
    file().write(front(header));
  }

 private:
  [[nodiscard]] std::string header_of(std::span<const std::string> names) const {
    const auto rows = std::ssize(names);
    // File names need not be UTF-8.
    const auto dump = [](const Json& json) {
      return json.dump(-1, ' ', false, Json::error_handler_t::replace);
    };
    const Json header{
        {std::string(kMetadataKey), {{"names", dump(Json(names))}}},
        {options().name,
         {{"dtype", "F32"},
          {"shape", shape(rows)},
          {"data_offsets", {0, element_count(shape(rows)) * std::int64_t{sizeof(float)}}}}}};
    return dump(header);
  }
  [[nodiscard]] std::string front(std::string header) const {
    header.resize(room_, ' ');
    const std::uint64_t size = room_;
    return std::string(reinterpret_cast<const char*>(&size), sizeof size) + header;
  }

  void passed(std::span<const std::byte>) override {}
  void finish(std::span<const std::string> names) override {
    file().overwrite(0, front(header_of(names)));
  }

  std::size_t room_ = 0;
};

}  // namespace

RowFile::RowFile(const std::filesystem::path& path, RowFileOptions options)
    : where_(path.string()),
      file_(path),
      options_(std::move(options)),
      row_size_(element_count(options_.row)) {}

std::unique_ptr<RowFile> RowFile::create(const std::filesystem::path& path,
                                         RowFileOptions options) {
  if (path.extension() == ".safetensors") {
    return std::make_unique<SafetensorsRowFile>(path, std::move(options));
  }
  if (path.extension() == ".npz") return make_npz_row_file(path, std::move(options));
  throw ConfigError(path.string(), "expected a file that ends in .npz or .safetensors, got '{}'",
                    path.extension().string());
}

Shape RowFile::shape(std::int64_t rows) const {
  Shape out{rows};
  out.insert(out.end(), options_.row.begin(), options_.row.end());
  return out;
}

void RowFile::append(std::span<const float> values) {
  const std::int64_t count = row_size_ > 0 ? std::ssize(values) / row_size_ : 0;
  if (count * row_size_ != std::ssize(values) || rows_ + count > std::ssize(options_.names)) {
    throw ShapeError(where_, "expected whole rows of {} values, {} more at most, found {} values",
                     row_size_, std::ssize(options_.names) - rows_, values.size());
  }
  const std::span<const std::byte> bytes = std::as_bytes(values);
  file_.write(bytes);
  passed(bytes);
  rows_ += count;
}

void RowFile::commit(std::span<const std::string> names) {
  if (std::ssize(names) != rows_) {
    throw ShapeError(where_, "expected {} names of rows, found {}", rows_, names.size());
  }
  finish(names);
  file_.commit();
}

}  // namespace conopa
