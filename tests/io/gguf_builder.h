#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/io/temp_dir.h"

namespace conopa::testing {

/// Puts the bytes of a GGUF file together, valid or not.
class GgufBuilder {
 public:
  GgufBuilder& version(std::uint32_t value) {
    version_ = value;
    return *this;
  }
  GgufBuilder& counts(std::uint64_t tensors, std::uint64_t entries) {
    counts_ = raw<std::uint64_t>({tensors, entries});
    return *this;
  }
  /// A metadata entry whose value is the raw bytes.
  GgufBuilder& entry(std::string_view key, std::uint32_t kind, std::string_view value) {
    header_ += text(key) + raw<std::uint32_t>({kind}) + std::string(value);
    ++entries_;
    return *this;
  }
  /// @param dims  innermost first, as in the file.
  GgufBuilder& tensor(std::string_view name, const std::vector<std::uint64_t>& dims,
                      std::uint32_t type, std::uint64_t offset) {
    table_ += text(name) + raw<std::uint32_t>({static_cast<std::uint32_t>(dims.size())});
    for (const std::uint64_t dim : dims) table_ += raw<std::uint64_t>({dim});
    table_ += raw<std::uint32_t>({type}) + raw<std::uint64_t>({offset});
    ++tensors_;
    return *this;
  }
  GgufBuilder& data(std::string_view bytes, std::size_t alignment = 32) {
    data_ = bytes;
    alignment_ = alignment;
    return *this;
  }
  [[nodiscard]] std::string bytes() const {
    std::string out = "GGUF" + raw<std::uint32_t>({version_});
    out += counts_.empty() ? raw<std::uint64_t>({tensors_, entries_}) : counts_;
    out += header_ + table_;
    if (data_.empty()) return out;
    out.resize((out.size() + alignment_ - 1) / alignment_ * alignment_, '\0');
    return out + data_;
  }
  [[nodiscard]] static std::string text(std::string_view value) {
    return raw<std::uint64_t>({value.size()}) + std::string(value);
  }

 private:
  std::uint32_t version_ = 3;
  std::string counts_;
  std::string header_;
  std::string table_;
  std::string data_;
  std::size_t alignment_ = 32;
  std::uint64_t entries_ = 0;
  std::uint64_t tensors_ = 0;
};

}  // namespace conopa::testing
