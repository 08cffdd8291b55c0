#include "conopa/tasks/clouds.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/data/subset.h"
#include "conopa/points/model_net.h"
#include "conopa/points/scan_object.h"

namespace conopa::tasks {
namespace {

constexpr std::int64_t kPictureSide = 96;

class CloudSource final : public data::SampleSource {
 public:
  CloudSource(std::shared_ptr<const CloudDataset> dataset, const CloudOptions& options,
              data::Split split)
      : dataset_(std::move(dataset)),
        options_(options),
        split_(split),
        shape_{dataset_->set().points_per_cloud(), 3} {}

  [[nodiscard]] const Shape& shape() const noexcept override { return shape_; }
  [[nodiscard]] const data::Dataset& dataset() const noexcept override { return *dataset_; }

  Origin fill(std::int64_t index, Rng& rng, std::span<float> out) const override {
    const std::span cloud = dataset_->set().cloud(index);
    std::copy(cloud.begin(), cloud.end(), out.begin());
    if (split_ == data::Split::kTrain) points::scale_and_shift(out, options_.augment, rng);
    return {.label = dataset_->label(index), .index = index};
  }

 private:
  std::shared_ptr<const CloudDataset> dataset_;
  CloudOptions options_;
  data::Split split_;
  Shape shape_;
};

points::CloudSet read_clouds(const std::string& path, const std::string& split,
                             const CloudOptions& options) {
  if (options.format == CloudFormat::kModelNet) {
    return points::open_model_net(path, split, {.prefix = options.prefix});
  }
  return points::read_scan_object(points::scan_object_file(path, split, options.variant));
}

points::CloudSet select(const points::CloudSet& set, std::span<const std::int64_t> indices) {
  points::CloudSet out{
      .name = set.name,
      .points = HostTensor::zeros(
          DType::kF32, {static_cast<std::int64_t>(indices.size()), set.points_per_cloud(), 3}),
      .labels = {},
      .class_names = set.class_names};
  auto target = out.points.mutable_data<float>().begin();
  for (const std::int64_t index : indices) {
    const std::span cloud = set.cloud(index);
    target = std::copy(cloud.begin(), cloud.end(), target);
    out.labels.push_back(set.labels[static_cast<std::size_t>(index)]);
  }
  return out;
}

}  // namespace

void CloudOptions::visit(FieldVisitor& v) {
  enum_field(v, "format", format, "scan_object: HDF5 files; model_net: lists and text files");
  v.field("variant", variant, "end of the HDF5 files' names, as augmentedrot_scale75");
  v.field("prefix", prefix, "start of the lists' names");
  v.field("pool", pool, "points of a cloud that training draws from; 0 = 75/64 of point_count");
  augment.visit(v);
}

void CloudOptions::validate() const {
  if (pool < 0) throw ConfigError("points", "pool must be at least 0, got {}", pool);
  augment.validate();
}

std::int64_t CloudOptions::pool_size(std::int64_t count, std::int64_t cloud) const {
  const std::int64_t wanted = pool > 0 ? pool : count * 75 / 64;
  if (cloud < count || (pool > 0 && pool > cloud) || wanted < count) {
    throw ShapeError("points",
                     "expected clouds of at least {} points, found {} (pool {}); set a smaller "
                     "model.point_count or pool",
                     std::max(count, pool), cloud, pool);
  }
  return std::min(wanted, cloud);
}

data::Sample CloudDataset::get(std::int64_t index) const {
  image::Image picture(kPictureSide, kPictureSide, 3);
  std::fill(picture.pixels.begin(), picture.pixels.end(), std::uint8_t{255});
  std::vector<float> points(set_.cloud(index).begin(), set_.cloud(index).end());
  points::normalise_to_unit_ball(points);
  const auto place = [](float value) {
    const float scaled = (value * 0.95F + 1.0F) * 0.5F * (kPictureSide - 1);
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(scaled), 0, kPictureSide - 1);
  };
  for (std::size_t i = 0; i < points.size(); i += 3) {
    std::uint8_t* pixel = picture.row(place(-points[i + 1])) + 3 * place(points[i]);
    const auto depth =
        static_cast<std::uint8_t>(110.0F - 90.0F * std::clamp(points[i + 2], -1.0F, 1.0F));
    for (std::size_t c = 0; c < 3; ++c) pixel[c] = std::min(pixel[c], depth);
  }
  return {.image = std::move(picture), .label = label(index), .index = index};
}

std::int64_t CloudDataset::label(std::int64_t index) const {
  return set_.labels[static_cast<std::size_t>(index)];
}

std::string CloudDataset::name(std::int64_t index) const {
  return fmt::format("{}[{}]", set_.name, index);
}

data::OpenedDataset open_clouds(const data::DataOptions& data, data::Split split,
                                const CloudOptions& options, std::int64_t count) {
  const bool training = split == data::Split::kTrain;
  const std::string name =
      training ? data.train_split : (data.eval_split == "auto" ? "test" : data.eval_split);
  points::CloudSet set =
      read_clouds(training || data.eval_path.empty() ? data.path : data.eval_path, name, options);
  const std::int64_t limit = training ? data.limit : data.eval_limit;
  if (limit > 0 && limit < set.size()) {
    set = select(set, data::pick_balanced(set.labels, limit, data.limit_seed));
  }
  const std::int64_t pool = options.pool_size(count, set.points_per_cloud());
  return {.dataset = std::make_shared<CloudDataset>(points::furthest_subset(set, pool)),
          .broken = std::make_shared<data::BrokenFiles>(),
          .kind = data.kind,
          .split = name};
}

std::shared_ptr<const data::SampleSource> make_cloud_source(
    std::shared_ptr<const data::Dataset> dataset, const CloudOptions& options, data::Split split) {
  auto clouds = std::dynamic_pointer_cast<const CloudDataset>(dataset);
  if (!clouds) {
    throw ConfigError("points",
                      "expected a dataset of point clouds, found one of images; check "
                      "train.task and [data]");
  }
  return std::make_shared<CloudSource>(std::move(clouds), options, split);
}

}  // namespace conopa::tasks
