#include "hub_folder.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <vector>

#include "conopa/arch/registry.h"
#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/io/mapped_file.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kPreprocessor = "preprocessor_config.json";
constexpr std::int64_t kMaxTextBytes = 1 << 20;

std::optional<std::string> read_optional(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  return read_text_file(path, kMaxTextBytes);
}

/// Rows and columns, px.
struct Extent {
  std::int64_t height = 0, width = 0;
};

/// An image processor's fields; absent and null ones give the value that the Hub's classes have.
class Processor {
 public:
  Processor(const std::string& text, std::string where)
      : json_(Json::parse(text, nullptr, false)), where_(std::move(where)) {
    if (!json_.is_object()) {
      throw FormatError(where_, "expected a JSON object, found something else; download it again");
    }
  }

  [[nodiscard]] const std::string& where() const noexcept { return where_; }
  /// Whether it is the processor of a Hub model at all.
  [[nodiscard]] bool known() const {
    return json_.contains("image_mean") || json_.contains("do_normalize") ||
           json_.contains("do_resize");
  }
  [[nodiscard]] bool flag(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return true;
    if (!value->is_boolean()) refuse(key, "true or false");
    return value->get<bool>();
  }
  [[nodiscard]] std::optional<double> number(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) refuse(key, "a number");
    return value->get<double>();
  }
  [[nodiscard]] std::optional<std::vector<double>> numbers(const char* key,
                                                           std::int64_t count) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    std::vector<double> out;
    bool good = value->is_array() && std::ssize(*value) == count;
    for (std::size_t i = 0; good && i < value->size(); ++i) {
      good = (*value)[i].is_number();
      if (good) out.push_back((*value)[i].get<double>());
    }
    if (!good) refuse(key, fmt::format("{} numbers, one a channel", count));
    return out;
  }
  [[nodiscard]] std::optional<std::int64_t> shortest_edge(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_object()) {
      if (!value->contains("shortest_edge")) return std::nullopt;
      return side((*value)["shortest_edge"], key);
    }
    return side(*value, key);
  }
  /// Height and width; a single number is a square.
  [[nodiscard]] std::optional<Extent> extent(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_object()) return Extent{side(*value, key), side(*value, key)};
    if (!value->contains("height") || !value->contains("width")) return std::nullopt;
    return Extent{side((*value)["height"], key), side((*value)["width"], key)};
  }

 private:
  [[nodiscard]] const Json* find(const char* key) const {
    const auto it = json_.find(key);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }
  [[nodiscard]] std::int64_t side(const Json& value, const char* key) const {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() < 1 ||
        value.get<std::uint64_t>() > 65'536) {
      refuse(key, "sides of 1 to 65536 px");
    }
    return value.get<std::int64_t>();
  }
  [[noreturn]] void refuse(const char* key, std::string_view expected) const {
    std::string found = find(key)->dump(-1, ' ', true, Json::error_handler_t::replace);
    if (found.size() > 60) found = found.substr(0, 57) + "...";
    throw FormatError(where_, "expected {} to be {}, found {}; correct the file", key, expected,
                      found);
  }

  Json json_;
  std::string where_;
};

// PIL's numbers of resize filters.
image::Interpolation filter_of(const Processor& processor, image::Interpolation usual) {
  const std::optional<double> number = processor.number("resample");
  if (!number) return usual;
  if (*number == 2.0) return image::Interpolation::kBilinear;
  if (*number != 3.0) {
    log_warning("{}: resample {} is neither bilinear (2) nor bicubic (3); bicubic is used",
                processor.where(), *number);
  }
  return image::Interpolation::kBicubic;
}

void set_resizing(const Processor& processor, image::EvalTransformOptions& out) {
  const std::optional<std::int64_t> edge = processor.shortest_edge("size");
  const std::optional<Extent> exact = processor.extent("size");
  out.mode = image::EvalMode::kCenterCrop;
  if (!processor.flag("do_resize")) {
    out.mode = image::EvalMode::kAsIs;
  } else if (edge) {
    out.resize_short = *edge;
    if (!processor.flag("do_center_crop")) {
      log_warning("{}: images are not cropped there; here the centre is taken", processor.where());
    }
  } else if (exact) {
    out.mode = image::EvalMode::kSquash;
    out.crop_pct = 1.0;
  }
}

void check_crop(const Processor& processor, const arch::EncoderSpec& spec) {
  if (!processor.flag("do_center_crop") || !processor.flag("do_resize")) return;
  const std::optional<Extent> crop = processor.extent("crop_size");
  if (!crop || (crop->height == spec.height && crop->width == spec.width)) return;
  throw FormatError(processor.where(),
                    "crop_size is {}x{}, but the model takes {}x{}; state the model's size with "
                    "--set height=... --set width=..., or correct the file",
                    crop->height, crop->width, spec.height, spec.width);
}

void set_statistics(const Processor& processor, image::EvalTransformOptions& out) {
  const double factor = processor.number("rescale_factor").value_or(1.0 / 255.0);
  if (!processor.flag("do_rescale") || std::abs(255.0 * factor - 1.0) > 1e-6) {
    throw FormatError(
        processor.where(),
        "expected samples to be rescaled by 1/255, found {}; fold the factor into "
        "image_mean and image_std",
        processor.flag("do_rescale") ? fmt::format("{}", factor) : "do_rescale false");
  }
  const auto channels = static_cast<std::size_t>(out.channels);
  if (!processor.flag("do_normalize")) {
    out.mean.assign(channels, 0.0);
    out.std.assign(channels, 1.0);
    return;
  }
  out.mean = processor.numbers("image_mean", out.channels).value_or(out.mean);
  out.std = processor.numbers("image_std", out.channels).value_or(out.std);
}

}  // namespace

HubFolder read_hub_folder(const fs::path& checkpoint) {
  std::error_code ignored;
  if (!fs::is_directory(checkpoint, ignored)) return {};
  return {.path = checkpoint,
          .config = read_optional(checkpoint / kConfig),
          .preprocessor = read_optional(checkpoint / kPreprocessor)};
}

bool apply_hub_config(const HubFolder& folder, const std::string& weights,
                      arch::EncoderSpec& guess) {
  const arch::Family& family = arch::family(guess.family);
  if (!folder.config || family.configure == nullptr) return false;
  const std::string where = (folder.path / kConfig).string();
  return family.configure(guess, {.text = *folder.config, .where = where, .weights = weights});
}

std::optional<image::EvalTransformOptions> hub_transform(const HubFolder& folder,
                                                         const arch::EncoderSpec& spec,
                                                         const image::EvalTransformOptions& usual) {
  if (!folder.preprocessor || spec.input != arch::Input::kImage) return std::nullopt;
  const Processor processor(*folder.preprocessor, (folder.path / kPreprocessor).string());
  if (!processor.known()) return std::nullopt;
  image::EvalTransformOptions out = usual;
  check_crop(processor, spec);
  set_resizing(processor, out);
  out.interpolation = filter_of(processor, usual.interpolation);
  set_statistics(processor, out);
  return out;
}

}  // namespace conopa::app
