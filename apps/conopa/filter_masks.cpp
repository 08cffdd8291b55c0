#include "filter_masks.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include "conopa/core/error.h"
#include "conopa/core/rng.h"
#include "conopa/image/codec.h"
#include "image_inputs.h"

namespace conopa::app {
namespace {

std::string stem(const std::string& path) { return std::filesystem::path(path).stem().string(); }

bool is_png(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".png";
}

image::EvalTransformOptions for_masks(image::EvalTransformOptions options) {
  options.channels = 1;
  options.mean = {0.0};
  options.std = {1.0};
  options.interpolation = image::Interpolation::kBilinear;
  return options;
}

image::ImageInfo header(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw IoError(path, "cannot open the image");
  return image::probe(read_stream(file), path);
}

// Gray, 255 where a colour is not 0; transparency says nothing.
image::Image object_pixels(const image::Image& mask) {
  image::Image out(mask.width, mask.height, 1);
  const auto channels = static_cast<std::size_t>(mask.channels);
  const std::size_t colours = std::min<std::size_t>(channels, 3);
  for (std::size_t i = 0; i < out.pixels.size(); ++i) {
    const auto* pixel = mask.pixels.data() + i * channels;
    const bool object = std::any_of(pixel, pixel + colours, [](std::uint8_t x) { return x != 0; });
    out.pixels[i] = object ? 255 : 0;
  }
  return out;
}

}  // namespace

MaskFolder::MaskFolder(const std::string& folder, const image::EvalTransformOptions& transform)
    : folder_(folder), transform_(image::make_eval_transform(for_masks(transform))) {
  if (!std::filesystem::is_directory(folder)) {
    throw IoError(folder, "expected a folder of masks; check --masks");
  }
  for (const ImageInput& file : collect_images({folder}, {}, std::cin)) {
    if (!is_png(file.name)) continue;
    const auto [known, is_new] = masks_.emplace(stem(file.name), file.name);
    if (!is_new) {
      throw FormatError(folder, "expected one mask a name, found {} and {}; keep one of them",
                        known->second, file.name);
    }
  }
  if (masks_.empty()) throw FormatError(folder, "expected masks as PNG files, found none");
}

void MaskFolder::require(const std::vector<std::string>& images) const {
  std::set<std::string> seen;
  std::int64_t missing = 0;
  std::string first;
  for (const std::string& image : images) {
    if (!seen.insert(stem(image)).second) {
      throw FormatError(image,
                        "expected images of different names, as masks are found by name, found "
                        "'{}' twice; rename one",
                        stem(image));
    }
    if (masks_.contains(stem(image))) continue;
    if (missing++ == 0) first = image;
  }
  if (missing == 0) return;
  throw FormatError(folder_, "expected a mask {}.png for {}, found none ({} of {} images lack one)",
                    stem(first), first, missing, images.size());
}

std::vector<std::uint8_t> MaskFolder::coverage(const std::string& image) const {
  const std::string& path = masks_.at(stem(image));
  const image::Image mask = image::decode_file(path);
  const image::ImageInfo info = header(image);
  if (info.width != mask.width || info.height != mask.height) {
    throw FormatError(path,
                      "expected a mask of its image's size, {}x{} px, found {}x{}; make masks of "
                      "the images as they are",
                      info.width, info.height, mask.width, mask.height);
  }
  std::vector<float> values(static_cast<std::size_t>(element_count(transform_->output_shape())));
  Rng unused(0, RngPurpose::kSample);  // the evaluation transform draws nothing
  transform_->apply(object_pixels(mask), unused, values);
  std::vector<std::uint8_t> out;
  for (const float value : values) {
    out.push_back(static_cast<std::uint8_t>(std::lround(255.0F * value)));
  }
  return out;
}

}  // namespace conopa::app
