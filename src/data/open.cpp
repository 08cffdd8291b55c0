#include "conopa/data/open.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/data/cifar.h"
#include "conopa/data/idx.h"
#include "conopa/data/image_folder.h"
#include "conopa/data/list.h"
#include "conopa/data/mixture.h"
#include "conopa/data/subset.h"
#include "data/io_errors.h"

namespace conopa::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> kEvalSplits = {"val", "valid", "validation", "test",
                                                         "eval"};

bool is_list(DataKind kind) { return kind == DataKind::kList || kind == DataKind::kCaptions; }

ListContent content_of(DataKind kind) {
  return kind == DataKind::kCaptions ? ListContent::kCaptions : ListContent::kLabels;
}

DataKind kind_of_list(const fs::path& path) {
  return is_caption_list(path) ? DataKind::kCaptions : DataKind::kList;
}

// Whether a folder holds IDX or list files, told by their names; of lists the first name counts.
DataKind kind_of_files(const fs::path& folder) {
  fs::path list;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.find("-images") != std::string::npos && name.find("idx") != std::string::npos) {
      return DataKind::kIdx;
    }
    if (list_format_of(entry.path()) && (list.empty() || entry.path() < list)) list = entry.path();
  }
  return list.empty() ? DataKind::kAuto : kind_of_list(list);
}

std::string eval_split_name(DataKind kind, const fs::path& path) {
  if (kind != DataKind::kImageFolder && !is_list(kind)) return "test";
  const std::vector<std::string> listed =
      is_list(kind) ? list_splits(path, content_of(kind)) : std::vector<std::string>();
  for (const std::string_view name : kEvalSplits) {
    const bool present = is_list(kind) ? std::binary_search(listed.begin(), listed.end(), name)
                                       : fs::is_directory(path / name);
    if (present) return std::string(name);
  }
  return "val";  // opening it tells what exists instead
}

std::string settle_split(const DataOptions& options, Split split, DataKind kind,
                         const fs::path& path) {
  if (split == Split::kTrain) return options.train_split;
  if (options.eval_split != "auto") return options.eval_split;
  // A list of its own for evaluation needs no split column.
  const bool own_list = is_list(kind) && !options.eval_path.empty() && fs::is_regular_file(path) &&
                        list_splits(path, content_of(kind)).empty();
  return own_list ? "all" : eval_split_name(kind, path);
}

std::unique_ptr<Dataset> open_kind(DataKind kind, const fs::path& path, const std::string& split,
                                   const ClassOptions& classes) {
  switch (kind) {
    case DataKind::kIdx:
      return open_idx(path, split, classes);
    case DataKind::kCifar10:
      return open_cifar(path, CifarKind::kCifar10, split, classes);
    case DataKind::kCifar100:
      return open_cifar(path, CifarKind::kCifar100, split, classes);
    case DataKind::kImageFolder:
      return open_image_folder(path, split, classes);
    case DataKind::kList:
      return open_list(path, split, classes);
    case DataKind::kCaptions:
      if (classes.num_classes > 0 || !classes.names.empty()) {
        throw ConfigError("data", "captions have no classes; remove num_classes and class_names");
      }
      return open_captions(path, split);
    case DataKind::kAuto:
      break;
  }
  CONOPA_ASSERT(false && "the kind has been detected");
  return nullptr;
}

ClassOptions class_options(const DataOptions& options) {
  return {.num_classes = options.num_classes, .names = options.class_names};
}

