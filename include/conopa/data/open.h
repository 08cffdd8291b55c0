#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conopa/core/fields.h"
#include "conopa/data/broken_files.h"
#include "conopa/data/class_names.h"
#include "conopa/data/dataset.h"
#include "conopa/data/mixture.h"

namespace conopa::data {

/// How a dataset is stored. kAuto looks at the path.
enum class DataKind { kAuto, kIdx, kCifar10, kCifar100, kImageFolder, kList, kCaptions };

/// What a broken image does.
enum class OnError {
  kError,  ///< stops with a message that names the file
  kSkip    ///< is replaced by the next good one and listed; see SkipBroken
};

/// Which samples a limit keeps.
enum class LimitMode {
  kBalanced,  ///< a random subset with equally frequent classes; see pick_balanced
  kFirst      ///< the first ones
};

/// Training and evaluation use different samples.
enum class Split { kTrain, kEval };

/// The `[data]` table of a recipe.
struct DataOptions {
  DataKind kind = DataKind::kAuto;
  std::string path = {};
  /// Paths of several sources to train on, instead of `path`; each is opened as it would be alone,
  /// with its own kind, limit included. Classes count only if all sources have the same. Without
  /// eval_path the first source has the evaluation split.
  std::vector<std::string> mixture = {};
  std::vector<double> mixture_weights = {};  ///< one per source; empty = their sizes
  std::int64_t mixture_epoch = 0;            ///< images of an epoch; 0 = all sources together
  std::string eval_path = {};                ///< where the evaluation split lies if elsewhere
  std::string train_split = "train";
  /// `auto` takes the first that exists of val, valid, validation, test, eval (IDX, CIFAR: test).
  std::string eval_split = "auto";
  OnError on_error = OnError::kError;
  std::int64_t num_classes = 0;  ///< 0 = as the data has it
  std::vector<std::string> class_names = {};
  std::int64_t limit = 0;       ///< training samples to keep; 0 = all
  std::int64_t eval_limit = 0;  ///< evaluation samples to keep; 0 = all
  LimitMode limit_mode = LimitMode::kBalanced;
  std::int64_t limit_seed = 0;

  void visit(FieldVisitor& v);
  /// @throws ConfigError naming the field that is missing or out of range.
  void validate() const;
};

/// A dataset ready for a loader, with what its opening settled.
struct OpenedDataset {
  std::shared_ptr<const Dataset> dataset;
  /// Filled while samples are read if the policy is kSkip; never null.
  std::shared_ptr<const BrokenFiles> broken;
  DataKind kind = DataKind::kAuto;  ///< of a mixture, that of its first source
  std::string split;                ///< the name found for it
  MixturePlan mixture = {};         ///< for the sampler; empty unless the data is a mixture
};

/// Opens one split of the dataset that a recipe describes: format, classes, limit, broken images.
/// @throws ConfigError, IoError, FormatError as the format's own function.
[[nodiscard]] OpenedDataset open_dataset(const DataOptions& options, Split split);

/// What kind of dataset lies at a path.
/// @throws IoError if nothing is there, FormatError if it looks like none.
[[nodiscard]] DataKind detect_kind(const std::string& path);

}  // namespace conopa::data

template <>
struct conopa::EnumNames<conopa::data::DataKind> {
  static constexpr std::array<std::string_view, 7> kNames = {
      "auto", "idx", "cifar10", "cifar100", "image_folder", "list", "captions"};
};
template <>
struct conopa::EnumNames<conopa::data::OnError> {
  static constexpr std::array<std::string_view, 2> kNames = {"error", "skip"};
};
template <>
struct conopa::EnumNames<conopa::data::LimitMode> {
  static constexpr std::array<std::string_view, 2> kNames = {"balanced", "first"};
};
