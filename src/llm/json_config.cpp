#include "llm/json_config.h"

#include <nlohmann/json.hpp>

#include "conopa/core/error.h"
#include "conopa/io/mapped_file.h"

namespace conopa::llm {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMostBytes = 4 << 20;

bool is_shallow(const std::string& text) {  // parsing recurses
  constexpr int kMostLevels = 64;
  int level = 0;
  for (const char c : text) {
    if (c == '{' || c == '[') ++level;
    if (c == '}' || c == ']') --level;
    if (level > kMostLevels) return false;
  }
  return true;
}

}  // namespace

struct JsonConfig::Impl {
  Json object;
  std::string where;

  [[nodiscard]] const Json* find(std::string_view key) const {
    const auto it = object.find(key);
    return it == object.end() || it->is_null() ? nullptr : &*it;
  }
  [[noreturn]] void refuse(std::string_view key, std::string_view expected) const {
    const Json* value = find(key);
    std::string found =
        value == nullptr ? "nothing" : value->dump(-1, ' ', true, Json::error_handler_t::replace);
    if (found.size() > 60) found = found.substr(0, 60) + "...";
    throw FormatError(where, "expected {} under '{}', found {}; download the file again", expected,
                      key, found);
  }
};

JsonConfig::JsonConfig(const std::filesystem::path& path) {
  const std::string text = read_text_file(path, kMostBytes);
  Json json = is_shallow(text) ? Json::parse(text, nullptr, false) : Json();
  if (!json.is_object()) {
    throw FormatError(path.string(),
                      "expected a JSON object, found something else; the file is damaged, download "
                      "it again");
  }
  impl_ = std::make_unique<Impl>(Impl{std::move(json), path.string()});
}

JsonConfig::JsonConfig(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JsonConfig::JsonConfig(JsonConfig&&) noexcept = default;
JsonConfig::~JsonConfig() = default;

const std::string& JsonConfig::where() const noexcept { return impl_->where; }

bool JsonConfig::has(std::string_view key) const { return impl_->find(key) != nullptr; }

std::optional<std::int64_t> JsonConfig::integer(std::string_view key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr) return std::nullopt;
  const bool fits =
      value->is_number_integer() &&
      (!value->is_number_unsigned() || value->get<std::uint64_t>() <= std::uint64_t{1} << 62);
  if (!fits) impl_->refuse(key, "an integer");
  return value->get<std::int64_t>();
}

std::optional<double> JsonConfig::number(std::string_view key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) impl_->refuse(key, "a number");
  return value->get<double>();
}

std::optional<bool> JsonConfig::flag(std::string_view key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) impl_->refuse(key, "true or false");
  return value->get<bool>();
}

std::optional<std::string> JsonConfig::text(std::string_view key) const {
  const Json* value = impl_->find(key);
  if (value != nullptr && value->is_array() && !value->empty()) value = &value->front();
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) impl_->refuse(key, "a text");
  return value->get<std::string>();
}

std::int64_t JsonConfig::require(std::string_view key) const {
  if (const std::optional<std::int64_t> value = integer(key)) return *value;
  impl_->refuse(key, "an integer");
}

std::optional<JsonConfig> JsonConfig::section(std::string_view key) const {
  const Json* value = impl_->find(key);
  if (value == nullptr || !value->is_object()) return std::nullopt;
  return JsonConfig(std::make_unique<Impl>(Impl{*value, impl_->where}));
}

}  // namespace conopa::llm
