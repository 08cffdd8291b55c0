// conopa data: what a dataset holds, and which of its files are broken.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "command.h"
#include "conopa/core/config.h"
#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/core/log.h"
#include "conopa/core/nearest.h"
#include "conopa/core/parallel.h"
#include "conopa/data/list.h"
#include "conopa/data/open.h"
#include "conopa/data/scan.h"
#include "data_captions.h"
#include "data_export.h"

namespace conopa::app {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string path;
  std::string recipe;
  std::vector<std::string> set;
  std::string kind = "auto";
  std::vector<std::string> splits;
  std::int64_t workers = -1;
  std::string export_folder;
  std::int64_t export_count = 16;
};

/// One split, opened.
struct Part {
  data::OpenedDataset opened;
  std::string path;
  std::vector<std::string> sources;  ///< paths of a mixture
};

/// The `[data]` table of a recipe; its other tables are not looked at.
data::DataOptions read_recipe(const Options& options) {
  Config config = Config::load(options.recipe, options.set);
  data::DataOptions out;
  config.read_section("data", out);
  std::vector<std::string> known;
  const Json fields = Json::parse(to_json(out));
  for (const auto& [name, value] : fields.items()) known.push_back(name);
  for (const std::string& key : config.keys("data")) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw ConfigError(config.where("data." + key), "unknown key 'data.{}'{}", key,
                      did_you_mean(key, known));
  }
  return out;
}

// The splits that a dataset has on disk.
std::vector<std::string> find_splits(data::DataKind kind, const std::filesystem::path& path) {
  if (kind == data::DataKind::kList || kind == data::DataKind::kCaptions) {
    std::vector<std::string> names =
        data::list_splits(path, kind == data::DataKind::kCaptions ? data::ListContent::kCaptions
                                                                  : data::ListContent::kLabels);
    return names.empty() ? std::vector<std::string>{"all"} : names;
  }
  if (kind != data::DataKind::kImageFolder) return {"train", "test"};
  std::vector<std::string> names;
  constexpr std::array<std::string_view, 6> kUsual = {"train",      "val",  "valid",
                                                      "validation", "test", "eval"};
  for (const std::string_view name : kUsual) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path / name, ignored)) names.emplace_back(name);
  }
  return names.empty() ? std::vector<std::string>{"all"} : names;
}

std::vector<Part> open_recipe(const Options& options) {
  data::DataOptions data = read_recipe(options);
  data.on_error = data::OnError::kError;  // `skip` would hide what is broken
  std::vector<Part> parts;
  parts.push_back(
      {data::open_dataset(data, data::Split::kTrain),
       data.mixture.empty() ? data.path : fmt::format("{}", fmt::join(data.mixture, " + ")),
       data.mixture});
  const std::string& own = data.mixture.empty() ? data.path : data.mixture.front();
  parts.push_back({data::open_dataset(data, data::Split::kEval),
                   data.eval_path.empty() ? own : data.eval_path,
                   {}});
  return parts;
}

std::vector<Part> open_path(const Options& options) {
  data::DataOptions data{.path = options.path};
  data.kind = *enum_from_name<data::DataKind>(options.kind);
  if (data.kind == data::DataKind::kAuto) data.kind = data::detect_kind(data.path);
  std::vector<Part> parts;
  for (const std::string& split :
       options.splits.empty() ? find_splits(data.kind, data.path) : options.splits) {
    data.train_split = split;
    parts.push_back({data::open_dataset(data, data::Split::kTrain), data.path, {}});
  }
  return parts;
}

data::DatasetSummary scan(const Context& context, const Options& options, const Part& part) {
  data::ScanOptions scan;
  scan.workers = static_cast<int>(options.workers < 0 ? num_threads() : options.workers);
  std::optional<Progress> progress;
  if (std::ostream* stream = progress_stream(context); stream != nullptr) {
    ProgressOptions shown = detect_progress(STDERR_FILENO);
    shown.label = part.opened.split;
    shown.unit = "images";
    progress.emplace(*stream, part.opened.dataset->size(), std::move(shown));
    scan.progress = [&progress](std::int64_t done, std::int64_t) { progress->update(done); };
  }
  data::DatasetSummary summary = data::scan_dataset(*part.opened.dataset, scan);
  if (progress) progress->clear();
  return summary;
}

std::string_view kind_name(const Part& part) {
  return part.sources.empty() ? enum_name(part.opened.kind) : "mixture";
}

Json side_json(const data::SizeStats& side) {
  return {{"min", side.min}, {"median", side.median}, {"max", side.max}, {"mean", side.mean}};
}