// Evaluation data that lies elsewhere must count its classes as training does.
std::unique_ptr<Dataset> open_elsewhere(const DataOptions& options, DataKind kind,
                                        const std::string& split) {
  if (kind == DataKind::kCaptions) {
    return open_kind(kind, options.eval_path, split, class_options(options));
  }
  const DataKind train_kind =
      options.kind == DataKind::kAuto ? detect_kind(options.path) : options.kind;
  const std::unique_ptr<Dataset> train =
      open_kind(train_kind, options.path, options.train_split, class_options(options));
  if (kind != DataKind::kImageFolder) {
    return open_kind(kind, options.eval_path, split, {.names = train->class_names()});
  }
  // Folder names are what ties an image folder to its classes: they must be the same.
  std::unique_ptr<Dataset> eval = open_kind(kind, options.eval_path, split, class_options(options));
  const auto& ours = eval->class_names();
  const auto& theirs = train->class_names();
  if (ours != theirs) {
    const auto [a, b] = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
    throw FormatError(options.eval_path,
                      "expected the classes of {}, found {} instead of {} at class {}; give both "
                      "the same class folders",
                      options.path, a == ours.end() ? "none" : *a, b == theirs.end() ? "none" : *b,
                      a - ours.begin());
  }
  return eval;
}

std::shared_ptr<const Dataset> limited(std::shared_ptr<const Dataset> dataset, std::int64_t limit,
                                       const DataOptions& options) {
  if (limit == 0 || limit >= dataset->size()) return dataset;
  std::vector<std::int64_t> kept;
  if (options.limit_mode == LimitMode::kFirst) {
    kept.resize(static_cast<std::size_t>(limit));
    std::iota(kept.begin(), kept.end(), std::int64_t{0});
  } else {
    kept = pick_balanced(all_labels(*dataset), limit, options.limit_seed);
  }
  return std::make_shared<Subset>(std::move(dataset), std::move(kept));
}

void validate_mixture(const DataOptions& options) {
  const std::size_t sources = options.mixture.size();
  if (!options.path.empty()) {
    throw ConfigError("data", "path and mixture exclude each other; add the path to the mixture");
  }
  for (const std::string& source : options.mixture) {
    if (source.empty()) throw ConfigError("data", "a path of the mixture is empty");
  }
  const MixturePlan plan{.sizes = std::vector<std::int64_t>(sources, 1),
                         .weights = options.mixture_weights.empty()
                                        ? std::vector<double>(sources, 1.0)
                                        : options.mixture_weights,
                         .epoch = options.mixture_epoch};
  plan.validate();
}

// One source of a mixture as a dataset of its own.
DataOptions source_options(const DataOptions& options, const std::string& path) {
  DataOptions one = options;
  one.path = path;
  one.mixture.clear();
  one.mixture_weights.clear();
  one.mixture_epoch = 0;
  return one;
}

OpenedDataset open_one(const DataOptions& options, Split split,
                       const std::shared_ptr<BrokenFiles>& broken);

OpenedDataset open_mixture(const DataOptions& options, const std::shared_ptr<BrokenFiles>& broken) {
  OpenedDataset out;
  out.broken = broken;
  std::vector<std::shared_ptr<const Dataset>> sources;
  for (const std::string& path : options.mixture) {
    OpenedDataset source = open_one(source_options(options, path), Split::kTrain, broken);
    if (sources.empty()) {
      out.kind = source.kind;
      out.split = source.split;
    }
    out.mixture.sizes.push_back(source.dataset->size());
    out.mixture.weights.push_back(options.mixture_weights.empty()
                                      ? static_cast<double>(source.dataset->size())
                                      : options.mixture_weights[sources.size()]);
    sources.push_back(std::move(source.dataset));
  }
  out.mixture.epoch = options.mixture_epoch;
  out.dataset = std::make_shared<MixtureDataset>(std::move(sources));
  return out;
}

}  // namespace

void DataOptions::visit(FieldVisitor& v) {
  enum_field(v, "kind", kind, "storage format; auto looks at the path");
  v.field("path", path, "folder or list file of the dataset");
  v.field("mixture", mixture, "paths of several sources to train on, instead of path");
  v.field("mixture_weights", mixture_weights, "share of each source; empty = by size");
  v.field("mixture_epoch", mixture_epoch, "images of an epoch of the mixture; 0 = all of it");
  v.field("eval_path", eval_path, "where the evaluation split lies if elsewhere");
  v.field("train_split", train_split, "name of the training split");
  v.field("eval_split", eval_split, "name of the evaluation split; auto = val, test, ...");
  enum_field(v, "on_error", on_error, "broken images: stop with an error, or skip and list them");
  v.field("num_classes", num_classes, "0 = as the data has it");
  v.field("class_names", class_names, "names in class order; empty = as the data has them");
  v.field("limit", limit, "training samples to keep, of each source of a mixture; 0 = all");
  v.field("eval_limit", eval_limit, "evaluation samples to keep; 0 = all");
  enum_field(v, "limit_mode", limit_mode, "which samples a limit keeps");
  v.field("limit_seed", limit_seed, "seed of the balanced choice");
}

