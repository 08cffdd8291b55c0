#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace conopa::testing {

/// Makes pickles (protocol 2, as torch.save does) opcode by opcode. A value's method leaves the
/// value on the stack; raw() adds anything.
class PickleBuilder {
 public:
  PickleBuilder& raw(std::string_view bytes) {
    out_ += bytes;
    return *this;
  }
  PickleBuilder& proto(int version = 2) { return raw("\x80").byte(version); }
  PickleBuilder& none() { return raw("N"); }
  PickleBuilder& boolean(bool value) { return raw(value ? "\x88" : "\x89"); }
  PickleBuilder& integer(std::int32_t value) { return raw("J").number(value); }
  PickleBuilder& string(std::string_view text) {
    return raw("X").number(static_cast<std::uint32_t>(text.size())).raw(text);
  }
  PickleBuilder& global(std::string_view module, std::string_view name) {
    return raw("c").raw(module).raw("\n").raw(name).raw("\n");
  }
  PickleBuilder& mark() { return raw("("); }
  PickleBuilder& tuple() { return raw("t"); }  // of everything since mark()
  PickleBuilder& empty_tuple() { return raw(")"); }
  PickleBuilder& dict() { return raw("}"); }
  PickleBuilder& list() { return raw("]"); }
  PickleBuilder& set_item() { return raw("s"); }
  PickleBuilder& append() { return raw("a"); }
  PickleBuilder& reduce() { return raw("R"); }
  PickleBuilder& put(std::uint8_t index) { return raw("q").byte(index); }
  PickleBuilder& get(std::uint8_t index) { return raw("h").byte(index); }
  PickleBuilder& integers(const std::vector<std::int32_t>& values) {
    mark();
    for (const std::int32_t value : values) integer(value);
    return tuple();
  }

  /// A reference to a storage, as the zip format has it.
  PickleBuilder& storage(std::string_view type, std::string_view key, std::int32_t numel) {
    mark().string("storage").global("torch", type).string(key).string("cpu").integer(numel);
    return tuple().raw("Q");
  }
  /// A tensor by _rebuild_tensor_v2.
  PickleBuilder& tensor(std::string_view type, std::string_view key, std::int32_t numel,
                        std::int32_t offset, const std::vector<std::int32_t>& shape,
                        const std::vector<std::int32_t>& strides) {
    global("torch._utils", "_rebuild_tensor_v2").mark().storage(type, key, numel);
    return integer(offset)
        .integers(shape)
        .integers(strides)
        .boolean(false)
        .ordered_dict()
        .tuple()
        .reduce();
  }
  PickleBuilder& ordered_dict() {
    return global("collections", "OrderedDict").empty_tuple().reduce();
  }

  [[nodiscard]] std::string stop() const { return out_ + "."; }
  [[nodiscard]] const std::string& bytes() const noexcept { return out_; }

  template <typename T>
  PickleBuilder& number(T value) {
    return raw({reinterpret_cast<const char*>(&value), sizeof(value)});
  }
  PickleBuilder& byte(int value) { return number(static_cast<std::uint8_t>(value)); }

 private:
  std::string out_;
};

}  // namespace conopa::testing