Json to_json(const Part& part, const data::DatasetSummary& summary) {
  Json classes = Json::array();
  const std::vector<std::string>& names = part.opened.dataset->class_names();
  for (std::size_t k = 0; k < names.size(); ++k) {
    const std::int64_t count = k < summary.class_counts.size() ? summary.class_counts[k] : 0;
    classes.push_back({{"name", names[k]}, {"images", count}});
  }
  Json channels = Json::object();
  for (const auto& [number, count] : summary.channel_counts) {
    channels[std::to_string(number)] = count;
  }
  Json broken = Json::array();
  for (const data::BrokenFile& file : summary.broken) {
    broken.push_back({{"file", file.name}, {"error", file.error}});
  }
  Json out{{"split", part.opened.split},
           {"path", part.path},
           {"kind", kind_name(part)},
           {"images", summary.size},
           {"good", summary.good},
           {"classes", std::move(classes)},
           {"width", side_json(summary.width)},
           {"height", side_json(summary.height)},
           {"channels", std::move(channels)},
           {"mean", summary.mean},
           {"std", summary.std},
           {"broken", std::move(broken)}};
  add_captions(out, *part.opened.dataset);
  add_mixture(out, part.opened.mixture, part.sources);
  return out;
}

std::string side_text(const data::SizeStats& side) {
  if (side.min == side.max) return fmt::format("{}", side.min);
  return fmt::format("{} to {}, median {}", side.min, side.max, side.median);
}

void print_classes(const Part& part, const data::DatasetSummary& summary) {
  constexpr std::size_t kShown = 20;
  const std::vector<std::string>& names = part.opened.dataset->class_names();
  const auto& counts = summary.class_counts;
  if (names.size() > kShown && !counts.empty()) {
    const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    fmt::print("  classes   {}, with {} to {} images (--json lists them)\n", names.size(), *least,
               *most);
    return;
  }
  fmt::print("  classes   {}\n", names.size());
  for (std::size_t k = 0; k < names.size(); ++k) {
    fmt::print("    {:>7}  {}\n", k < counts.size() ? counts[k] : 0, names[k]);
  }
}

void print(const Part& part, const data::DatasetSummary& summary) {
  fmt::print("{} ({}), split {}\n", part.path, kind_name(part), part.opened.split);
  fmt::print("  images    {}, {} broken\n", summary.size, summary.broken.size());
  if (part.opened.dataset->num_classes() > 0) print_classes(part, summary);
  print_captions(*part.opened.dataset);
  print_mixture(part.opened.mixture, part.sources);
  if (summary.good > 0) {
    std::vector<std::string> channels;
    for (const auto& [number, count] : summary.channel_counts) {
      channels.push_back(fmt::format("{} ({} images)", number, count));
    }
    fmt::print("  width     {}\n  height    {}\n", side_text(summary.width),
               side_text(summary.height));
    fmt::print("  channels  {}\n", fmt::join(channels, ", "));
    fmt::print("  mean      {:.4f}\n  std       {:.4f}\n", fmt::join(summary.mean, " "),
               fmt::join(summary.std, " "));
  }
  for (const data::BrokenFile& file : summary.broken) fmt::print("  broken    {}\n", file.error);
}

int run(const Context& context, const Options& options) {
  if (options.path.empty() == options.recipe.empty()) {
    throw UsageError("data", "expected the path of a dataset or --config RECIPE, got {}",
                     options.path.empty() ? "neither" : "both");
  }
  const std::vector<Part> parts =
      options.recipe.empty() ? open_path(options) : open_recipe(options);
  std::size_t broken = 0;
  Json out{{"splits", Json::array()}};
  for (const Part& part : parts) {
    const data::DatasetSummary summary = scan(context, options, part);
    broken += summary.broken.size();
    if (context.json) {
      out["splits"].push_back(to_json(part, summary));
    } else {
      print(part, summary);
    }
  }
  if (!options.export_folder.empty()) {
    const std::int64_t written =
        export_images(*parts.back().opened.dataset, options.export_count, options.export_folder);
    log_info("{} images written to {}", written, options.export_folder);
  }
  if (context.json) fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
  return broken > 0 ? static_cast<int>(ExitCode::kBadData) : 0;
}

}  // namespace

void add_data(CLI::App& root, Context& context) {
  CLI::App* command =
      add_command(root, "data", "summarise a dataset and find broken files (exit code 3)",
                  "conopa data imagenet/ --split val\n"
                  "  conopa data --config recipes/illama/fmnist.toml --json");
  auto options = std::make_shared<Options>();
  command->add_option("path", options->path,
                      "folder of classes, IDX or CIFAR files, or a .csv, .tsv or .jsonl list");
  command->add_option("-c,--config", options->recipe,
                      "recipe whose [data] table names the dataset");
  command->add_option("-s,--set", options->set, "override a recipe value, a.b=c (repeatable)")
      ->allow_extra_args(false);
  command
      ->add_option("--kind", options->kind,
                   "auto, idx, cifar10, cifar100, image_folder, list or captions")
      ->check(
          CLI::IsMember({"auto", "idx", "cifar10", "cifar100", "image_folder", "list", "captions"}))
      ->capture_default_str();
  command
      ->add_option("--split", options->splits,
                   "split to read (repeatable); all there are if not given")
      ->allow_extra_args(false);
  command->add_option("--workers", options->workers, "decoding threads; -1 = one per core")
      ->check(CLI::Range(std::int64_t{-1}, std::int64_t{1024}))
      ->capture_default_str();
  command->add_option("--export", options->export_folder,
                      "write some images of the last split as PNG files into this folder");
  command->add_option("--export-count", options->export_count, "how many to write")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}))
      ->capture_default_str();
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app
