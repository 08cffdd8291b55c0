#include "quantize_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/data/loader.h"

namespace conopa::app {

std::span<const float> ImageSet::part(std::int64_t first, std::int64_t length) const {
  return std::span<const float>(images).subspan(static_cast<std::size_t>(first * image_size()),
                                                static_cast<std::size_t>(length * image_size()));
}

std::string dataset_name(const std::string& path) {
  const std::filesystem::path plain = std::filesystem::path(path).lexically_normal();
  return (plain.has_filename() ? plain : plain.parent_path()).filename().string();
}

std::string describe_images(const data::OpenedDataset& opened, const std::string& path) {
  return fmt::format("{} images of {} ({})", opened.dataset->size(), dataset_name(path),
                     opened.split);
}

data::OpenedDataset open_images(const StoredModel& model, const std::string& path,
                                const std::string& split, std::int64_t limit) {
  data::DataOptions options;
  options.path = path;
  options.eval_split = split;
  options.eval_limit = limit;
  options.class_names = model.class_names;
  data::OpenedDataset opened = data::open_dataset(options, data::Split::kEval);
  const auto classes = std::ssize(opened.dataset->class_names());
  if (model.spec.num_classes > 0 && classes > model.spec.num_classes) {
    throw FormatError(path,
                      "the dataset has {} classes, the model {}; it was trained on other data",
                      classes, model.spec.num_classes);
  }
  return opened;
}

ImageSet load_images(const StoredModel& model, const data::OpenedDataset& opened,
                     const std::string& path) {
  const data::Dataset& dataset = *opened.dataset;
  ImageSet out{
      .what = describe_images(opened, path), .dataset = dataset_name(path), .split = opened.split};
  data::Loader loader(opened.dataset, image::make_eval_transform(model.transform),
                      data::Sampler({.order = data::SampleOrder::kSequential}, dataset.size()),
                      {.batch = std::min<std::int64_t>(dataset.size(), 32), .prefetch = 1});
  loader.begin_epoch(0);
  while (const std::optional<data::Batch> batch = loader.next()) {
    const std::span<const float> images = batch->images.data<float>();
    const std::span<const std::int64_t> labels = batch->labels.data<std::int64_t>();
    out.images.insert(out.images.end(), images.begin(), images.end());
    out.labels.insert(out.labels.end(), labels.begin(), labels.end());
    out.count += batch->size();
  }
  return out;
}

ImageSet random_images(const StoredModel& model, std::int64_t count) {
  const arch::EncoderSpec& spec = model.spec;
  ImageSet out{.what = fmt::format("{} images of random noise", count), .count = count};
  Rng rng(0, RngPurpose::kSample);
  out.images.resize(static_cast<std::size_t>(count * spec.channels * spec.height * spec.width));
  for (float& value : out.images) value = static_cast<float>(rng.normal());
  return out;
}

}  // namespace conopa::app
