// conopa codebook: clusters patches of a dataset into the codes of discrete targets.

#include "conopa/codebook/codebook.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "codebook_patches.h"
#include "command.h"
#include "conopa/codebook/kmeans.h"
#include "conopa/core/error.h"
#include "conopa/core/nearest.h"
#include "conopa/data/open.h"
#include "conopa/image/codec.h"
#include "conopa/image/denormalize.h"
#include "conopa/image/resize.h"
#include "conopa/io/atomic_file.h"
#include "conopa/report/plot.h"
#include "model_resize.h"
#include "network.h"
#include "settings.h"

namespace conopa::app {
namespace {

struct Options {
  std::string data;
  std::string kind = "auto";
  std::string split = "train";
  std::int64_t limit = 0;
  std::string size = "224";
  std::int64_t channels = 3;
  std::vector<std::string> preprocess;
  PatchSampling sampling;
  codebook::KMeansOptions clustering;
  bool raw = false;
  std::string out;
  bool force = false;
  EngineOptions engine;
};

image::EvalTransformOptions transform_of(const Options& options) {
  const InputSize size = parse_input_size(options.size, "--size");
  image::EvalTransformOptions transform;
  transform.height = size.height;
  transform.width = size.width;
  transform.channels = options.channels;
  if (options.channels == 1) {  // the ImageNet colours say nothing about gray images
    transform.mean = {0.5};
    transform.std = {0.5};
  }
  apply_settings(transform, options.preprocess, "--preprocess");
  transform.validate();
  return transform;
}

std::filesystem::path picture_path(const Options& options) {
  return std::filesystem::path(options.out).replace_extension(".png");
}

void check_output(const Options& options) {
  const std::filesystem::path out = options.out;
  if (out.extension() != ".safetensors") {
    throw UsageError("--out", "expected a file that ends in .safetensors, got '{}'", options.out);
  }
  if (options.force) return;
  for (const std::filesystem::path& file : {out, picture_path(options)}) {
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) continue;
    throw IoError(file.string(),
                  "the file exists already; choose another --out, or replace it with --force");
  }
}

data::OpenedDataset open_data(const Options& options) {
  data::DataOptions data;
  data.path = options.data;
  data.kind = enum_from_name<data::DataKind>(options.kind).value();
  data.train_split = options.split;
  data.limit = options.limit;
  return data::open_dataset(data, data::Split::kTrain);
}

// A patch that has mean 0 and deviation 1 is drawn around gray, two deviations to either end.
image::Image picture_of(std::span<const float> centre, const codebook::Codebook& book,
                        const image::EvalTransformOptions& transform) {
  const std::int64_t P = book.patch;
  HostTensor pixels = HostTensor::zeros(DType::kF32, {book.channels, P, P});
  const std::span<float> to = pixels.mutable_data<float>();
  for (std::size_t i = 0; i < centre.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    to[static_cast<std::size_t>(at % book.channels * P * P + at / book.channels)] = centre[i];
  }
  return book.normalised ? image::denormalize(pixels, {0.5}, {0.25})
                         : image::denormalize(pixels, transform.mean, transform.std);
}

// All centres, the most used first.
image::Image picture_of_all(const codebook::Codebook& book, const std::vector<std::int64_t>& counts,
                            const image::EvalTransformOptions& transform) {
  std::vector<std::size_t> order(counts.size());
  for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t k) { return counts[k]; });
  const auto dims = static_cast<std::size_t>(book.dims());
  constexpr std::int64_t kShownSide = 24;
  const std::int64_t side = std::max<std::int64_t>(1, kShownSide / book.patch) * book.patch;
  std::vector<image::Image> pictures;
  for (const std::size_t k : order) {
    pictures.push_back(
        image::resize(picture_of(std::span(book.centres).subspan(k * dims, dims), book, transform),
                      side, side, image::Filter::kNearest));
  }
  const auto columns =
      static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(pictures.size()) * 1.6)));
  return report::image_grid(pictures, columns);
}

