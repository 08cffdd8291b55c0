// Networks run by libtorch.

#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "conopa/nn/convert.h"
#include "conopa/nn/encoder.h"
#include "conopa/tasks/runtime.h"
#include "torch/parts.h"

namespace conopa::app {
namespace {

LayerValues layer_of(std::string name, const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kCPU, at::kFloat).contiguous();
  const std::span<const float> all = nn::floats(values);
  return {
      .name = std::move(name), .shape = values.sizes().vec(), .values = {all.begin(), all.end()}};
}

class TorchNetwork final : public Network {
 public:
  TorchNetwork(const StoredModel& model, const arch::EncoderSpec& spec,
               const EngineOptions& options)
      : encoder_(spec, tasks::select_device(options.device)) {
    exec_.precision = options.precision == "bf16" ? nn::Precision::kBf16 : nn::Precision::kFp32;
    encoder_.parameters().load(
        [&](const std::string& name) -> std::optional<HostTensor> {
          if (!model.weights->contains(name)) return std::nullopt;
          return read_resized(*model.weights, model.spec, spec, name);
        },
        nn::LoadPolicy::kStrict, model.path.string());
  }

  [[nodiscard]] std::string description() const override {
    return fmt::format("torch {} ({})", precision(), encoder_.parameters().device().str());
  }

  [[nodiscard]] std::string_view precision() const override {
    return exec_.precision == nn::Precision::kBf16 ? "bf16" : "fp32";
  }

  [[nodiscard]] std::vector<float> logits(const HostTensor& images, std::int64_t count) override {
    const at::NoGradGuard no_grad;
    nn::ForwardOptions options;
    options.exec = exec_;
    const at::Tensor out =
        encoder_.forward(input(images, count), options).logits.cpu().contiguous();
    const std::span<const float> values = nn::floats(out);
    return {values.begin(), values.end()};
  }

  [[nodiscard]] std::vector<LayerValues> layers(const HostTensor& images,
                                                std::int64_t count) override {
    const at::NoGradGuard no_grad;
    nn::Capture capture;
    nn::ForwardOptions options;
    options.exec = exec_;
    options.exec.ops = nn::Ops::kStock;
    options.capture = &capture;
    const nn::ForwardResult result = encoder_.forward(input(images, count), options);
    std::vector<LayerValues> out;
    for (const auto& [name, tensor] : capture) {
      if (name == "tokens_in" || name == "read_tokens" || name == "final_norm" ||
          is_block_output(name)) {
        out.push_back(layer_of(name, tensor));
      }
    }
    if (!capture.contains("final_norm")) {  // a head that reads the mean norms that alone
      options.capture = nullptr;
      out.push_back(layer_of("final_norm", encoder_.encode(input(images, count), options)));
    }
    out.push_back(layer_of("features", result.features));
    if (result.logits.defined()) out.push_back(layer_of("logits", result.logits));
    return out;
  }

  [[nodiscard]] std::vector<std::string> capture_names() override {
    const arch::EncoderSpec& spec = encoder_.spec();
    const HostTensor blank =
        HostTensor::zeros(DType::kF32, {1, spec.channels, spec.height, spec.width});
    std::vector<std::string> out;
    for (const auto& [name, tensor] : capture(blank, 1)) out.push_back(name);
    return out;
  }

  [[nodiscard]] std::vector<LayerValues> captures(const HostTensor& images, std::int64_t count,
                                                  std::span<const std::string> names) override {
    const nn::Capture all = capture(images, count);
    std::vector<LayerValues> out;
    for (const std::string& name : names) {
      const auto found = all.find(name);
      if (found != all.end()) out.push_back(layer_of(name, found->second));
    }
    return out;
  }

 private:
  [[nodiscard]] nn::Capture capture(const HostTensor& images, std::int64_t count) const {
    const at::NoGradGuard no_grad;
    nn::Capture out;
    nn::ForwardOptions options;
    options.exec = exec_;
    options.capture = &out;
    static_cast<void>(encoder_.forward(input(images, count), options));
    return out;
  }
  static bool is_block_output(std::string_view name) {
    return name.ends_with("_out") && !name.ends_with("_attn_out") && !name.ends_with("_mlp_out");
  }
  [[nodiscard]] at::Tensor input(const HostTensor& images, std::int64_t count) const {
    return nn::view_as_torch(images).narrow(0, 0, count).to(encoder_.parameters().device());
  }

  nn::Encoder encoder_;
  nn::Exec exec_;
};

}  // namespace

std::unique_ptr<Network> make_torch_network(const StoredModel& model, const arch::EncoderSpec& spec,
                                            const EngineOptions& options) {
  tasks::set_compute_threads(options.threads);
  return std::make_unique<TorchNetwork>(model, spec, options);
}

const TorchParts& torch_parts() {
  static constexpr TorchParts kParts{.train = run_train,
                                     .probe = run_probe,
                                     .train_lm = run_train_lm,
                                     .network = make_torch_network};
  return kParts;
}

}  // namespace conopa::app