void DataOptions::validate() const {
  if (mixture.empty()) {
    if (path.empty()) throw ConfigError("data", "path is missing; set data.path to the dataset");
    if (!mixture_weights.empty() || mixture_epoch != 0) {
      throw ConfigError("data", "mixture_weights and mixture_epoch need a mixture; list its paths");
    }
  } else {
    validate_mixture(*this);
  }
  if (train_split.empty() || eval_split.empty()) {
    throw ConfigError("data", "splits must have a name; 'all' takes everything");
  }
  if (num_classes < 0 || num_classes > kMaxClasses) {
    throw ConfigError("data", "num_classes must be 0 to {}, got {}", kMaxClasses, num_classes);
  }
  if (limit < 0 || eval_limit < 0) {
    throw ConfigError("data", "limits must not be negative, got {}; 0 = all",
                      std::min(limit, eval_limit));
  }
}

DataKind detect_kind(const std::string& text) {
  const fs::path path(text);
  if (!fs::exists(path)) {
    throw IoError(text, "expected a dataset, found nothing; check data.path");
  }
  if (!fs::is_directory(path)) {
    if (list_format_of(path)) return kind_of_list(path);
    throw FormatError(text,
                      "expected a folder or a .csv, .tsv or .jsonl list, found another file; "
                      "set data.kind");
  }
  if (fs::exists(path / "data_batch_1.bin") || fs::exists(path / "cifar-10-batches-bin")) {
    return DataKind::kCifar10;
  }
  const bool cifar100 = fs::exists(path / "train.bin") && fs::exists(path / "test.bin");
  if (cifar100 || fs::exists(path / "cifar-100-binary")) return DataKind::kCifar100;
  for (const std::string_view split : kEvalSplits) {
    if (fs::is_directory(path / split)) return DataKind::kImageFolder;
  }
  if (fs::is_directory(path / "train")) return DataKind::kImageFolder;
  const DataKind kind = kind_of_files(path);
  return kind == DataKind::kAuto ? DataKind::kImageFolder : kind;
}

namespace {

OpenedDataset open_one(const DataOptions& options, Split split,
                       const std::shared_ptr<BrokenFiles>& broken) {
  const bool elsewhere = split == Split::kEval && !options.eval_path.empty();
  const std::string& path = elsewhere ? options.eval_path : options.path;
  OpenedDataset out;
  std::shared_ptr<const Dataset> dataset = with_io_errors(path, [&] {
    out.kind = options.kind == DataKind::kAuto ? detect_kind(path) : options.kind;
    out.split = settle_split(options, split, out.kind, path);
    return elsewhere ? open_elsewhere(options, out.kind, out.split)
                     : open_kind(out.kind, path, out.split, class_options(options));
  });
  dataset = limited(std::move(dataset), split == Split::kTrain ? options.limit : options.eval_limit,
                    options);
  if (options.on_error == OnError::kSkip) {
    dataset = std::make_shared<SkipBroken>(std::move(dataset), broken);
  }
  out.dataset = std::move(dataset);
  out.broken = broken;
  return out;
}

}  // namespace

OpenedDataset open_dataset(const DataOptions& options, Split split) {
  options.validate();
  const auto broken = std::make_shared<BrokenFiles>();
  if (options.mixture.empty()) return open_one(options, split, broken);
  if (split == Split::kTrain) return open_mixture(options, broken);
  return open_one(source_options(options, options.mixture.front()), split, broken);
}

}  // namespace conopa::data