void print_result(const Context& context, const Options& options, const codebook::Codebook& book,
                  const codebook::KMeansResult& result) {
  const auto patches = static_cast<double>(result.labels.size());
  const double entropy = codebook::use_entropy(result.counts);
  const auto used = book.codes() - std::ranges::count(result.counts, 0);
  const double start = result.inertia.front() / patches;
  if (context.json) {
    const nlohmann::ordered_json json{{"out", options.out},
                                      {"picture", picture_path(options).string()},
                                      {"codes", book.codes()},
                                      {"codes_used", used},
                                      {"dims", book.dims()},
                                      {"normalised", book.normalised},
                                      {"images", book.images},
                                      {"patches", result.labels.size()},
                                      {"iterations", result.inertia.size() - 1},
                                      {"settled", result.settled},
                                      {"inertia_start", start},
                                      {"inertia", book.inertia},
                                      {"use_entropy_bits", entropy}};
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  fmt::print(
      "patches     {} of {} images, {}x{}x{}, {}\n"
      "inertia     {:.5g} a patch at the start, {:.5g} after {} iterations{}\n"
      "codes       {} of {} used, entropy {:.2f} of {:.2f} bits\n"
      "written     {}, picture {}\n",
      result.labels.size(), book.images, book.patch, book.patch, book.channels,
      book.normalised ? "normalised" : "raw", start, book.inertia, result.inertia.size() - 1,
      result.settled ? " (settled)" : "", used, book.codes(), entropy,
      std::log2(static_cast<double>(book.codes())), options.out, picture_path(options).string());
}

int run(const Context& context, const Options& options) {
  check_output(options);
  options.clustering.validate();
  const image::EvalTransformOptions transform = transform_of(options);
  const ComputeThreads threads(options.engine);
  const data::OpenedDataset opened = open_data(options);
  std::unique_ptr<Progress> progress;
  PatchSample sample = draw_patches(opened.dataset, transform, options.sampling,
                                    [&](std::int64_t done, std::int64_t total) {
                                      if (!progress)
                                        progress = make_progress(context, "patches", total);
                                      if (progress) progress->update(done);
                                    });
  if (progress) progress->finish();
  codebook::Codebook book{
      .patch = options.sampling.patch, .channels = transform.channels, .normalised = !options.raw};
  if (book.normalised) codebook::normalise_patches(sample.patches, book.dims());
  codebook::KMeansOptions clustering = options.clustering;
  clustering.seed = options.sampling.seed;
  const codebook::KMeansResult result = codebook::kmeans(sample.patches, book.dims(), clustering);
  book.centres = result.centres;
  book.seed = clustering.seed;
  book.images = sample.images;
  book.inertia = result.inertia.back() / static_cast<double>(result.labels.size());
  save_codebook(options.out, book);
  write_file_atomically(picture_path(options),
                        image::encode_png(picture_of_all(book, result.counts, transform)));
  print_result(context, options, book, result);
  return 0;
}

void add_data_options(CLI::App& command, Options& options) {
  command
      .add_option("-d,--data", options.data,
                  "folder of images or classes, IDX or CIFAR files, or a .csv, .tsv or .jsonl list")
      ->required();
  command.add_option("--kind", options.kind, "auto, idx, cifar10, cifar100, image_folder or list")
      ->check(CLI::IsMember({"auto", "idx", "cifar10", "cifar100", "image_folder", "list"}))
      ->capture_default_str();
  command.add_option("--split", options.split, "split to read")->capture_default_str();
  command.add_option("--limit", options.limit, "images to draw from; 0 = all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--size", options.size, "size of the model's input: pixels, or HEIGHTxWIDTH")
      ->capture_default_str();
  command.add_option("--channels", options.channels, "of the model's input: 1 or 3")
      ->check(CLI::IsMember({1, 3}))
      ->capture_default_str();
  command
      .add_option("--preprocess", options.preprocess,
                  "set a value of the preprocessing, key=value (repeatable)")
      ->allow_extra_args(false);
}

void add_clustering_options(CLI::App& command, Options& options) {
  command.add_option("-p,--patch", options.sampling.patch, "side of a patch in pixels")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{256}))
      ->capture_default_str();
  command.add_option("--codes", options.clustering.centres, "centres to find")
      ->capture_default_str();
  command.add_option("--sample", options.sampling.sample, "patches to cluster")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100'000'000}))
      ->capture_default_str();
  command.add_option("--iterations", options.clustering.iterations, "at most")
      ->capture_default_str();
  command.add_option("--seed", options.sampling.seed, "of sample and start")->capture_default_str();
  command.add_flag(
      "--raw,!--normalise", options.raw,
      "cluster pixels as they are, not patches of mean 0 and deviation 1 (--normalise, "
      "the default)");
}

}  // namespace

void add_codebook(CLI::App& root, Context& context) {
  CLI::App* command = add_command(
      root, "codebook", "cluster patches of a dataset into codes, targets of pre-training",
      "conopa codebook --data data/fmnist --size 28 --channels 1 --patch 4 --out "
      "codes.safetensors");
  auto options = std::make_shared<Options>();
  add_data_options(*command, *options);
  add_clustering_options(*command, *options);
  command
      ->add_option("-o,--out", options->out,
                   "file to write, .safetensors; a picture goes beside it")
      ->required();
  command->add_flag("-f,--force", options->force, "replace the files");
  add_threads_option(*command, options->engine.threads);
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app
