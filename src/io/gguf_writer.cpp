#include <array>
#include <unordered_set>

#include "conopa/core/error.h"
#include "conopa/core/utf8.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/gguf.h"
#include "io/gguf_header.h"
#include "io/printable.h"

namespace conopa {
namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::size_t kMaxTensorName = 63;  // ggml keeps 64 bytes with the final zero

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void put_text(std::string& out, std::string_view text) {
  put(out, std::uint64_t{text.size()});
  out += text;
}

void put_value(std::string& out, const GgufValue& value) {
  switch (value.kind()) {
    case GgufKind::kF32:
      return put(out, static_cast<float>(*value.as_float()));
    case GgufKind::kF64:
      return put(out, *value.as_float());
    case GgufKind::kString:
      return put_text(out, *value.as_string());
    case GgufKind::kArray:
      put(out, static_cast<std::uint32_t>(value.element()));
      put(out, std::uint64_t{value.items().size()});
      for (const GgufValue& item : value.items()) put_value(out, item);
      return;
    default: {  // integers and booleans: the low bytes
      const std::uint64_t bits = value.bits();
      out.append(reinterpret_cast<const char*>(&bits),
                 static_cast<std::size_t>(gguf_kind_size(value.kind())));
    }
  }
}

void check_name(std::string_view name, std::size_t most, std::unordered_set<std::string>& seen,
                const std::string& where) {
  if (name.empty() || name.size() > most || !is_utf8_text(name)) {
    throw FormatError(where, "expected a name of 1 to {} bytes of UTF-8, found '{}'; rename it",
                      most, printable(name));
  }
  if (!seen.insert(std::string(name)).second) {
    throw FormatError(where, "the name '{}' is used twice; rename one", printable(name));
  }
}

std::int64_t byte_count(const GgufTensor& tensor, const std::string& where) {
  const std::int64_t inner = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (tensor.shape.size() > kMaxGgufDims || inner % tensor.type.block != 0) {
    throw FormatError(where,
                      "expected at most {} dimensions and rows of a multiple of {} for '{}' as {}, "
                      "found {}; GGUF cannot hold it",
                      kMaxGgufDims, tensor.type.block, printable(tensor.name), tensor.type.name,
                      to_string(tensor.shape));
  }
  return element_count(tensor.shape) / tensor.type.block * tensor.type.bytes;
}

std::string header_text(const GgufEntries& entries, std::span<const GgufTensor> tensors,
                        const std::string& where) {
  std::string out(kGgufMagic);
  put(out, kVersion);
  put(out, std::uint64_t{tensors.size()});
  put(out, std::uint64_t{entries.size()});
  std::unordered_set<std::string> keys{std::string(kGgufAlignmentKey)};  // not for callers to set
  for (const auto& [key, value] : entries) {
    check_name(key, kMaxGgufKey, keys, where);
    put_text(out, key);
    put(out, static_cast<std::uint32_t>(value.kind()));
    put_value(out, value);
  }
  std::unordered_set<std::string> names;
  std::int64_t offset = 0;
  for (const GgufTensor& tensor : tensors) {
    check_name(tensor.name, kMaxTensorName, names, where);
    put_text(out, tensor.name);
    const std::int64_t bytes = byte_count(tensor, where);
    put(out, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto dim = tensor.shape.rbegin(); dim != tensor.shape.rend(); ++dim) {
      put(out, static_cast<std::uint64_t>(*dim));
    }
    put(out, tensor.type.id);
    put(out, static_cast<std::uint64_t>(offset));
    offset += gguf_aligned(bytes, kGgufAlignment);
  }
  return out;
}

void pad(AtomicFile& file) {
  const std::int64_t gap = gguf_aligned(file.size(), kGgufAlignment) - file.size();
  file.write(std::string(static_cast<std::size_t>(gap), '\0'));
}

}  // namespace

GgufTensor gguf_tensor(std::string name, HostTensor tensor) {
  const GgufType* type = find_gguf_type(tensor.dtype());
  if (type == nullptr) {
    throw UnsupportedError(name, "GGUF has no element type {}; convert the tensor to another",
                           dtype_name(tensor.dtype()));
  }
  return {std::move(name), *type, tensor.shape(), [held = std::move(tensor)] { return held; }};
}

GgufTensor gguf_tensor(std::string name, const QuantMatrix& matrix) {
  constexpr std::array<std::string_view, 3> kTypes{"I8", "Q8_0", "Q4_0"};  // by QuantForm
  const GgufType* type = find_gguf_type(kTypes[static_cast<std::size_t>(matrix.form)]);
  return {std::move(name), *type, Shape{matrix.rows, matrix.columns},
          [held = matrix.values] { return held; }};
}

void write_gguf(const std::filesystem::path& path, const GgufEntries& entries,
                std::span<const GgufTensor> tensors) {
  const std::string header = header_text(entries, tensors, path.string());
  AtomicFile file(path);
  file.write(header);
  for (const GgufTensor& tensor : tensors) {
    pad(file);
    const HostTensor value = tensor.load();
    const std::int64_t expected = byte_count(tensor, path.string());
    if (static_cast<std::int64_t>(value.bytes().size()) != expected) {
      throw FormatError(path.string(), "expected {} bytes of tensor '{}', found {}", expected,
                        printable(tensor.name), value.bytes().size());
    }
    file.write(value.bytes());
  }
  pad(file);
  file.commit();
}

}  // namespace conopa
