// The plain C interface: no exception leaves it.

#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "conopa/conopa.h"
#include "conopa/core/error.h"
#include "conopa/core/fields.h"
#include "conopa/core/rng.h"
#include "conopa/engine/session.h"
#include "conopa/engine/stored_model.h"
#include "conopa/eval/top_classes.h"
#include "conopa/image/codec.h"

namespace engine = conopa::engine;

namespace {

/// What a model's handle and its sessions share.
struct ModelState {
  engine::Model model;
  std::unique_ptr<conopa::image::Transform> transform;
  std::vector<std::string> class_names;  ///< of every class
};

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): names of the C interface

struct conopa_model {
  std::shared_ptr<const ModelState> state;
};

struct conopa_session {
  std::shared_ptr<const ModelState> state;
  engine::Session session;
  std::vector<float> pixels;  // of conopa_session_classify
  std::vector<float> logits;
};

// NOLINTEND(readability-identifier-naming)

namespace {

std::string& last_error() {
  thread_local std::string text;
  return text;
}

conopa_status fail(conopa_status status, std::string_view text) noexcept {
  try {
    last_error() = text;
  } catch (...) {
    last_error().clear();
  }
  return status;
}

conopa_status status_of(const conopa::Error& error) noexcept {
  switch (error.code()) {
    case conopa::ExitCode::kUsage:
      return CONOPA_BAD_ARGUMENT;
    case conopa::ExitCode::kBadData:
      return CONOPA_BAD_DATA;
    default:
      return CONOPA_FAILED;
  }
}

// Runs `body`, turning exceptions into a status and its text.
template <typename Body>
conopa_status guarded(Body&& body) noexcept {
  try {
    body();
    return CONOPA_OK;
  } catch (const conopa::Error& error) {
    return fail(status_of(error), error.what());
  } catch (const std::bad_alloc&) {
    return fail(CONOPA_FAILED, "[conopa] out of memory; lower max_batch or the precision");
  } catch (const std::exception& error) {
    return fail(CONOPA_FAILED, error.what());
  } catch (...) {
    return fail(CONOPA_FAILED, "[conopa] unknown fault");
  }
}

void require(bool holds, const char* what) {
  if (!holds) throw conopa::UsageError("conopa.h", "expected {}, got null or less", what);
}

engine::ModelOptions options_of(const conopa_model_options* given) {
  engine::ModelOptions out;
  if (given == nullptr) return out;
  if (given->size != sizeof(conopa_model_options)) {
    throw conopa::UsageError("conopa.h",
                             "expected conopa_model_options of {} bytes, got {}; set `size` and "
                             "build against the header of this library",
                             sizeof(conopa_model_options), given->size);
  }
  if (given->precision != nullptr) {
    const auto precision = conopa::enum_from_name<engine::Precision>(given->precision);
    if (!precision) {
      throw conopa::UsageError("precision", "expected auto, fp32, bf16 or int8, got '{}'",
                               given->precision);
    }
    out.precision = *precision;
  }
  if (given->isa != nullptr) {
    out.isa = conopa::kernels::resolve_isa(given->isa, conopa::kernels::detected_isa());
  }
  if (given->height < 0 || given->width < 0) {
    throw conopa::UsageError("size", "expected sides of at least 0, got {}x{}", given->height,
                             given->width);
  }
  out.height = given->height;
  out.width = given->width;
  return out;
}

std::int64_t pixel_count(const engine::Model& model) {
  const conopa::arch::EncoderSpec& spec = model.spec();
  return spec.channels * spec.height * spec.width;
}

std::span<const float> pixels_of(const engine::Model& model, const float* pixels,
                                 std::int64_t batch) {
  require(pixels != nullptr || batch == 0, "pixels");
  require(batch >= 0, "a batch of at least 0");
  return {pixels, static_cast<std::size_t>(batch * pixel_count(model))};
}

std::span<float> output(float* values, std::int64_t batch, std::int64_t width) {
  if (values == nullptr) return {};
  return {values, static_cast<std::size_t>(batch * width)};
}

void preprocess(const ModelState& model, const void* bytes, std::size_t size,
                std::span<float> pixels) {
  require(bytes != nullptr, "the bytes of an image");
  const conopa::image::Image image =
      conopa::image::decode({static_cast<const std::byte*>(bytes), size}, "image");
  conopa::Rng unused(0, conopa::RngPurpose::kAugment);
  model.transform->apply(image, unused, pixels);
}

engine::LayerInfo find_layer(const engine::Model& model, std::string_view name) {
  const std::vector<engine::LayerInfo> layers = model.layers();
  const auto it = std::ranges::find(layers, name, &engine::LayerInfo::name);
  if (it != layers.end()) return *it;
  throw conopa::UsageError("layer", "expected a layer such as {} or {}, got '{}'",
                           layers.front().name, layers.back().name, name);
}

}  // namespace

