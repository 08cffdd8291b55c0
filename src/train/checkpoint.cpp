#include "conopa/train/checkpoint.h"

#include <system_error>

#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/mapped_file.h"
#include "conopa/io/safetensors.h"
#include "conopa/llm/frozen.h"
#include "train/files.h"

namespace conopa::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kPreprocessor = "preprocessor_config.json";
constexpr std::string_view kModel = "model.safetensors";
constexpr std::string_view kResume = "training.safetensors";
constexpr std::string_view kRun = "run.json";
constexpr std::string_view kState = "state.json";
constexpr std::int64_t kFormat = 1;

}  // namespace

void TrainState::visit(FieldVisitor& v) {
  v.field("format", format, "of this file");
  v.field("step", step, "optimiser steps done");
  v.field("epoch", epoch, "epochs closed");
  v.field("step_in_epoch", step_in_epoch, "steps of the epoch under way");
  v.field("updates", updates, "of the optimiser");
  v.field("average_updates", average_updates, "of the average of weights");
  v.field("best", best, "best primary metric");
  v.field("best_epoch", best_epoch, "its epoch");
  v.field("events", events, "lines of metrics.jsonl");
  v.field("interval_loss", interval_loss, "sum since the last line");
  v.field("interval_steps", interval_steps, "steps since the last line");
  v.field("epoch_loss", epoch_loss, "sum since the epoch's start");
  v.field("epoch_steps", epoch_steps, "steps with a finite loss since the epoch's start");
  v.field("nonfinite", nonfinite, "steps skipped");
  v.field("nonfinite_in_row", nonfinite_in_row, "steps skipped without a good one between");
  v.field("threads", threads, "compute threads");
}

void save_checkpoint(const fs::path& path, const CheckpointContent& content,
                     const AtomicFolderOptions& options) {
  AtomicFolder folder(path, options);
  const auto write = [&folder](std::string_view name, const std::string& text) {
    write_file_atomically(folder.staging() / name, text);
    folder.note(name);
  };
  write_safetensors(folder.staging() / kModel, content.model, content.model_metadata);
  folder.note(kModel);
  write_safetensors(folder.staging() / kResume, content.resume);
  folder.note(kResume);
  write(kConfig, content.config_json);
  write(kPreprocessor, content.preprocessor_json);
  if (!content.language_json.empty()) write(llm::kRecordFile, content.language_json);
  write(kRun, content.run_json);
  write(kState, to_json(content.state));
  folder.commit();
}

void copy_checkpoint(const fs::path& from, const fs::path& to, const AtomicFolderOptions& options) {
  AtomicFolder folder(to, options);
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(from, error)) {
    const fs::path target = folder.staging() / entry.path().filename();
    std::error_code unlinked;
    fs::create_hard_link(entry.path(), target, unlinked);
    if (unlinked) write_file_atomically(target, MappedFile::open(entry.path())->bytes());
    folder.note("file copied");
  }
  check_io(from, error, "list the checkpoint");
  folder.commit();
}

Checkpoint open_train_checkpoint(const fs::path& path) {
  Checkpoint out;
  const fs::path state = path / kState;
  try {
    from_json(read_text_file(state), state.string(), out.state);
  } catch (const ConfigError& error) {
    throw FormatError(path.string(), "the training state is damaged or of another version: {}",
                      error.what());
  }
  if (out.state.format != kFormat) {
    throw FormatError(path.string(), "the training state has format {}, this version reads {}",
                      out.state.format, kFormat);
  }
  out.config_json = read_text_file(path / kConfig);
  out.run_json = read_text_file(path / kRun);
  out.model = SafetensorsFile::open(path / kModel);
  out.resume = SafetensorsFile::open(path / kResume);
  return out;
}

}  // namespace conopa::train
