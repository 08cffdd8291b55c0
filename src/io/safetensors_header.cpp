#include "io/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_set>

#include "conopa/core/error.h"
#include "io/printable.h"

namespace conopa {
namespace {

using Json = nlohmann::json;

/// Element bits of the format's types that DType does not have; they can be listed and checked.
std::optional<std::int64_t> foreign_bits(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 11> kBits{{{"U16", 16},
                                                                             {"U32", 32},
                                                                             {"U64", 64},
                                                                             {"C64", 64},
                                                                             {"F8_E4M3", 8},
                                                                             {"F8_E5M2", 8},
                                                                             {"F8_E8M0", 8},
                                                                             {"F4", 4},
                                                                             {"F6_E2M3", 6},
                                                                             {"F6_E3M2", 6},
                                                                             {"C128", 128}}};
  for (const auto& [known, bits] : kBits) {
    if (known == name) return bits;
  }
  return std::nullopt;
}

/// Receives the header's JSON as events, so that duplicate keys show and nothing but the wanted
/// structure is ever stored.
class HeaderHandler : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderHandler(std::string_view where) : where_(where) {}

  [[nodiscard]] SafetensorsHeader take() { return std::move(header_); }

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_float(double, const std::string&) override { return unexpected("a fraction"); }
  bool binary(Json::binary_t&) override { return unexpected("binary data"); }

  bool number_integer(std::int64_t value) override {
    if (array_ == nullptr) return unexpected("a number");
    if (value < 0) fail("expected non-negative numbers, found {} in '{}'", value, name_);
    array_->push_back(value);
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      fail("number {} in '{}' overflows", value, name_);
    }
    return number_integer(static_cast<std::int64_t>(value));
  }

  bool string(std::string& value) override {
    if (level_ == Level::kMetadata) {
      if (!header_.metadata.emplace(key_, std::move(value)).second) duplicate(key_);
    } else if (level_ == Level::kTensor && key_ == "dtype") {
      entry_.info.dtype_name = std::move(value);
    } else {
      return unexpected("a string");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (level_ == Level::kOutside) {
      level_ = Level::kTop;
    } else if (level_ == Level::kTop) {
      level_ = name_ == kMetadataKey ? Level::kMetadata : Level::kTensor;
      entry_ = {};
      offsets_.clear();
      fields_.clear();
    } else {
      return unexpected("an object");
    }
    return true;
  }

  bool key(std::string& value) override {
    if (level_ == Level::kTop) {
      name_ = std::move(value);
      if (!names_.insert(name_).second) duplicate(name_);
      return true;
    }
    key_ = std::move(value);
    if (level_ == Level::kTensor && !fields_.insert(key_).second) duplicate(name_ + "." + key_);
    return true;
  }

  bool end_object() override {
    if (level_ == Level::kTensor) finish_tensor();
    level_ = level_ == Level::kTop ? Level::kOutside : Level::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (level_ != Level::kTensor || array_ != nullptr) return unexpected("an array");
    if (key_ == "shape") {
      array_ = &entry_.info.shape;
    } else if (key_ == "data_offsets") {
      array_ = &offsets_;
    } else {
      return unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    array_ = nullptr;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    fail("the JSON header is malformed at byte {}", position);
  }

 private:
  enum class Level { kOutside, kTop, kTensor, kMetadata };

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw FormatError(where_, "{}; the safetensors file is damaged, copy or download it again",
                      printable(fmt::format(format, std::forward<Args>(args)...)));
  }
  [[noreturn]] void duplicate(const std::string& key) const { fail("key '{}' occurs twice", key); }
  bool unexpected(std::string_view what) const {
    fail("found {} where the header of '{}' does not allow it", what, name_);
  }

  void finish_tensor() {
    if (fields_ != std::set<std::string>{"data_offsets", "dtype", "shape"}) {
      fail("tensor '{}' needs exactly dtype, shape and data_offsets", name_);
    }
    if (offsets_.size() != 2 || offsets_[0] > offsets_[1]) {
      fail("tensor '{}' needs two ordered data_offsets", name_);
    }
    entry_.name = name_;
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    entry_.info.dtype = dtype_from_name(entry_.info.dtype_name);
    check_size();
    header_.entries.push_back(std::move(entry_));
  }

  void check_size() const {
    const TensorInfo& info = entry_.info;
    std::optional<std::int64_t> bits = foreign_bits(info.dtype_name);
    if (info.dtype) bits = dtype_size(*info.dtype) * 8;
    std::int64_t total = bits.value_or(0);
    bool fits = true;
    for (const std::int64_t size : info.shape) {
      if (__builtin_mul_overflow(total, size, &total)) fits = false;
    }
    const std::int64_t length = entry_.end - entry_.begin;
    if (!fits || (bits && (total % 8 != 0 || total / 8 != length))) {
      fail("tensor '{}' of shape {} and type {} does not fit its {} bytes", name_,
           to_string(info.shape), info.dtype_name, length);
    }
  }

  std::string where_;
  SafetensorsHeader header_;
  Level level_ = Level::kOutside;
  std::string name_;
  std::string key_;
  std::unordered_set<std::string> names_;
  std::set<std::string> fields_;
  SafetensorsEntry entry_;
  Shape offsets_;
  Shape* array_ = nullptr;
};

/// Checks that the tensors follow each other without hole or overlap and fill the data.
void check_tiling(const std::vector<SafetensorsEntry>& entries, std::int64_t data_bytes,
                  std::string_view where) {
  std::int64_t position = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin != position) {
      throw FormatError(where,
                        "expected tensor '{}' to start at byte {} of the data, found {}: a hole or "
                        "an overlap; the safetensors file is damaged, copy or download it again",
                        printable(entry.name), position, entry.begin);
    }
    position = entry.end;
  }
  if (position != data_bytes) {
    throw FormatError(where,
                      "expected {} bytes of tensor data, found {}; the file is truncated or "
                      "damaged, copy or download it again",
                      position, data_bytes);
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, std::int64_t data_bytes,
                                           std::string_view where) {
  if (!text.starts_with('{')) {
    throw FormatError(where, "expected a header starting with '{{'; this is no safetensors file");
  }
  HeaderHandler handler(where);
  static_cast<void>(Json::sax_parse(text.begin(), text.end(), &handler));
  SafetensorsHeader header = handler.take();
  std::sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_tiling(header.entries, data_bytes, where);
  return header;
}

}  // namespace conopa
