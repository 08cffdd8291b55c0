// Models of native resolution: every image at its own size.

#include "own_sizes.h"

#include <algorithm>
#include <iterator>

#include "conopa/core/error.h"

namespace conopa::app {
namespace {

constexpr std::size_t kKeptSessions = 4;  // an arena each
constexpr std::int64_t kMostTogether = 65536;

const StoredModel& checked(const StoredModel& stored, const EngineOptions& options) {
  if (!options.native()) {
    throw UsageError("--size",
                     "expected a size with --engine torch, got native; leave --engine "
                     "out");
  }
  if (stored.transform.mode != image::EvalMode::kAsIs ||
      stored.spec.position != arch::Position::kSinCosComputed) {
    throw ConfigError(stored.path.string(),
                      "expected a model of native resolution (position \"sincos_computed\", "
                      "preprocessing mode \"as_is\"), found {} and {}; give --size in pixels",
                      enum_name(stored.spec.position), enum_name(stored.transform.mode));
  }
  return stored;
}

HostTensor gather(std::span<const SizedImage> images, std::span<const std::size_t> places,
                  std::int64_t channels) {
  const engine::ImageSize size = images[places.front()].size;
  HostTensor out =
      HostTensor::zeros(DType::kF32, {std::ssize(places), channels, size.height, size.width});
  auto to = out.mutable_data<float>().begin();
  for (const std::size_t place : places) to = std::ranges::copy(images[place].pixels, to).out;
  return out;
}

}  // namespace

OwnSizes::OwnSizes(const StoredModel& stored, const EngineOptions& options)
    : model_(load_native(checked(stored, options), stored.spec,
                         enum_from_name<engine::Precision>(options.precision).value())),
      threads_(static_cast<int>(options.threads)) {}

engine::Session& OwnSizes::session_of(engine::ImageSize size) {
  const auto found = std::ranges::find(kept_, size, &Kept::size);
  if (found != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, found);
    return kept_.front().session;
  }
  if (kept_.size() == kKeptSessions) kept_.pop_back();
  engine::Model resized = model_.resized(size.height, size.width);
  const std::int64_t batch = native_batch(resized.spec(), kMostTogether);
  kept_.push_front(
      {.size = size,
       .session = engine::Session(std::move(resized), {.threads = threads_, .max_batch = batch})});
  return kept_.front().session;
}

void OwnSizes::run(std::span<const SizedImage> images,
                   const std::function<void(engine::Session&, const EqualImages&)>& use) {
  std::vector<engine::ImageSize> sizes;
  for (const SizedImage& image : images) sizes.push_back(image.size);
  const arch::EncoderSpec& spec = model_.spec();
  for (const std::vector<std::size_t>& places :
       engine::batches_by_tokens(sizes, spec.patch, engine::kNativePatchesMax)) {
    use(session_of(sizes[places.front()]),
        {.pixels = gather(images, places, spec.channels), .places = places});
  }
}

std::vector<float> OwnSizes::rows(
    std::span<const SizedImage> images,
    const std::function<std::vector<float>(engine::Session&, const EqualImages&)>& rows_of) {
  std::vector<float> out;
  run(images, [&](engine::Session& session, const EqualImages& batch) {
    const std::vector<float> rows = rows_of(session, batch);
    const std::size_t width = rows.size() / batch.places.size();
    out.resize(images.size() * width);
    for (std::size_t i = 0; i < batch.places.size(); ++i) {
      std::ranges::copy(std::span(rows).subspan(i * width, width),
                        out.begin() + static_cast<std::ptrdiff_t>(batch.places[i] * width));
    }
  });
  return out;
}

}  // namespace conopa::app
