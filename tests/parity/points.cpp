#include <ATen/TensorOperators.h>

#include <algorithm>

#include "checkers.h"
#include "conopa/arch/registry.h"
#include "conopa/io/checkpoint.h"
#include "conopa/nn/convert.h"
#include "conopa/points/grouping.h"
#include "models.h"

namespace conopa::parity {
namespace {

arch::EncoderSpec point_spec(const Case& c) {
  const nlohmann::json args = c.args();
  const nlohmann::json llama = args.at("llama_cfg");
  arch::EncoderSpec spec = arch::preset_spec("point_bert_llama_small");
  spec.dim = args.at("trans_dim");
  spec.depth = args.at("depth");
  spec.heads = args.at("num_heads");
  spec.num_classes = args.at("cls_dim");
  spec.width = args.at("num_group");
  spec.drop_path = args.at("drop_path_rate");
  spec.point.group = args.at("group_size");
  spec.point.width = args.at("encoder_dims");
  spec.point.count = tensor(c, "points").size(1);
  spec.point.rule = arch::CentreRule::kReleased;
  spec.llm.dim = llama.at("dim");
  spec.llm.heads = llama.at("n_heads");
  spec.llm.multiple_of = llama.at("multiple_of");
  spec.llm.norm_eps = llama.at("norm_eps");
  spec.llm.depth =
      llama.at("n_layers").get<std::int64_t>() - llama.at("first_layer").get<std::int64_t>();
  spec.resolve();
  return spec;
}

// Centres and, sorted, the members of their groups.
void compare_groups(const Case& c, Outcome& out, const arch::EncoderSpec& spec) {
  const at::Tensor clouds = tensor(c, "points").contiguous();
  points::Groups groups = points::group_points(
      nn::floats(clouds), clouds.size(0),
      {.groups = spec.width, .size = spec.point.group, .rule = points::FpsRule::kReleased});
  out.compare_integers("fps_idx", groups.chosen);
  for (auto at = groups.members.begin(); at != groups.members.end(); at += spec.point.group) {
    std::sort(at, at + spec.point.group);
  }
  out.compare_integers("group_idx", groups.members);
}

// The spec that the checkpoint alone tells, but for what it does not hold.
void check_import(const Case& c, const arch::EncoderSpec& spec) {
  const auto source = open_checkpoint(c.folder / "weights.pth");
  arch::TensorIndex index;
  for (const std::string& name : source->names()) index.emplace(name, source->info(name).shape);
  arch::EncoderSpec guess = arch::guess_spec(index, source->where());
  guess.width = spec.width;
  guess.heads = spec.heads;
  guess.llm.heads = spec.llm.heads;
  guess.point.count = spec.point.count;
  guess.point.group = spec.point.group;
  guess.resolve();
  const arch::KeyReport report =
      arch::compare_keys(arch::TensorTable(guess), arch::best_scheme(guess, index), index);
  if (!report.clean()) throw std::runtime_error("import: " + report.summary());
}

}  // namespace

void check_point_bert(const Case& c, Outcome& out) {
  const arch::EncoderSpec spec = point_spec(c);
  check_import(c, spec);
  compare_groups(c, out, spec);
  const nn::Encoder encoder = load_encoder(c, spec);
  for (const OpsVariant& variant : kOpsVariants) {
    nn::Capture capture;
    nn::ForwardOptions options;
    options.exec.ops = variant.ops;
    out.compare("logits", values(encoder.forward(tensor(c, "points"), options).logits),
                variant.name);
    options.capture = &capture;
    const nn::ForwardResult result = encoder.forward(tensor(c, "points"), options);
    out.compare("center", values(capture.at("centres")), variant.name);
    out.compare("group_tokens", values(capture.at("group_tokens")), variant.name);
    out.compare("pos", values(capture.at("positions")), variant.name);
    out.compare("tokens", values(capture.at("tokens_in")), variant.name);
    for (std::int64_t i = 0; i < spec.depth; ++i) {
      out.compare(fmt::format("block{}", i), values(capture.at(fmt::format("block{}_out", i))),
                  variant.name);
    }
    out.compare("llama_normed", values(capture.at("llm_norm")), variant.name);
    out.compare("mapper2", values(capture.at("llm_mapper2")), variant.name);
    out.compare("concat", values(result.features), variant.name);
    out.compare("logits", values(result.logits), variant.name);
  }
}

}  // namespace conopa::parity
