#include "conopa/core/config.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "conopa/core/error.h"
#include "core/toml_tree.h"
#include "core/tree_reader.h"
#include "core/value_tree.h"

namespace conopa {
namespace {

namespace fs = std::filesystem;
using detail::ValueNode;
using detail::ValueTable;

// `named` says which file asked for it, or is empty.
std::string read_text(const fs::path& path, const std::string& named) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    throw IoError(path.string(), "expected a recipe file, found a folder{}", named);
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw IoError(path.string(), "cannot open the recipe: {}{}", std::strerror(errno), named);
  }
  std::string text(Config::kMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) throw IoError(path.string(), "cannot read the recipe: {}", std::strerror(errno));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

void check_size(std::string_view text, std::string_view name) {
  if (text.size() > Config::kMaxBytes) {
    throw ConfigError(name, "a recipe may hold {} bytes at most", Config::kMaxBytes);
  }
}

ValueTable parse_named(std::string_view text, const std::string& name) {
  check_size(text, name);
  return detail::parse_toml(
      text, std::make_shared<const detail::ValueSource>(detail::ValueSource{name, std::nullopt}));
}

// Takes `base` out of a file's top table.
std::optional<fs::path> take_base(ValueTable& table, const fs::path& file) {
  const ValueNode* node = table.find("base");
  if (node == nullptr) return std::nullopt;
  const auto* text = std::get_if<std::string>(&node->value);
  if (text == nullptr || text->empty()) {
    throw ConfigError(to_string(node->where), "base: expected the path of a recipe, found {}",
                      describe_value(*node));
  }
  fs::path base = (file.parent_path() / *text).lexically_normal();
  table.erase("base");
  return base;
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t dot = path.find('.');
    parts.push_back(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return parts;
}

const ValueNode* find_path(const ValueTable& root, std::string_view path) {
  const ValueTable* table = &root;
  const ValueNode* node = nullptr;
  for (const std::string_view part : split(path)) {
    node = table == nullptr ? nullptr : table->find(part);
    if (node == nullptr) return nullptr;
    table = node->table();
  }
  return node;
}

}  // namespace

struct Config::Impl {
  ValueTable root;
  std::string name;
  std::vector<fs::path> files;

  // Reads `path` and the chain of its bases, and merges them, the last base first.
  void load_chain(const fs::path& path) {
    std::vector<ValueTable> tables;
    std::vector<fs::path> seen;
    std::string named_at;
    for (std::optional<fs::path> next = path; next;) {
      const fs::path current = *next;
      std::error_code error;
      fs::path canonical = fs::weakly_canonical(current, error);
      if (error) canonical = current;  // opening it gives the better message
      if (std::find(seen.begin(), seen.end(), canonical) != seen.end()) {
        throw ConfigError(named_at, "base: the recipes form a cycle through {}", current.string());
      }
      if (seen.size() > kMaxBases) {
        throw ConfigError(named_at, "base: a chain of more than {} bases", kMaxBases);
      }
      const std::string named =
          named_at.empty() ? "" : fmt::format("; it is the base named at {}", named_at);
      seen.push_back(canonical);
      files.push_back(current);
      tables.push_back(parse_named(read_text(current, named), current.string()));
      const ValueNode* base = tables.back().find("base");
      if (base != nullptr) named_at = to_string(base->where);
      next = take_base(tables.back(), current);
    }
    root = std::move(tables.back());
    for (std::size_t i = tables.size() - 1; i-- > 0;) merge(root, std::move(tables[i]));
  }
};

Config::Config(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Config::Config(Config&&) noexcept = default;
Config& Config::operator=(Config&&) noexcept = default;
Config::~Config() = default;

Config Config::load(const fs::path& path, std::span<const std::string> overrides) {
  auto impl = std::make_unique<Impl>();
  impl->name = path.string();
  impl->load_chain(path);
  for (const std::string& text : overrides) detail::apply_override(impl->root, text);
  return Config(std::move(impl));
}

Config Config::parse(std::string_view text, std::string_view name,
                     std::span<const std::string> overrides) {
  auto impl = std::make_unique<Impl>();
  impl->name = std::string(name);
  impl->root = parse_named(text, impl->name);
  if (const ValueNode* base = impl->root.find("base")) {
    throw ConfigError(to_string(base->where),
                      "base: this text is not a file, so it has no folder to find '{}' in; save it "
                      "as a file",
                      describe_value(*base));
  }
  for (const std::string& change : overrides) detail::apply_override(impl->root, change);
  return Config(std::move(impl));
}

void Config::visit(std::string_view name, const VisitCall& call) {
  ValueTable* table = &impl_->root;
  std::string prefix;
  for (const std::string_view part : split(name)) {
    table->known.emplace(part);
    ValueNode* node = table->find(part);
    if (node == nullptr) return;
    prefix += part;
    if (node->table() == nullptr) {
      throw ConfigError(to_string(node->where), "{}: expected a table, found {}", prefix,
                        describe_value(*node));
    }
    prefix += '.';
    table = node->table();
  }
  detail::TreeReader reader(*table, prefix, detail::NullRule::kRefuse);
  call(reader);
}

void Config::refuse_unknown() const { detail::refuse(detail::unknown_keys(impl_->root, "")); }

bool Config::has(std::string_view key) const { return find_path(impl_->root, key) != nullptr; }

std::optional<std::string> Config::peek_string(std::string_view key) const {
  const ValueNode* node = find_path(impl_->root, key);
  if (node == nullptr) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(&node->value)) return *text;
  if (node->where.source && node->where.source->raw) return node->where.source->raw;
  throw ConfigError(to_string(node->where), "{}: expected a string, found {}", key,
                    describe_value(*node));
}

std::vector<std::string> Config::keys(std::string_view name) const {
  if (name.empty()) return impl_->root.names();
  const ValueNode* node = find_path(impl_->root, name);
  const ValueTable* table = node == nullptr ? nullptr : node->table();
  return table == nullptr ? std::vector<std::string>{} : table->names();
}

std::string Config::where(std::string_view key) const {
  const ValueNode* node = find_path(impl_->root, key);
  return node == nullptr ? impl_->name : to_string(node->where);
}

const std::vector<fs::path>& Config::files() const noexcept { return impl_->files; }

}  // namespace conopa
