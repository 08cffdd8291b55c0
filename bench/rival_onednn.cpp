// The matrix products of a model by oneDNN, as JSON rows; a rival of `conopa bench` in
// bench/rivals.
//   rival_onednn DIR --batches 1 8
// Products of the linear layers of all blocks and, in the floating types, q·kᵀ and A·v: no norms,
// activations, rotations, softmax, quantisation of activations, nor any copy between them, with
// weights in oneDNN's own layout: a bound for executors that multiply with it.
// Precisions: fp32, bf16 (bf16 out), int8 (u8 activations, s8 weights, s32 out).

#include <omp.h>

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/rival_command.h"
#include "bench/rival_rows.h"
#include "conopa/arch/block_spec.h"
#include "conopa/core/error.h"
#include "conopa/io/model_folder.h"

namespace conopa::bench {
namespace {

using dnnl::memory;

/// Products of [groups, m, k] with [groups or 1, k, n].
struct Product {
  std::int64_t groups, m, k, n;
  bool weights;  ///< the right side is constant
};

std::vector<Product> products_of(const arch::EncoderSpec& spec, std::int64_t batch) {
  std::vector<Product> out;
  const std::int64_t N = spec.num_tokens();
  std::vector<arch::BlockSpec> blocks = arch::encoder_blocks(spec);
  blocks.resize(static_cast<std::size_t>(spec.blocks_to_run()));
  for (const arch::BlockSpec& block : blocks) {
    const auto linear = [&](std::int64_t tokens, std::int64_t in, std::int64_t width) {
      out.push_back({.groups = 1, .m = batch * tokens, .k = in, .n = width, .weights = true});
    };
    const std::int64_t D = block.dim;
    // The last block works for the class token alone if nothing else is read, as it does here.
    const bool token = block.index + 1 == spec.depth && arch::reads_one_token(spec);
    const std::int64_t queries = token ? 1 : N;
    if (token) {
      linear(1, D, D);
      linear(N, D, 2 * D);
    } else {
      linear(N, D, 3 * D);
    }
    linear(queries, D, D);
    if (block.mlp == arch::Mlp::kSwiglu) linear(queries, D, block.mlp_hidden);
    linear(queries, D, block.mlp_hidden);
    linear(queries, block.mlp_hidden, D);
    const std::int64_t heads = batch * block.heads;
    const std::int64_t Dh = block.head_dim();
    out.push_back({.groups = heads, .m = queries, .k = Dh, .n = N, .weights = false});
    out.push_back({.groups = heads, .m = queries, .k = N, .n = Dh, .weights = false});
  }
  return out;
}

/// A product that is ready to run, with operands of its own.
class Runner {
 public:
  Runner(const dnnl::engine& engine, const Product& p, const std::string& precision) {
    using Type = memory::data_type;
    const bool int8 = precision == "int8";
    const Type left = int8 ? Type::u8 : precision == "bf16" ? Type::bf16 : Type::f32;
    const Type right = int8 ? Type::s8 : left;
    const Type out = int8 ? Type::s32 : left;
    const memory::dims groups = p.weights ? memory::dims{} : memory::dims{p.groups};
    const auto describe = [&](std::int64_t rows, std::int64_t cols, Type type, bool any) {
      memory::dims dims = groups;
      dims.insert(dims.end(), {rows, cols});
      const auto plain = dims.size() == 2 ? memory::format_tag::ab : memory::format_tag::abc;
      return memory::desc(dims, type, any ? memory::format_tag::any : plain);
    };
    const dnnl::matmul::desc description(describe(p.m, p.k, left, false),
                                         describe(p.k, p.n, right, p.weights),
                                         describe(p.m, p.n, out, false));
    const dnnl::matmul::primitive_desc chosen(description, engine);
    product_ = dnnl::matmul(chosen);
    arguments_ = {{DNNL_ARG_SRC, filled(chosen.src_desc(), engine)},
                  {DNNL_ARG_WEIGHTS, filled(chosen.weights_desc(), engine)},
                  {DNNL_ARG_DST, filled(chosen.dst_desc(), engine)}};
  }

  void run(dnnl::stream& stream) { product_.execute(stream, arguments_); }

 private:
  // Small numbers in every type: no denormals, no infinities.
  static memory filled(const memory::desc& description, const dnnl::engine& engine) {
    memory out(description, engine);
    auto* bytes = static_cast<unsigned char*>(out.get_data_handle());
    std::fill_n(bytes, description.get_size(), static_cast<unsigned char>(0x3c));
    return out;
  }

  dnnl::matmul product_;
  std::unordered_map<int, memory> arguments_;
};

void time_products(const std::vector<Product>& products, std::int64_t repeats, RivalRow& row) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  // Each layer has weights of its own, as a model has; only attention operands are shared.
  std::vector<Runner> runners;
  for (const Product& product : products) {
    if (row.precision == "int8" && !product.weights) continue;
    runners.emplace_back(engine, product, row.precision);
  }
  const auto run = [&] {
    for (Runner& runner : runners) runner.run(stream);
    stream.wait();
  };
  time_runs(repeats, run, row);
}

int measure(const RivalSettings& settings) {
  omp_set_num_threads(static_cast<int>(settings.threads));
  const ModelFolder folder = open_model_folder(settings.model);
  const arch::EncoderSpec spec = arch::spec_from_json(folder.config_json, settings.model);
  if (spec.pyramid()) {
    throw UnsupportedError(settings.model,
                           "products of pyramids are not listed here; use a plain "
                           "encoder");
  }
  std::vector<RivalRow> rows;
  for (const std::string& precision : settings.precisions) {
    for (const std::int64_t batch : settings.batches) {
      rows.push_back({.precision = precision, .batch = batch, .threads = settings.threads});
      time_products(products_of(spec, batch), settings.repeats, rows.back());
    }
  }
  print_rows(rows);
  return 0;
}

}  // namespace
}  // namespace conopa::bench

int main(int argc, char** argv) {
  return conopa::bench::rival_main(argc, argv, "matrix products of a model by oneDNN",
                                   {.model = {}, .precisions = {"fp32", "bf16", "int8"}},
                                   conopa::bench::measure);
}
