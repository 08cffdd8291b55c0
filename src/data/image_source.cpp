#include <utility>

#include "conopa/core/error.h"
#include "conopa/data/sample_source.h"

namespace conopa::data {
namespace {

class ImageSource final : public SampleSource {
 public:
  ImageSource(std::shared_ptr<const Dataset> dataset,
              std::shared_ptr<const image::Transform> transform)
      : dataset_(std::move(dataset)), transform_(std::move(transform)) {}

  [[nodiscard]] const Shape& shape() const noexcept override { return transform_->output_shape(); }
  [[nodiscard]] const Dataset& dataset() const noexcept override { return *dataset_; }

  Origin fill(std::int64_t index, Rng& rng, std::span<float> out) const override {
    const Sample sample = dataset_->get(index);
    try {
      transform_->apply(sample.image, rng, out);
    } catch (const ShapeError& error) {  // the transform does not know the file
      throw ShapeError(dataset_->name(sample.index), "{}", error.what());
    }
    return {.label = sample.label, .index = sample.index};
  }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::shared_ptr<const image::Transform> transform_;
};

}  // namespace

std::shared_ptr<const SampleSource> make_image_source(
    std::shared_ptr<const Dataset> dataset, std::shared_ptr<const image::Transform> transform) {
  return std::make_shared<ImageSource>(std::move(dataset), std::move(transform));
}

}  // namespace conopa::data
