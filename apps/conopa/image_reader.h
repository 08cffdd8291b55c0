#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "command.h"
#include "conopa/core/host_tensor.h"
#include "conopa/engine/token_batches.h"
#include "conopa/image/image.h"
#include "conopa/image/transform.h"
#include "image_inputs.h"

namespace conopa::app {

/// What every command that reads images by path lets its user choose.
struct ImageOptions {
  std::vector<std::string> inputs;
  bool list = false;
  std::int64_t batch = 16;
  std::string on_error = "stop";  ///< or "skip"
};

/// Adds the inputs and the options of ImageOptions to a command.
void add_image_options(CLI::App& command, ImageOptions& options);

/// A batch of preprocessed images; those that could be read stand first.
struct ImageBatch {
  HostTensor pixels;                    ///< [B, C, H, W] float32
  std::vector<const ImageInput*> good;  ///< of the first good.size() images
  [[nodiscard]] std::int64_t size() const noexcept { return std::ssize(good); }
};

/// An image that keeps its own size, but for what is no whole patch at its right and lower edge.
struct SizedImage {
  const ImageInput* input = nullptr;
  engine::ImageSize size;
  std::vector<float> pixels;  ///< [C, H, W], normalised
};

/// Reads images of the command line batch by batch, decoding in parallel.
class ImageReader {
 public:
  /// @throws as collect_images and EvalTransformOptions::validate.
  ImageReader(const ImageOptions& options, const image::EvalTransformOptions& transform);

  [[nodiscard]] std::int64_t total() const noexcept { return std::ssize(inputs_); }
  /// Names of all inputs.
  [[nodiscard]] std::vector<std::string> names() const;

  /// Calls `use` with every batch that holds an image; `done` counts the inputs passed so far.
  /// Warns in the end of images that were skipped.
  /// @return  the exit code: bad data if no image could be read.
  /// @throws  the error of an unreadable image unless on_error is "skip".
  int for_each(const std::function<void(const ImageBatch& batch)>& use,
               const std::function<void(std::int64_t done)>& after = {});

  /// The same with images that keep their own size.
  /// @throws  ShapeError naming an image of fewer or more patches than check_native_size allows,
  ///          unless on_error is "skip".
  int for_each_sized(std::int64_t patch,
                     const std::function<void(std::span<const SizedImage> images)>& use,
                     const std::function<void(std::int64_t done)>& after = {});

 private:
  using Inputs = std::span<const ImageInput>;

  [[nodiscard]] ImageBatch read(Inputs inputs);
  [[nodiscard]] std::vector<SizedImage> read_sized(Inputs inputs, std::int64_t patch);
  [[nodiscard]] SizedImage prepare(const ImageInput& input, const image::Image& image,
                                   std::int64_t patch) const;
  [[nodiscard]] std::vector<std::size_t> decode_all(
      Inputs inputs, const std::function<void(std::size_t, const image::Image&)>& take);
  int walk(const std::function<void(Inputs)>& use,
           const std::function<void(std::int64_t done)>& after);

  ImageOptions options_;
  image::EvalTransformOptions settings_;
  std::unique_ptr<image::Transform> transform_;
  std::vector<ImageInput> inputs_;
  std::int64_t skipped_ = 0;
};

}  // namespace conopa::app
