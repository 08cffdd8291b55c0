// Networks run by the native engine.

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "conopa/core/error.h"
#include "conopa/engine/session.h"
#include "network.h"

namespace conopa::app {
namespace {

constexpr std::int64_t kRowsTogether = 2048;  // tokens of all images of a pass

void run(engine::Session& session, const HostTensor& inputs, std::int64_t count,
         const engine::Outputs& outputs, const engine::Observer& observer = {}) {
  const HostTensor first = inputs.rows(0, count);
  if (session.model().spec().input == arch::Input::kTokens) {
    session.run_tokens(first.data<std::int64_t>(), count, outputs, {.observer = observer});
  } else {
    session.run(first.data<float>(), count, outputs, engine::RunOptions{.observer = observer});
  }
}

// Copies the rows of a batch to their place among those of all images.
void keep_rows(const engine::LayerRows& rows, std::int64_t count, std::vector<LayerValues>& out) {
  auto layer = std::ranges::find(out, rows.name, &LayerValues::name);
  if (layer == out.end()) {
    const auto size = static_cast<std::size_t>(count * rows.tokens * rows.width);
    out.push_back({.name = std::string(rows.name),
                   .shape = {count, rows.tokens, rows.width},
                   .values = std::vector<float>(size)});
    layer = out.end() - 1;
  }
  auto to = layer->values.begin() + rows.first_image * rows.tokens * rows.width;
  for (std::int64_t image = 0; image < rows.images; ++image) {
    for (std::int64_t token = 0; token < rows.tokens; ++token) {
      to = std::ranges::copy(rows.row(image, token), to).out;
    }
  }
}

class NativeNetwork final : public Network {
 public:
  NativeNetwork(engine::Model model, const engine::SessionOptions& options)
      : session_(std::move(model), options) {}

  [[nodiscard]] std::string description() const override {
    const engine::Model& model = session_.model();
    return fmt::format("native {} ({})", enum_name(model.precision()),
                       kernels::isa_name(model.isa()));
  }

  [[nodiscard]] std::string_view precision() const override {
    return enum_name(session_.model().precision());
  }

  [[nodiscard]] std::vector<float> logits(const HostTensor& images, std::int64_t count) override {
    std::vector<float> out(static_cast<std::size_t>(count * spec().outputs()));
    run(session_, images, count, {.logits = out});
    return out;
  }

  [[nodiscard]] std::vector<LayerValues> layers(const HostTensor& images,
                                                std::int64_t count) override;

  [[nodiscard]] std::vector<std::string> capture_names() override {
    std::vector<std::string> out;
    for (engine::LayerInfo& layer : session_.model().layers()) out.push_back(std::move(layer.name));
    return out;
  }

  [[nodiscard]] std::vector<LayerValues> captures(const HostTensor& images, std::int64_t count,
                                                  std::span<const std::string> names) override {
    std::vector<LayerValues> out;
    run(session_, images, count, {}, [&](const engine::LayerRows& rows) {
      if (std::ranges::find(names, rows.name) != names.end()) keep_rows(rows, count, out);
    });
    std::ranges::sort(out, {}, [&](const LayerValues& layer) {
      return std::ranges::find(names, layer.name) - names.begin();
    });
    return out;
  }

 private:
  [[nodiscard]] const arch::EncoderSpec& spec() const { return session_.model().spec(); }

  engine::Session session_;
};

std::vector<LayerValues> NativeNetwork::layers(const HostTensor& images, std::int64_t count) {
  std::vector<LayerValues> out;
  LayerValues features{.name = "features",
                       .shape = {count, spec().dim},
                       .values = std::vector<float>(static_cast<std::size_t>(count * spec().dim))};
  LayerValues logits{
      .name = "logits",
      .shape = {count, spec().outputs()},
      .values = std::vector<float>(static_cast<std::size_t>(count * spec().outputs()))};
  run(session_, images, count, {.logits = logits.values, .features = features.values},
      [&](const engine::LayerRows& rows) { keep_rows(rows, count, out); });
  out.push_back(std::move(features));
  if (!logits.values.empty()) out.push_back(std::move(logits));
  return out;
}

}  // namespace

std::int64_t native_batch(const arch::EncoderSpec& spec, std::int64_t wanted) {
  const std::int64_t fitting = kRowsTogether / std::max<std::int64_t>(1, spec.num_tokens());
  return std::clamp<std::int64_t>(fitting, 1, std::max<std::int64_t>(1, wanted));
}

engine::Model load_native(const StoredModel& model, const arch::EncoderSpec& spec,
                          engine::Precision precision, std::optional<kernels::Isa> isa) {
  arch::EncoderSpec stored = spec;  // at the size of the weights
  stored.height = model.spec.height;
  stored.width = model.spec.width;
  stored.resolve();
  return engine::Model::load(
      stored, *model.weights,
      {.precision = precision, .isa = isa, .height = spec.height, .width = spec.width});
}

std::unique_ptr<Network> make_native_network(const StoredModel& model,
                                             const arch::EncoderSpec& spec,
                                             const NativeOptions& options) {
  engine::Model packed = load_native(model, spec, options.precision, options.isa);
  try {
    return std::make_unique<NativeNetwork>(
        std::move(packed), engine::SessionOptions{.threads = options.threads,
                                                  .max_batch = native_batch(spec, options.batch)});
  } catch (const std::system_error& error) {
    throw RunError("--threads", "cannot start {} threads: {}; use fewer", options.threads,
                   error.what());
  }
}

}  // namespace conopa::app
