#include "conopa/engine/session.h"

#include <algorithm>
#include <utility>

#include "conopa/core/error.h"
#include "conopa/core/work_team.h"
#include "engine/executor.h"
#include "engine/request.h"

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

  void run(const Request& request, const Observer* observer);

  Model model;
  Arena arena;
  WorkTeam team;
  InputObserver inputs;
};

namespace {

// The part that belongs to `count` samples from `first` on.
template <typename T>
std::span<T> part(std::span<T> all, std::int64_t first, std::int64_t count, std::int64_t width) {
  if (all.empty()) return {};
  return all.subspan(static_cast<std::size_t>(first * width),
                     static_cast<std::size_t>(count * width));
}

const Observer* pointer_to(const Observer& observer) { return observer ? &observer : nullptr; }

}  // namespace

void Session::Impl::run(const Request& request, const Observer* observer) {
  const arch::EncoderSpec& spec = model.spec();
  check_request(model.impl(), request);
  if ((observer != nullptr || inputs) && !arena.for_observers) {
    // Only what is shown needs every token of a language block.
    arena = Arena(model.impl(), arena.batch, true);
  }
  const TeamScope scope(team);
  const std::int64_t image_size = spec.channels * spec.height * spec.width;
  for (std::int64_t first = 0; first < request.batch; first += arena.batch) {
    const std::int64_t count = std::min(arena.batch, request.batch - first);
    const PassInput input{.images = part(request.images, first, count, image_size).data(),
                          .tokens = part(request.tokens, first, count, spec.width),
                          .prefix = part(request.prefix, first, count, 1)};
    Executor executor(model.impl(), arena, input, count, first,
                      {.layers = observer, .inputs = inputs ? &inputs : nullptr});
    if (request.kind == RequestKind::kPatches) {
      executor.predict(
          part(request.patches, first, count, spec.num_patches() * spec.patch_outputs()));
    } else {
      executor.run({.logits = part(request.outputs.logits, first, count, spec.outputs()),
                    .features = part(request.outputs.features, first, count, spec.dim)});
    }
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
  impl_->run({.images = images, .batch = batch, .outputs = outputs}, nullptr);
}

void Session::run(std::span<const float> images, std::int64_t batch, const Outputs& outputs,
                  const Observer& observer) {
  impl_->run({.images = images, .batch = batch, .outputs = outputs}, &observer);
}

void Session::run(std::span<const float> images, std::int64_t batch, const Outputs& outputs,
                  const RunOptions& options) {
  impl_->run({.images = images, .prefix = options.prefix, .batch = batch, .outputs = outputs},
             pointer_to(options.observer));
}

void Session::run_tokens(std::span<const std::int64_t> tokens, std::int64_t batch,
                         const Outputs& outputs, const RunOptions& options) {
  impl_->run({.kind = RequestKind::kTokens,
              .tokens = tokens,
              .prefix = options.prefix,
              .batch = batch,
              .outputs = outputs},
             pointer_to(options.observer));
}

void Session::predict_patches(std::span<const float> images, std::int64_t batch,
                              std::span<const std::int64_t> prefix, std::span<float> patches) {
  impl_->run({.kind = RequestKind::kPatches,
              .images = images,
              .prefix = prefix,
              .batch = batch,
              .patches = patches},
             nullptr);
}

void Session::observe_inputs(InputObserver observer) {
  if (observer && model().precision() != Precision::kFp32) {
    throw ConfigError("session", "expected a model in fp32 to observe inputs, found {}; load it so",
                      enum_name(model().precision()));
  }
  impl_->inputs = std::move(observer);
}

}  // namespace conopa::engine
