#include "image_reader.h"

#include <algorithm>
#include <exception>
#include <iostream>

#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/core/parallel.h"
#include "conopa/core/rng.h"
#include "conopa/image/codec.h"

namespace conopa::app {
namespace {

image::Image decode(const ImageInput& input) {
  if (!input.from_stdin) return image::decode_file(input.name);
  return image::decode(read_stream(std::cin), "stdin");
}

}  // namespace

void add_image_options(CLI::App& command, ImageOptions& options) {
  command
      .add_option("inputs", options.inputs,
                  "images, folders of images, or - for one image on standard input")
      ->required();
  command.add_flag("-l,--list", options.list,
                   "inputs are lists of paths, one a line (- = standard input)");
  command.add_option("-b,--batch", options.batch, "images that are read together")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{65536}))
      ->capture_default_str();
  command
      .add_option("--on-error", options.on_error, "unreadable images: stop, or skip and list them")
      ->check(CLI::IsMember({"stop", "skip"}))
      ->capture_default_str();
}

ImageReader::ImageReader(const ImageOptions& options, const image::EvalTransformOptions& transform)
    : options_(options),
      settings_(transform),
      transform_(image::make_eval_transform(transform)),
      inputs_(collect_images(options.inputs, {.lists = options.list}, std::cin)) {}

std::vector<std::string> ImageReader::names() const {
  std::vector<std::string> out;
  for (const ImageInput& input : inputs_) out.push_back(input.name);
  return out;
}

// Decodes in parallel and hands the images out; returns those that could be read and used.
std::vector<std::size_t> ImageReader::decode_all(
    Inputs inputs, const std::function<void(std::size_t, const image::Image&)>& take) {
  std::vector<std::exception_ptr> errors(inputs.size());
  parallel_for(0, std::ssize(inputs), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      try {
        take(i, decode(inputs[i]));
      } catch (const Error&) {
        errors[i] = std::current_exception();
      }
    }
  });
  std::vector<std::size_t> good;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!errors[i]) {
      good.push_back(i);
      continue;
    }
    try {
      std::rethrow_exception(errors[i]);
    } catch (const Error& error) {
      if (options_.on_error == "stop") throw;
      log_warning("skipped: {}", error.what());
      ++skipped_;
    }
  }
  return good;
}

ImageBatch ImageReader::read(Inputs inputs) {
  Shape shape = transform_->output_shape();
  const auto size = static_cast<std::size_t>(element_count(shape));
  shape.insert(shape.begin(), std::ssize(inputs));
  ImageBatch batch{.pixels = HostTensor::zeros(DType::kF32, shape), .good = {}};
  const std::span<float> all = batch.pixels.mutable_data<float>();
  const std::vector<std::size_t> good =
      decode_all(inputs, [&](std::size_t i, const image::Image& image) {
        Rng unused(0, RngPurpose::kSample);  // the evaluation transform draws nothing
        transform_->apply(image, unused, all.subspan(i * size, size));
      });
  for (const std::size_t i : good) {
    const std::span<const float> from = all.subspan(i * size, size);
    const std::size_t place = batch.good.size() * size;
    if (place != i * size) std::copy(from.begin(), from.end(), all.subspan(place).begin());
    batch.good.push_back(&inputs[i]);
  }
  return batch;
}

SizedImage ImageReader::prepare(const ImageInput& input, const image::Image& image,
                                std::int64_t patch) const {
  engine::check_native_size(image.height, image.width, patch, engine::kNativePatchesMin,
                            engine::kNativePatchesMax, input.name);
  SizedImage out{.input = &input,
                 .size = {image.height / patch * patch, image.width / patch * patch},
                 .pixels = {}};
  image::EvalTransformOptions own = settings_;
  own.height = out.size.height;
  own.width = out.size.width;
  const std::unique_ptr<image::Transform> transform = image::make_eval_transform(own);
  out.pixels.resize(static_cast<std::size_t>(element_count(transform->output_shape())));
  Rng unused(0, RngPurpose::kSample);
  // The released models' convolution leaves out the right and lower edge, not the centre's frame.
  transform->apply(image::ImageView(image).window(0, 0, own.width, own.height), unused, out.pixels);
  return out;
}

std::vector<SizedImage> ImageReader::read_sized(Inputs inputs, std::int64_t patch) {
  std::vector<SizedImage> all(inputs.size());
  const std::vector<std::size_t> good = decode_all(
      inputs,
      [&](std::size_t i, const image::Image& image) { all[i] = prepare(inputs[i], image, patch); });
  std::vector<SizedImage> out;
  for (const std::size_t i : good) out.push_back(std::move(all[i]));
  return out;
}

int ImageReader::walk(const std::function<void(Inputs)>& use,
                      const std::function<void(std::int64_t done)>& after) {
  for (std::int64_t first = 0; first < total(); first += options_.batch) {
    const std::int64_t count = std::min(options_.batch, total() - first);
    use(std::span(inputs_).subspan(static_cast<std::size_t>(first),
                                   static_cast<std::size_t>(count)));
    if (after) after(first + count);
  }
  if (skipped_ > 0) log_warning("{} of {} images were skipped", skipped_, total());
  return skipped_ == total() ? static_cast<int>(ExitCode::kBadData) : 0;
}

int ImageReader::for_each(const std::function<void(const ImageBatch& batch)>& use,
                          const std::function<void(std::int64_t done)>& after) {
  return walk(
      [&](Inputs inputs) {
        const ImageBatch batch = read(inputs);
        if (batch.size() > 0) use(batch);
      },
      after);
}

int ImageReader::for_each_sized(std::int64_t patch,
                                const std::function<void(std::span<const SizedImage>)>& use,
                                const std::function<void(std::int64_t done)>& after) {
  return walk(
      [&](Inputs inputs) {
        const std::vector<SizedImage> images = read_sized(inputs, patch);
        if (!images.empty()) use(images);
      },
      after);
}

}  // namespace conopa::app
