#include "conopa/io/pth_writer.h"

#include <limits>
#include <set>
#include <string_view>

#include "conopa/core/error.h"
#include "io/printable.h"
#include "io/torch_types.h"
#include "io/zip_writer.h"

namespace conopa {
namespace {

/// Pickle opcodes of protocol 2, as far as a dict of tensors needs them.
class Pickle {
 public:
  Pickle() { raw("\x80\x02}("); }  // protocol, empty dict, mark of its items

  void add(const std::string& name, const HostTensor& tensor, std::size_t key) {
    text(name);
    raw("ctorch._utils\n_rebuild_tensor_v2\n((");
    text("storage");
    raw("ctorch\n" + std::string(torch_storage_name(tensor.dtype())) + "\n");
    text(fmt::format("{}", key));
    text("cpu");
    integer(tensor.numel());
    raw("tQ");  // the storage, by persistent id
    integer(0);
    integers(tensor.shape());
    integers(strides(tensor.shape()));
    raw("\x89");  // needs no gradient
    raw("ccollections\nOrderedDict\n)RtR");
  }

  [[nodiscard]] std::string finish() {
    raw("u.");  // set the items, stop
    return std::move(out_);
  }

 private:
  static Shape strides(const Shape& shape) {
    Shape out(shape.size(), 1);
    for (std::size_t i = shape.size(); i-- > 1;) out[i - 1] = out[i] * shape[i];
    return out;
  }
  void raw(std::string_view bytes) { out_ += bytes; }
  template <typename T>
  void number(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void text(std::string_view text) {
    raw("X");
    number(static_cast<std::uint32_t>(text.size()));
    raw(text);
  }
  void integer(std::int64_t value) {
    if (value <= std::numeric_limits<std::int32_t>::max()) {
      raw("J");
      number(static_cast<std::int32_t>(value));
    } else {
      raw("\x8A\x08");  // LONG1 of 8 bytes
      number(value);
    }
  }
  void integers(const Shape& values) {
    raw("(");
    for (const std::int64_t value : values) integer(value);
    raw("t");
  }

  std::string out_;
};

}  // namespace

void write_pth(const std::filesystem::path& path, std::span<const NamedTensor> tensors) {
  std::set<std::string_view> names;
  Pickle pickle;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!names.insert(tensors[i].name).second) {
      throw FormatError(path.string(), "tensor name '{}' is used twice; rename it",
                        printable(tensors[i].name));
    }
    pickle.add(tensors[i].name, tensors[i].tensor, i);
  }
  // Readers take the folder's name from the first entry.
  const std::string folder = path.stem().string() + "/";
  ZipWriter zip(path);
  zip.add(folder + "data.pkl", pickle.finish());
  zip.add(folder + "byteorder", "little");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    zip.add(fmt::format("{}data/{}", folder, i), tensors[i].tensor.bytes());
  }
  zip.add(folder + "version", "3\n");
  zip.commit();
}

}  // namespace conopa
