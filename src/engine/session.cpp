#include "conopa/engine/session.h"

#include <algorithm>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/work_team.h"
#include "engine/executor.h"

namespace conopa::engine {

void SessionOptions::validate() const {
  if (threads < 0) {
    throw ConfigError("session", "expected threads of at least 0, got {}; 0 means one per core",
                      threads);
  }
  if (max_batch < 1) {
    throw ConfigError("session", "expected max_batch of at least 1, got {}", max_batch);
  }
}

struct Session::Impl {
  Impl(Model which, const SessionOptions& options)
      : model(std::move(which)),
        arena(model.impl(), options.max_batch),
        team(options.threads > 0 ? options.threads : num_threads()) {}

  void run(std::span<const float> images, std::int64_t batch, const Outputs& outputs,
           const Observer* observer);

  Model model;
  Arena arena;
  WorkTeam team;
  InputObserver inputs;
};

namespace {

void check_span(std::string_view what, std::int64_t size, std::int64_t batch, std::int64_t each) {
  if (size == batch * each) return;
  throw ShapeError("session", "expected {} of {} x {} values, found {}; check the batch", what,
                   batch, each, size);
}

void check_run(const arch::EncoderSpec& spec, std::span<const float> images, std::int64_t batch,
               const Outputs& outputs) {
  if (batch < 0) throw ShapeError("session", "expected a batch of at least 0, got {}", batch);
  check_span("images", std::ssize(images), batch, spec.channels * spec.height * spec.width);
  if (!outputs.features.empty()) {
    check_span("features", std::ssize(outputs.features), batch, spec.dim);
  }
  if (outputs.logits.empty()) return;
  if (spec.num_classes == 0) {
    throw ShapeError("session",
                     "expected a model with a head for logits, found one without; ask "
                     "for features");
  }
  check_span("logits", std::ssize(outputs.logits), batch, spec.num_classes);
}

// The part of an output that belongs to `count` images from `first` on.
std::span<float> part(std::span<float> all, std::int64_t first, std::int64_t count,
                      std::int64_t width) {
  if (all.empty()) return {};
  return all.subspan(static_cast<std::size_t>(first * width),
                     static_cast<std::size_t>(count * width));
}

}  // namespace

void Session::Impl::run(std::span<const float> images, std::int64_t batch, const Outputs& outputs,
                        const Observer* observer) {
  const arch::EncoderSpec& spec = model.spec();
  check_run(spec, images, batch, outputs);
  const TeamScope scope(team);
  const std::int64_t image_size = spec.channels * spec.height * spec.width;
  for (std::int64_t first = 0; first < batch; first += arena.batch) {
    const std::int64_t count = std::min(arena.batch, batch - first);
    Executor(model.impl(), arena, count, first,
             {.layers = observer, .inputs = inputs ? &inputs : nullptr})
        .run(images.data() + first * image_size,
             {.logits = part(outputs.logits, first, count, spec.num_classes),
              .features = part(outputs.features, first, count, spec.dim)});
  }
}

Session::Session(Model model, const SessionOptions& options) {
  options.validate();
  impl_ = std::make_unique<Impl>(std::move(model), options);
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;

const Model& Session::model() const noexcept { return impl_->model; }
int Session::threads() const noexcept { return impl_->team.size(); }
std::int64_t Session::max_batch() const noexcept { return impl_->arena.batch; }
std::int64_t Session::arena_bytes() const noexcept { return impl_->arena.bytes(); }

void Session::run(std::span<const float> images, std::int64_t batch, const Outputs& outputs) {
  impl_->run(images, batch, outputs, nullptr);
}

void Session::run(std::span<const float> images, std::int64_t batch, const Outputs& outputs,
                  const Observer& observer) {
  impl_->run(images, batch, outputs, &observer);
}

void Session::observe_inputs(InputObserver observer) {
  if (observer && model().precision() != Precision::kFp32) {
    throw ConfigError("session", "expected a model in fp32 to observe inputs, found {}; load it so",
                      enum_name(model().precision()));
  }
  impl_->inputs = std::move(observer);
}

}  // namespace conopa::engine
