#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "command.h"
#include "conopa/core/host_tensor.h"
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

 private:
  [[nodiscard]] ImageBatch read(std::span<const ImageInput> inputs);

  ImageOptions options_;
  std::unique_ptr<image::Transform> transform_;
  std::vector<ImageInput> inputs_;
  std::int64_t skipped_ = 0;
};

}  // namespace conopa::app
