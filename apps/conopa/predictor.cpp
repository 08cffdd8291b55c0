#include "predictor.h"

#include <optional>

#include "conopa/core/error.h"

#ifdef CONOPA_TRAIN
#include <c10/core/GradMode.h>

#include "conopa/nn/convert.h"
#include "conopa/nn/encoder.h"
#include "conopa/tasks/runtime.h"
#endif

namespace conopa::app {

#ifdef CONOPA_TRAIN

struct Predictor::Impl {
  nn::Encoder encoder;
  nn::ForwardOptions forward;
};

Predictor::Predictor(const StoredModel& model, const PredictorOptions& options) {
  if (model.spec.num_classes < 1) {
    throw ConfigError(model.path.string(),
                      "expected a classifier, found a model without a head (num_classes = 0)");
  }
  tasks::set_compute_threads(options.threads);
  impl_ = std::make_unique<Impl>(Impl{
      .encoder = nn::Encoder(model.spec, tasks::select_device(options.device)), .forward = {}});
  impl_->forward.exec.precision =
      options.precision == "bf16" ? nn::Precision::kBf16 : nn::Precision::kFp32;
  const auto read = [&model](const std::string& name) -> std::optional<HostTensor> {
    if (!model.weights->contains(name)) return std::nullopt;
    return model.weights->read(name);
  };
  impl_->encoder.parameters().load(read, nn::LoadPolicy::kStrict, model.path.string());
}

Predictor::~Predictor() = default;

std::vector<float> Predictor::logits(const HostTensor& images, std::int64_t count) const {
  const at::NoGradGuard no_grad;
  const at::Device device = impl_->encoder.parameters().device();
  const at::Tensor input = nn::view_as_torch(images).narrow(0, 0, count).to(device);
  const at::Tensor out = impl_->encoder.forward(input, impl_->forward).logits.cpu().contiguous();
  const std::span<const float> values = nn::floats(out);
  return {values.begin(), values.end()};
}

#else

struct Predictor::Impl {};

Predictor::Predictor(const StoredModel&, const PredictorOptions&) {
  throw UnsupportedError("predict",
                         "this build has no executor for models; configure with -DCONOPA_TRAIN=ON");
}

Predictor::~Predictor() = default;

std::vector<float> Predictor::logits(const HostTensor&, std::int64_t) const { return {}; }

#endif

}  // namespace conopa::app
