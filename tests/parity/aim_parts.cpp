// Parts of AIM on their own: the attentive probe and low-rank attention.

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/stack.h>

#include "checkers.h"
#include "conopa/arch/registry.h"
#include "conopa/io/checkpoint.h"
#include "conopa/nn/attention_pool.h"
#include "conopa/nn/convert.h"
#include "conopa/nn/probe_norm.h"
#include "models.h"
#include "native.h"
#include "nn/block.h"

namespace conopa::parity {
namespace {

// The probe's tensors by their official names.
using Tensors = std::map<std::string, at::Tensor>;

Tensors probe_tensors(const Case& c) {
  Tensors out;
  const auto file = open_checkpoint(c.folder / "weights.pth");
  for (const std::string& name : file->names()) {
    at::Tensor value = nn::to_torch(file->read(name), at::kFloat).clone();
    out[name] = name.starts_with("bn.") ? value : value.requires_grad_();
  }
  return out;
}

at::Tensor probe_logits(const Tensors& t, const at::Tensor& tokens, std::int64_t heads,
                        bool training, const nn::Exec& exec) {
  const nn::ProbeStatistics statistics{.mean = t.at("bn.running_mean"),
                                       .variance = t.at("bn.running_var"),
                                       .batches = t.at("bn.num_batches_tracked")};
  const at::Tensor normed =
      nn::probe_norm(tokens.reshape({-1, tokens.size(2)}), statistics, training)
          .view(tokens.sizes());
  const nn::PoolParameters pool{.queries = t.at("cls_token"),
                                .key_weight = t.at("k.weight"),
                                .key_bias = t.at("k.bias"),
                                .value_weight = t.at("v.weight"),
                                .value_bias = t.at("v.bias"),
                                .heads = heads};
  return nn::linear(nn::attention_pool(normed, pool, exec), t.at("linear.weight"),
                    t.at("linear.bias"), exec);
}

// The probe behind a block that passes its rows on.
void compare_native_probe(const Case& c, Outcome& out, const at::Tensor& average) {
  RowsModel model(nn::to_host(average.contiguous()));
  arch::EncoderSpec& spec = model.spec;
  spec.heads = c.args().at("num_heads");
  spec.read_blocks = {0};
  spec.read_out = arch::ReadOut::kAttention;
  spec.head_norm = arch::HeadNorm::kBatch;
  spec.pool_queries = c.args().at("num_queries");
  spec.pool_bias = c.args().at("qkv_bias");
  spec.head_bias = c.args().at("linear_bias");
  spec.num_classes = c.args().at("out_features");
  spec.norm_eps = 1e-6;
  model.tensors[arch::names::block(0, arch::names::kProj) + ".weight"] =
      HostTensor::zeros(DType::kF32, {spec.dim, spec.dim});
  const auto file = open_checkpoint(c.folder / "weights.pth");
  const std::pair<std::string, std::string> renamed[] = {
      {"cls_token", std::string(arch::names::kPoolQueries)},
      {"k.", std::string(arch::names::kPoolKey) + "."},
      {"v.", std::string(arch::names::kPoolValue) + "."},
      {"linear.", std::string(arch::names::kHead) + "."},
      {"bn.", std::string(arch::names::kHeadNorm) + "."}};
  for (const std::string& name : file->names()) {
    for (const auto& [from, to] : renamed) {
      if (name.starts_with(from)) model.tensors[to + name.substr(from.size())] = file->read(name);
    }
  }
  out.compare("logits_eval", model.run().logits, "native");
}

// The engine adds the branches to the weights when it loads them.
void compare_native_lora(const Case& c, Outcome& out) {
  const auto file = open_checkpoint(c.folder / "weights.pth");
  std::map<std::string, HostTensor> layer;
  for (const std::string& name : file->names()) layer[name] = file->read(name);
  const auto describe = [&c](arch::EncoderSpec& spec) {
    spec.heads = c.args().at("num_heads");
    spec.lora_rank = c.args().at("lora_rank");
  };
  const std::vector<float> y = native_attention(c.io->read("x"), describe, layer);
  out.compare("out", y, "native");
  out.compare("out_merged", y, "native");
}

}  // namespace

void check_attention_probe(const Case& c, Outcome& out) {
  const auto heads = c.args().at("num_heads").get<std::int64_t>();
  const at::Tensor features = tensor(c, "features");  // [layers, B, N, C]
  std::vector<at::Tensor> chosen;
  for (const std::int64_t layer : c.args().at("layers").get<std::vector<std::int64_t>>()) {
    chosen.push_back(features.select(0, layer));
  }
  const at::Tensor average = at::stack(chosen).mean(0);
  out.compare("avg", values(average));
  out.compare("avg_reduced", values(average.mean(1)));
  for (const OpsVariant& variant : kOpsVariants) {
    const nn::Exec exec{.ops = variant.ops};
    const Tensors t = probe_tensors(c);
    out.compare("logits_eval", values(probe_logits(t, average, heads, false, exec)), variant.name);
    const at::Tensor x = average.detach().clone().requires_grad_();
    const at::Tensor logits = probe_logits(t, x, heads, true, exec);
    const at::Tensor loss =
        nn::label_cross_entropy(logits, nn::to_torch(c.io->read("target"), at::kLong), 0.0, exec);
    loss.backward();
    out.compare("logits_train", values(logits), variant.name);
    out.compare("loss_train", values(loss), variant.name);
    out.compare("grad_x", values(x.grad()), variant.name);
    for (const auto& [name, value] : t) {
      if (c.io->contains("grad." + name)) {
        out.compare("grad." + name, values(value.grad()), variant.name);
      }
    }
    out.compare("bn_running_mean_after", values(t.at("bn.running_mean")), variant.name);
    out.compare("bn_running_var_after", values(t.at("bn.running_var")), variant.name);
  }
  compare_native_probe(c, out, average);
}

void check_lora(const Case& c, Outcome& out) {
  arch::EncoderSpec spec = arch::preset_spec("aim_tiny_patch14_224");
  spec.dim = c.args().at("dim");
  spec.heads = c.args().at("num_heads");
  spec.lora_rank = c.args().at("lora_rank");
  spec.depth = 1;
  spec.read_blocks = {0};
  spec.num_classes = 0;
  spec.resolve();
  const arch::BlockSpec described = arch::encoder_blocks(spec).front();
  const std::string prefix = described.prefix + ".attn.";
  const auto file = open_checkpoint(c.folder / "weights.pth");
  for (const OpsVariant& variant : kOpsVariants) {
    nn::Encoder encoder(spec);
    encoder.parameters().initialize(0);
    encoder.parameters().load(
        [&](const std::string& name) -> std::optional<HostTensor> {
          if (!name.starts_with(prefix)) return std::nullopt;
          return file->read(name.substr(prefix.size()));
        },
        nn::LoadPolicy::kPartial, c.name);
    const nn::Block block(described, encoder.parameters());
    nn::ForwardOptions options;
    options.exec.ops = variant.ops;
    const at::Tensor x = tensor(c, "x").requires_grad_();
    const nn::Pass pass{.options = options, .spec = spec, .batch = x.size(0), .tokens = x.size(1)};
    const at::Tensor y = block.attention_branch(x.view({-1, spec.dim}), pass).view(x.sizes());
    (y * tensor(c, "cotangent")).sum().backward();
    out.compare("out", values(y), variant.name);
    out.compare("out_merged", values(y), variant.name);
    out.compare("grad_x", values(x.grad()), variant.name);
    for (const char* name : {"qkv.lora_A", "qkv.lora_B", "proj.lora_A", "proj.lora_B"}) {
      out.compare(std::string("grad.") + name,
                  values(encoder.parameters().require(prefix + name).grad()), variant.name);
    }
    // A layer applied to the unit rows gives its weights with the branches in them.
    const at::Tensor unit = at::eye(spec.dim);
    const auto merged = [&](std::string_view layer) {
      return values(block.layer(layer, unit, pass).t().contiguous());
    };
    out.compare("merged_qkv_weight", merged(arch::names::kQkv), variant.name);
    out.compare("merged_proj_weight", merged(arch::names::kProj), variant.name);
  }
  compare_native_lora(c, out);
}

}  // namespace conopa::parity
