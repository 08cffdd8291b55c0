#include "arch/families/hub_config.h"

#include <nlohmann/json.hpp>

#include "conopa/core/error.h"

namespace conopa::arch {

using Json = nlohmann::json;

struct HubConfig::Impl {
  Json object;
  std::string where, weights;

  // Null where the key is absent or null.
  [[nodiscard]] const Json* find(std::string_view key) const {
    const auto it = object.find(key);
    return it == object.end() || it->is_null() ? nullptr : &*it;
  }
};

namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 31;  // of any size in a config
constexpr std::size_t kMostItems = 4096;

Json parse(const HubConfigFile& file) {
  Json json = Json::parse(file.text, nullptr, false);
  if (json.is_object()) return json;
  throw FormatError(file.where,
                    "expected a JSON object, found something else; the file is damaged, download "
                    "it again");
}

bool is_size(const Json& value) {
  if (value.is_number_unsigned()) {
    return value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMost);
  }
  return value.is_number_integer() && value.get<std::int64_t>() >= -kMost;
}

}  // namespace

HubConfig::HubConfig(const HubConfigFile& file)
    : impl_(std::make_unique<Impl>(
          Impl{parse(file), std::string(file.where), std::string(file.weights)})) {}
HubConfig::HubConfig(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HubConfig::HubConfig(HubConfig&&) noexcept = default;
HubConfig::~HubConfig() = default;

bool HubConfig::has(std::string_view key) const { return impl_->find(key) != nullptr; }

HubConfig HubConfig::section(std::string_view key) const {
  const Json* inner = impl_->find(key);
  const bool found = inner != nullptr && inner->is_object();
  return HubConfig(
      std::make_unique<Impl>(Impl{found ? *inner : impl_->object, impl_->where, impl_->weights}));
}

void HubConfig::refuse(std::string_view key, std::string_view expected) const {
  std::string found = impl_->find(key)->dump(-1, ' ', true, Json::error_handler_t::replace);
  if (found.size() > 60) found = found.substr(0, 57) + "...";
  throw FormatError(impl_->where, "expected {} to be {}, found {}; correct the file", key, expected,
                    found);
}

std::optional<std::int64_t> HubConfig::integer(std::string_view key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr) return std::nullopt;
  if (!is_size(*value)) refuse(key, "a whole number");
  return value->get<std::int64_t>();
}

std::optional<double> HubConfig::number(std::string_view key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) refuse(key, "a number");
  return value->get<double>();
}

std::optional<bool> HubConfig::boolean(std::string_view key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) refuse(key, "true or false");
  return value->get<bool>();
}

bool HubConfig::is_list(std::string_view key) const {
  const Json* value = impl_->find(key);
  return value != nullptr && value->is_array();
}

std::optional<std::vector<std::int64_t>> HubConfig::integers(std::string_view key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr) return std::nullopt;
  if (is_size(*value)) return std::vector{value->get<std::int64_t>()};
  if (!value->is_array() || value->size() > kMostItems) refuse(key, "a list of whole numbers");
  std::vector<std::int64_t> out;
  for (const Json& item : *value) {
    if (!is_size(item)) refuse(key, "a list of whole numbers");
    out.push_back(item.get<std::int64_t>());
  }
  return out;
}

void HubConfig::agree(std::string_view key, std::int64_t shapes_say) const {
  const std::optional<std::int64_t> value = integer(key);
  if (!value || *value == shapes_say) return;
  throw FormatError(impl_->where,
                    "{} is {}, but the tensors of {} say {}; the two files belong to different "
                    "models",
                    key, *value, impl_->weights, shapes_say);
}

void HubConfig::agree(std::string_view key, bool shapes_say) const {
  const std::optional<bool> value = boolean(key);
  if (!value || *value == shapes_say) return;
  throw FormatError(impl_->where,
                    "{} is {}, but the tensors of {} say {}; the two files belong to different "
                    "models",
                    key, *value, impl_->weights, shapes_say);
}

void HubConfig::take_heads(std::string_view key, EncoderSpec& guess) const {
  const std::optional<std::int64_t> heads = integer(key);
  if (!heads) return;
  if (*heads < 1 || guess.dim % *heads != 0) {
    throw FormatError(impl_->where, "{} is {}, which does not divide the width {} of {}", key,
                      *heads, guess.dim, impl_->weights);
  }
  guess.heads = *heads;
}

void HubConfig::take_size(std::string_view key, EncoderSpec& guess) const {
  const std::optional<std::vector<std::int64_t>> size = integers(key);
  if (!size) return;
  if (size->empty() || size->size() > 2) refuse(key, "a side, or height and width");
  const std::int64_t height = size->front();
  const std::int64_t width = size->back();
  for (const std::int64_t side : {height, width}) {
    if (side < 1 || side % guess.patch != 0) {
      throw FormatError(impl_->where, "expected {} in multiples of the patch, {} px, found {}", key,
                        guess.patch, side);
    }
  }
  if (guess.position == Position::kLearned &&
      height / guess.patch * (width / guess.patch) != guess.num_patches()) {
    throw FormatError(impl_->where,
                      "{} is {}x{}, which makes {} patches, but the position embedding of {} has "
                      "{}; the two files belong to different models",
                      key, height, width, height / guess.patch * (width / guess.patch),
                      impl_->weights, guess.num_patches());
  }
  guess.height = height;
  guess.width = width;
}

}  // namespace conopa::arch
