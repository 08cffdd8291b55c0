#include <cmath>

#include "checkers.h"
#include "conopa/core/rng.h"
#include "conopa/image/resize.h"
#include "conopa/image/transform.h"
#include "models.h"

namespace conopa::parity {
namespace {

image::Image image_of(const HostTensor& tensor) {  // [H, W, C] uint8
  image::Image out;
  out.height = tensor.dim(0);
  out.width = tensor.dim(1);
  out.channels = tensor.dim(2);
  const auto bytes = tensor.data<std::uint8_t>();
  out.pixels.assign(bytes.begin(), bytes.end());
  return out;
}

}  // namespace

void check_eval_transform(const Case& c, Outcome& out) {
  const auto size = c.args().at("img_size").get<std::int64_t>();
  image::EvalTransformOptions options;
  options.height = options.width = size;
  options.channels = 3;
  options.resize_short = static_cast<std::int64_t>(std::ceil(static_cast<double>(size) / 0.875));
  const auto transform = image::make_eval_transform(options);
  for (int i = 0; c.io->contains(fmt::format("image{}", i)); ++i) {
    const image::Image input = image_of(c.io->read(fmt::format("image{}", i)));
    const image::Size fitted =
        image::size_for_short_side({input.width, input.height}, options.resize_short);
    const image::Image resized =
        image::resize(input, fitted.width, fitted.height, image::Filter::kBicubic);
    const std::vector<float> pixels(resized.pixels.begin(), resized.pixels.end());
    out.compare(fmt::format("resized{}", i), pixels);
    std::vector<float> tensor(static_cast<std::size_t>(3 * size * size));
    Rng rng(0, RngPurpose::kTest);
    transform->apply(input, rng, tensor);
    out.compare(fmt::format("tensor{}", i), tensor);
  }
}

void check_halving_crop(const Case& c, Outcome& out) {
  const auto side = c.json.at("builder").at("image_size").get<std::int64_t>();
  const image::Image crop = image::center_crop_by_halving(image_of(c.io->read("image")), side);
  const std::vector<float> pixels(crop.pixels.begin(), crop.pixels.end());
  out.compare("crop", pixels);
  const auto plane = static_cast<std::size_t>(side * side);
  std::vector<float> tensor(3 * plane);
  std::vector<float> flipped(3 * plane);
  for (std::size_t i = 0; i < plane; ++i) {
    const std::size_t row = i / static_cast<std::size_t>(side);
    const std::size_t mirror =
        row * static_cast<std::size_t>(side) +
        (static_cast<std::size_t>(side) - 1 - i % static_cast<std::size_t>(side));
    for (std::size_t k = 0; k < 3; ++k) {
      tensor[k * plane + i] = pixels[3 * i + k] / 127.5F - 1.0F;
      flipped[k * plane + mirror] = tensor[k * plane + i];
    }
  }
  out.compare("tensor", tensor);
  out.compare("tensor_flipped", flipped);
}

}  // namespace conopa::parity
