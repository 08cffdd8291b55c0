#include "models.h"

#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"
#include "conopa/io/checkpoint.h"
#include "conopa/nn/convert.h"
#include "native.h"

namespace conopa::parity {

void set_image_size(arch::EncoderSpec& spec, const nlohmann::json& size) {
  spec.height = size.is_array() ? size.at(0).get<std::int64_t>() : size.get<std::int64_t>();
  spec.width = size.is_array() ? size.at(1).get<std::int64_t>() : size.get<std::int64_t>();
}

namespace {

arch::KeyReport load(const Case& c, nn::Parameters& parameters, std::string_view scheme,
                     const EditTensor& edit, nn::LoadPolicy policy) {
  const auto file = open_checkpoint(c.folder / "weights.pth");
  const arch::TensorTable& table = parameters.table();
  const auto source = [&](const std::string& name) -> std::optional<HostTensor> {
    const arch::ForeignTensor foreign = table.foreign(name, scheme);
    const auto read = [&](const std::string& part) -> std::optional<HostTensor> {
      if (!file->contains(part)) return std::nullopt;
      return file->read(part);
    };
    std::optional<HostTensor> value = arch::read_foreign(foreign, *table.find(name), read);
    return value && edit ? edit(name, std::move(*value)) : value;
  };
  return parameters.load(source, policy, c.name);
}

}  // namespace

void load_weights(const Case& c, nn::Parameters& parameters, std::string_view scheme,
                  const EditTensor& edit) {
  load(c, parameters, scheme, edit, nn::LoadPolicy::kStrict);
}

void load_present_weights(const Case& c, nn::Parameters& parameters, std::string_view scheme) {
  const arch::KeyReport report = load(c, parameters, scheme, {}, nn::LoadPolicy::kPartial);
  if (!report.reshaped.empty() || report.missing.size() == parameters.size()) {
    throw FormatError(c.name, "the weights are not of this model: {}", report.summary());
  }
}

nn::Encoder load_encoder(const Case& c, const arch::EncoderSpec& spec, std::string_view scheme) {
  nn::Encoder encoder(spec);
  load_weights(c, encoder.parameters(), scheme);
  return encoder;
}

void compare_parameters(const Case& c, Outcome& out, const nn::Parameters& parameters,
                        std::string_view scheme, const std::string& prefix, bool gradients,
                        std::string_view variant) {
  std::map<std::string, std::vector<float>> found;  // slices in table order
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string& name = parameters.table().entries()[i].name;
    const arch::ForeignTensor foreign = parameters.table().foreign(name, scheme);
    const at::Tensor& parameter = parameters.tensors()[i];
    const at::Tensor value = gradients ? parameter.grad() : parameter;
    const std::vector<std::string> parts =
        foreign.parts.empty() ? std::vector{foreign.name} : foreign.parts;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const std::string expected = prefix + parts[p];
      if (!c.io->contains(expected)) continue;
      const std::vector<float> all = value.defined() ? values(value) : std::vector<float>{};
      const std::size_t length = all.size() / parts.size();
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(p * length);
      found[expected].insert(found[expected].end(), begin,
                             begin + static_cast<std::ptrdiff_t>(length));
    }
  }
  for (const auto& [name, value] : found) out.compare(name, value, variant);
}

void compare_native(const Case& c, Outcome& out, const nn::Encoder& encoder,
                    const at::Tensor& image, const std::string& logits,
                    std::optional<double> mask_rate) {
  if (!c.io->contains(logits)) return;
  arch::EncoderSpec spec = encoder.spec();
  spec.mask_rate = mask_rate.value_or(spec.mask_rate);
  const engine::Model model = native_model(spec, encoder.parameters());
  for (const engine::Layers layers : {engine::Layers::kSkipped, engine::Layers::kShown}) {
    out.compare(logits, engine::run_native(model, image, layers).logits, "native");
  }
}

at::Tensor tensor(const Case& c, const std::string& name) {
  return nn::to_torch(c.io->read(name), at::kFloat);
}

std::vector<float> values(const at::Tensor& tensor) {
  return nn::to_host(tensor.detach().to(at::kFloat)).to_f32();
}

}  // namespace conopa::parity
