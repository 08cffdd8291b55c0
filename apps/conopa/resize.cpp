// conopa resize: the same model for another image size.

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "command.h"
#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/core/log.h"
#include "model_resize.h"
#include "model_text.h"
#include "tensor_cast.h"

namespace conopa::app {
namespace {

constexpr std::string_view kSize = "--size";

struct Options {
  std::string model;
  std::string size;
  std::string out;
  bool force = false;
};

// A model that is preprocessed as the released ones are stays so at the new size (squashed from
// some size on, say); other choices are kept.
image::EvalTransformOptions next_transform(const StoredModel& model, const arch::EncoderSpec& to) {
  image::EvalTransformOptions out = resized_transform(model.transform, model.spec, to);
  const image::EvalTransformOptions usual = default_transform(model.spec);
  if (out.mode == usual.mode && out.crop_pct == usual.crop_pct &&
      model.transform.resize_short == usual.resize_short) {
    const image::EvalTransformOptions next = default_transform(to);
    out.mode = next.mode;
    out.crop_pct = next.crop_pct;
  }
  return out;
}

std::vector<NamedTensor> resized_tensors(const StoredModel& model, const arch::EncoderSpec& to) {
  const arch::TensorTable table(model.spec);
  check_weights(model);
  std::vector<NamedTensor> out;
  for (const arch::TensorEntry& entry : table.entries()) {
    HostTensor value = read_resized(*model.weights, model.spec, to, entry.name);
    const std::optional<DType> stored = model.weights->info(entry.name).dtype;
    if (stored && value.dtype() != *stored) value = cast_floats(value, *stored, entry.name);
    out.push_back({entry.name, std::move(value)});
  }
  return out;
}

std::string card(const Context& context, const Options& options, const StoredModel& model,
                 const arch::EncoderSpec& to) {
  const std::string name = model.path.lexically_normal().filename().string();
  return origin_card(
      options.out, to,
      {.statement = fmt::format(
           "Made from `{}` by resizing {}x{} to {}x{} pixels: the position embedding was "
           "interpolated (bicubic), all other weights are the same. Fine-tune it before use.",
           name.empty() ? "a model" : name, model.spec.height, model.spec.width, to.height,
           to.width),
       .details = {},
       .command_line = context.command_line});
}

int run(const Context& context, const Options& options) {
  const InputSize size = parse_input_size(options.size, kSize);
  check_output_folder(options.out, options.force);
  const StoredModel model = open_model(options.model);
  const arch::EncoderSpec to = resized_spec(model.spec, size, kSize);
  NewModel resized{.spec = to,
                   .transform = next_transform(model, to),
                   .class_names = model.class_names,
                   .tensors = resized_tensors(model, to),
                   .readme = card(context, options, model, to)};
  resized.transform.validate();
  save_model(options.out, resized, options.force);
  if (to.position == arch::Position::kNone) {
    log_info("the model has no position embedding; nothing was interpolated");
  }
  if (context.json) {
    const nlohmann::ordered_json json{
        {"out", options.out},
        {"from", {model.spec.height, model.spec.width}},
        {"to", {to.height, to.width}},
        {"grid", {to.grid_rows(), to.grid_cols()}},
        {"preprocessing", nlohmann::ordered_json::parse(to_json(resized.transform))}};
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print("model       {}\ngrid        {}x{} to {}x{} patches\nwritten     {}\n",
             spec_summary(to), model.spec.grid_rows(), model.spec.grid_cols(), to.grid_rows(),
             to.grid_cols(), options.out);
  return 0;
}

}  // namespace

void add_resize(CLI::App& root, Context& context) {
  CLI::App* command = add_command(root, "resize", "fit a model to another image size",
                                  "conopa resize models/illama_base --size 384 --out models/b384");
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "model folder, run folder or checkpoint folder")
      ->required();
  command->add_option("--size", options->size, "new input: pixels, or HEIGHTxWIDTH")->required();
  command->add_option("-o,--out", options->out, "model folder to write")->required();
  command->add_flag("-f,--force", options->force, "replace a model folder at --out");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app
