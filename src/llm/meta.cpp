// Meta's form: params.json beside consolidated.00.pth, consolidated.01.pth, ...

#include <algorithm>
#include <cmath>
#include <system_error>

#include "conopa/core/error.h"
#include "conopa/io/checkpoint.h"
#include "llm/feed_forward_width.h"
#include "llm/json_config.h"
#include "llm/opened.h"

namespace conopa::llm {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStem = "consolidated.";
constexpr std::string_view kExtension = ".pth";

std::string shard_name(std::size_t index) { return fmt::format("{}{:02}.pth", kStem, index); }

/// Shards are numbered without gaps; whether the last ones are there, only shapes can tell.
void check_numbers(const fs::path& folder, const std::vector<fs::path>& shards) {
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if (shards[i].filename().string() == shard_name(i)) continue;
    throw IoError(folder.string(),
                  "expected shards numbered from 00 without gaps, found {} files but no {}; "
                  "download it",
                  shards.size(), shard_name(i));
  }
}

/// Elements that dimension `axis` of a tensor has in all parts together; 0 if one lacks it.
std::int64_t joined_size(const Opened& opened, const std::string& name, std::size_t axis) {
  std::int64_t sum = 0;
  for (const auto& part : opened.parts) {
    if (!part->contains(name) || part->info(name).shape.size() <= axis) return 0;
    sum += part->info(name).shape[axis];
  }
  return sum;
}

/// Rows of the first gate matrix that is there; 0 if none is.
std::int64_t stored_hidden(const Opened& opened) {
  for (std::int64_t i = 0; i < opened.config.layers; ++i) {
    const std::string name = opened.layer_prefix(i) + "feed_forward.w1.weight";
    if (opened.parts.front()->contains(name)) return joined_size(opened, name, 0);
  }
  return 0;
}

std::int64_t hidden_size(const Opened& opened, const JsonConfig& params) {
  const std::int64_t stored = stored_hidden(opened);
  std::optional<std::int64_t> stated = params.integer("hidden_dim");  // Mistral's files
  if (!stated && params.has("multiple_of")) {
    stated = feed_forward_width(opened.config.dim, params.require("multiple_of"),
                                params.number("ffn_dim_multiplier"), params.where());
  }
  if (!stated || stored == 0) return stated.value_or(stored);
  if (*stated == stored) return stored;
  throw FormatError(params.where(),
                    "expected a feed-forward width of {} by params.json, found {} rows in {} "
                    "file(s); a shard is missing or params.json belongs to another model",
                    *stated, stored, opened.parts.size());
}

void check_head_dim(const JsonConfig& params, const LmConfig& config) {
  const std::int64_t width = params.integer("head_dim").value_or(config.head_dim());
  if (width == config.head_dim()) return;
  throw UnsupportedError(params.where(),
                         "expected heads of width dim/n_heads = {}, found {}; such blocks cannot "
                         "be read",
                         config.head_dim(), width);
}

LmConfig read_params(const JsonConfig& params) {
  LmConfig out;
  out.dim = params.require("dim");
  out.layers = params.require("n_layers");
  out.heads = params.require("n_heads");
  out.kv_heads = params.integer("n_kv_heads").value_or(out.heads);
  out.norm_eps = params.number("norm_eps").value_or(1e-5);
  out.rope_theta = params.number("rope_theta").value_or(10000.0);
  // LLaMA-1 writes -1: the tokenizer knows.
  out.vocabulary = std::max<std::int64_t>(params.integer("vocab_size").value_or(0), 0);
  out.hidden = 1;  // found out later
  out.validate(params.where());
  return out;
}

std::vector<fs::path> files_of(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored) && !is_meta_shard(path)) return {path};
  const fs::path folder = fs::is_directory(path, ignored) ? path : path.parent_path();
  std::vector<fs::path> shards = meta_shards(folder.empty() ? fs::path(".") : folder);
  if (shards.empty()) {
    throw IoError(path.string(), "expected {} in the folder, found none; copy it there",
                  shard_name(0));
  }
  check_numbers(folder, shards);
  return shards;
}

}  // namespace

bool is_meta_shard(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kStem) || !name.ends_with(kExtension)) return false;
  const std::string_view digits =
      std::string_view(name).substr(kStem.size(), name.size() - kStem.size() - kExtension.size());
  return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
}

std::vector<fs::path> meta_shards(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> out;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (is_meta_shard(it->path())) out.push_back(it->path());
  }
  if (error) throw IoError(folder.string(), "cannot read the folder: {}", error.message());
  std::ranges::sort(out);
  return out;
}

Opened open_meta(const fs::path& path) {
  const std::vector<fs::path> files = files_of(path);
  const fs::path params_path = files.front().parent_path() / "params.json";
  const JsonConfig params(params_path);
  Opened out;
  out.where = path.string();
  out.naming = &meta_naming();
  out.config = read_params(params);
  check_head_dim(params, out.config);
  for (const fs::path& file : files) out.parts.push_back(open_checkpoint(file));
  out.base = find_base(*out.naming, *out.parts.front());
  out.config.hidden = hidden_size(out, params);
  if (out.config.vocabulary == 0)
    out.config.vocabulary = joined_size(out, std::string(out.naming->output), 0);
  out.config.validate(out.where);
  return out;
}

}  // namespace conopa::llm
