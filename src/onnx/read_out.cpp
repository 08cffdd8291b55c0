#include "onnx/read_out.h"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "conopa/arch/tensor_table.h"

namespace conopa::onnx {

namespace names = arch::names;

Value ReadOutWriter::final_norm(const Value& x, std::string_view what) {
  return layers_.norm(x, std::string(names::kFinalNorm), what);
}

Value ReadOutWriter::mean(const Value& tokens) {
  return graph_.add("ReduceMean", "mean", {tokens},
                    {{"axes", std::vector<std::int64_t>{1}}, {"keepdims", std::int64_t{0}}});
}

Value ReadOutWriter::token_features(const Value& row) {
  return graph_.reshape(final_norm(row, "norm"), {0, spec_.dim}, "token");
}

Value ReadOutWriter::with_late_token(const Value& x) {
  const std::int64_t tokens = spec_.num_patches() + 1;
  std::vector<float> table = weights_.read(names::kClassToken);
  table.resize(static_cast<std::size_t>(tokens * spec_.dim), 0.0F);
  const Value widened = graph_.pad(x, {0, 1, 0, 0, 0, 0}, "with_class_token");
  return graph_.sum(widened,
                    graph_.floats("late_class_token", {1, tokens, spec_.dim}, std::move(table)),
                    "late_token");
}

// The row of the first end token of every sequence; the first row of one without any.
Value ReadOutWriter::end_token(const Value& x, const Value& tokens) {
  const Value found = graph_.add("Equal", "is_end", {tokens, graph_.index(spec_.end_token)});
  const Value marks = graph_.add("Cast", "marks", {found}, {{"to", std::int64_t{1}}});  // FLOAT
  const Value place = graph_.add("ArgMax", "place", {marks},
                                 {{"axis", std::int64_t{1}}, {"keepdims", std::int64_t{1}}});
  return graph_.add("GatherND", "end_token", {x, place}, {{"batch_dims", std::int64_t{1}}});
}

// Fixed queries are folded into their keys, as the engine does: keys and values of the tokens are
// never computed.
Value ReadOutWriter::attention_pool(const Value& x) {
  const auto scope = graph_.scope("pool");
  const Weights::Pool pool = weights_.pool();
  const std::int64_t H = spec_.heads;
  const Value scores = graph_.add("MatMul", "scores", {x, pool.scores});  // [B, N, H·Q]
  Value weights = graph_.add("Softmax", "weights", {graph_.transpose(scores, {0, 2, 1}, "by_head")},
                             {{"axis", std::int64_t{-1}}});
  if (spec_.pool_queries > 1) {
    const Value split = graph_.reshape(weights, {0, H, spec_.pool_queries, -1}, "queries");
    weights = graph_.add("ReduceMean", "mean_weights", {split},
                         {{"axes", std::vector<std::int64_t>{2}}, {"keepdims", std::int64_t{0}}});
  }
  const Value gathered = graph_.add("MatMul", "gather", {weights, x});  // [B, H, D]
  const Value rows = graph_.reshape(gathered, {0, H, 1, spec_.dim}, "rows");
  const Value mixed = graph_.add("MatMul", "values", {rows, pool.values});  // [B, H, 1, Dh]
  return graph_.sum(graph_.reshape(mixed, {0, spec_.dim}, "merge"), pool.bias, "bias");
}

Value ReadOutWriter::features(const Value& blocks_out, const Value& input) {
  const auto scope = graph_.scope("read_out");
  const bool late = spec_.class_token == arch::ClassToken::kLate;
  // The mean of kMeanNorm is over the blocks' output, no late token.
  if (spec_.read_out == arch::ReadOut::kMeanNorm) return final_norm(mean(blocks_out), "norm");
  if (spec_.read_out == arch::ReadOut::kPatchMeanNorm) {
    const std::int64_t first = spec_.class_token == arch::ClassToken::kFront ? 1 : 0;
    const Value patches = spec_.class_token_in_blocks()
                              ? graph_.slice(blocks_out, 1, first, spec_.num_patches(), "patches")
                              : blocks_out;
    return final_norm(mean(patches), "norm");
  }
  const Value x = late ? with_late_token(blocks_out) : blocks_out;
  const auto tokens = [&] { return spec_.read_blocks.empty() ? final_norm(x, "norm") : x; };
  switch (spec_.read_out) {
    case arch::ReadOut::kToken:
      return token_features(graph_.slice(x, 1, spec_.class_token_index(), 1, "class_token"));
    case arch::ReadOut::kMean:
      return mean(tokens());
    case arch::ReadOut::kNormMeanNorm:
      return final_norm(mean(tokens()), "norm_again");
    case arch::ReadOut::kAttention:
      return attention_pool(tokens());
    case arch::ReadOut::kEnd:
      return final_norm(end_token(x, input), "norm");
    case arch::ReadOut::kMeanNorm:
    case arch::ReadOut::kPatchMeanNorm:
    case arch::ReadOut::kTokenMax:
      break;
  }
  throw std::logic_error("read-out without exporter");
}

void ReadOutWriter::finish(const Value& features) {
  const auto layer = [&](const Value& x, std::string_view name) {
    const std::string prefix(name);
    std::vector<Value> inputs{x, weights_.whole(prefix + ".weight")};
    if (weights_.has(prefix + ".bias")) inputs.push_back(weights_.whole(prefix + ".bias"));
    return graph_.add("Gemm", prefix, std::move(inputs), {{"transB", std::int64_t{1}}});
  };
  Value x = features;
  if (spec_.num_classes > 0) {
    const bool normed = spec_.head_norm == arch::HeadNorm::kBatch;
    // An attention read-out has the norm before its keys and values.
    if (normed && spec_.read_out != arch::ReadOut::kAttention) x = batch_norm(x);
    x = layer(x, names::kHead);
  }
  if (spec_.projection > 0) x = layer(x, names::kProjection);
  if (spec_.outputs() > 0) graph_.output(x, "logits", {"batch", spec_.outputs()});
  graph_.output(features, "features", {"batch", spec_.dim});
}

Value ReadOutWriter::batch_norm(const Value& x) {
  const std::string prefix(names::kHeadNorm);
  const auto all = [&](float value) {
    return std::vector<float>(static_cast<std::size_t>(spec_.dim), value);
  };
  constexpr float kEps = 1e-6F;  // of linear probes
  return graph_.add(
      "BatchNormalization", "head_norm",
      {x, graph_.floats("head_norm/ones", {spec_.dim}, all(1.0F)),
       graph_.floats("head_norm/zeros", {spec_.dim}, all(0.0F)),
       weights_.whole(prefix + ".running_mean"), weights_.whole(prefix + ".running_var")},
      {{"epsilon", kEps}});
}

}  // namespace conopa::onnx