extern "C" {

const char* conopa_version(void) { return CONOPA_VERSION; }

const char* conopa_error(void) { return last_error().c_str(); }

conopa_status conopa_model_open(const char* path, const conopa_model_options* options,
                                conopa_model** model) {
  return guarded([&] {
    require(path != nullptr, "a path");
    require(model != nullptr, "where to put the model");
    const engine::StoredModel stored = engine::open_model(path);
    auto state = std::make_shared<ModelState>(
        ModelState{.model = engine::Model::load(stored.spec, *stored.weights, options_of(options)),
                   .transform = nullptr,
                   .class_names = {}});
    const conopa::arch::EncoderSpec& spec = state->model.spec();
    state->transform = conopa::image::make_eval_transform(
        engine::resized_transform(stored.transform, stored.spec, spec));
    for (std::int64_t i = 0; i < spec.num_classes; ++i) {
      state->class_names.push_back(engine::class_name(stored.class_names, i));
    }
    *model = new conopa_model{std::move(state)};
  });
}

void conopa_model_close(conopa_model* model) { delete model; }

void conopa_model_describe(const conopa_model* model, conopa_model_info* info) {
  const engine::Model& own = model->state->model;
  const conopa::arch::EncoderSpec& spec = own.spec();
  *info = {.channels = spec.channels,
           .height = spec.height,
           .width = spec.width,
           .classes = spec.outputs(),
           .features = spec.dim,
           .weight_bytes = own.weight_bytes(),
           .precision = conopa::enum_name(own.precision()).data(),  // literals, so they end in 0
           .isa = conopa::kernels::isa_name(own.isa()).data()};
}

const char* conopa_model_class_name(const conopa_model* model, int64_t index) {
  const std::vector<std::string>& names = model->state->class_names;
  if (index < 0 || index >= std::ssize(names)) return nullptr;
  return names[static_cast<std::size_t>(index)].c_str();
}

conopa_status conopa_model_preprocess(const conopa_model* model, const void* bytes, size_t size,
                                      float* pixels) {
  return guarded([&] {
    require(model != nullptr && pixels != nullptr, "a model and where to put its pixels");
    const std::int64_t count = pixel_count(model->state->model);
    preprocess(*model->state, bytes, size, {pixels, static_cast<std::size_t>(count)});
  });
}

conopa_status conopa_session_create(const conopa_model* model, int threads, int64_t max_batch,
                                    conopa_session** session) {
  return guarded([&] {
    require(model != nullptr && session != nullptr, "a model and where to put the session");
    engine::SessionOptions options{.threads = threads};
    if (max_batch != 0) options.max_batch = max_batch;
    const engine::Model& own = model->state->model;
    *session = new conopa_session{
        .state = model->state,
        .session = engine::Session(own, options),
        .pixels = std::vector<float>(static_cast<std::size_t>(pixel_count(own))),
        .logits = std::vector<float>(static_cast<std::size_t>(own.spec().outputs()))};
  });
}

void conopa_session_free(conopa_session* session) { delete session; }

conopa_status conopa_session_run(conopa_session* session, const float* pixels, int64_t batch,
                                 float* logits, float* features) {
  return guarded([&] {
    require(session != nullptr, "a session");
    const engine::Model& model = session->state->model;
    session->session.run(pixels_of(model, pixels, batch), batch,
                         {.logits = output(logits, batch, model.spec().outputs()),
                          .features = output(features, batch, model.spec().dim)});
  });
}

conopa_status conopa_session_run_layer(conopa_session* session, const float* pixels, int64_t batch,
                                       const char* layer, float* rows, int64_t* tokens,
                                       int64_t* width) {
  return guarded([&] {
    require(session != nullptr && layer != nullptr, "a session and a layer");
    const engine::Model& model = session->state->model;
    const engine::LayerInfo info = find_layer(model, layer);
    if (tokens != nullptr) *tokens = info.tokens;
    if (width != nullptr) *width = info.width;
    if (rows == nullptr) return;
    session->session.run(
        pixels_of(model, pixels, batch), batch, {}, [&](const engine::LayerRows& shown) {
          if (shown.name != info.name) return;
          float* to = rows + shown.first_image * info.tokens * info.width;
          for (std::int64_t r = 0; r < shown.images * shown.tokens; ++r, to += info.width) {
            std::ranges::copy(shown.row(0, r), to);
          }
        });
  });
}

conopa_status conopa_session_classify(conopa_session* session, const void* bytes, size_t size,
                                      conopa_prediction* top, int64_t count) {
  return guarded([&] {
    require(session != nullptr, "a session");
    require(top != nullptr && count > 0, "room for predictions");
    if (session->state->model.spec().num_classes == 0 ||
        session->state->model.spec().projection > 0) {
      throw conopa::UnsupportedError("classify",
                                     "expected a classifier, found a model without "
                                     "one; run it for features");
    }
    preprocess(*session->state, bytes, size, session->pixels);
    session->session.run(session->pixels, 1, {.logits = session->logits});
    const auto best = conopa::eval::top_classes(session->logits, count);
    for (std::int64_t i = 0; i < count; ++i) {
      top[i] = {.index = -1, .probability = 0.0};
      if (i >= std::ssize(best)) continue;
      const conopa::eval::Prediction& p = best[static_cast<std::size_t>(i)];
      top[i] = {.index = p.index, .probability = p.probability};
    }
  });
}

}  // extern "C"
