// The end of a run: final model folder, report, list of broken images.

#include <fmt/format.h>

#include "conopa/core/fields_json.h"
#include "conopa/core/log.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/model_folder.h"
#include "conopa/train/finish.h"
#include "train/run_loop.h"
#include "train/run_setup.h"

namespace conopa::train {
namespace {

void write_broken_files(const RunParts& parts, const RunFolder& folder) {
  std::string text;
  for (const data::OpenedDataset* opened : {&parts.train, &parts.eval}) {
    if (!opened->broken || opened->broken->count() == 0) continue;
    log_warning("{} broken images of the split '{}' were skipped; see broken_files.txt",
                opened->broken->count(), opened->split);
    for (const data::BrokenFile& file : opened->broken->list()) {
      text += fmt::format("{}\t{}\n", file.name, file.error);
    }
  }
  if (!text.empty()) write_file_atomically(folder.file("broken_files.txt"), text);
}

}  // namespace

RunLoop::Verdict RunLoop::finish() {
  const std::int64_t last_epoch = config_.train.epochs - 1;
  const bool best = config_.output.model == ModelChoice::kBest && state_.best_epoch >= 0 &&
                    state_.best_epoch != last_epoch;
  EvaluationPlan plan{.mask_rate = mask_rate(), .samples = config_.output.samples};
  if (best) {
    plan.mask_rate = checkpointer_.load_model(folder_.checkpoint("best"));
    plan.averaged = false;
    evaluation_.reset();
  }
  if (!evaluation_) {
    evaluation_ = evaluate(plan);
    if (!evaluation_->complete) return Verdict::kStop;
  }
  display_.finish();
  const data::Dataset& eval_data = *objects_.parts.eval.dataset;
  const nn::Parameters& parameters = task_.parameters();
  const FinishInput input{
      .folder = folder_.root(),
      .config = config_,
      .evaluation = *evaluation_,
      .eval_data = &eval_data,
      .class_names = eval_data.class_names(),
      .command = options_.command,
      .version = options_.version,
      .environment = environment_facts(options_, parameters.device().str(), objects_.threads),
      .parameters = parameters.table().parameter_count(),
      .train_images = objects_.parts.train.dataset->size(),
      .eval_images = eval_data.size(),
      .eval_split = objects_.parts.eval.split,
      .chosen_epoch = best ? state_.best_epoch : last_epoch};
  const std::vector<NamedTensor> tensors = checkpointer_.model_tensors(plan.averaged);
  write_model_folder(folder_.file("model"),
                     {.config_json = checkpointer_.config_json(plan.mask_rate),
                      .preprocessor_json = to_json(config_.eval_transform),
                      .readme = model_card(input),
                      .language_json = checkpointer_.language_json(),
                      .tensors = tensors,
                      .metadata = checkpointer_.model_metadata()},
                     {.overwrite = true});
  write_report(input);
  write_broken_files(objects_.parts, folder_);
  return Verdict::kGoOn;
}

}  // namespace conopa::train
