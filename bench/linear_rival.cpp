#include "bench/linear_rival.h"

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

namespace conopa::bench {
namespace {

using dnnl::memory;
using kernels::ActType;

memory::data_type data_type(ActType type) {
  return type == ActType::kF32    ? memory::data_type::f32
         : type == ActType::kBf16 ? memory::data_type::bf16
                                  : memory::data_type::s8;
}

dnnl::matmul::primitive_desc describe(const LinearRival::Shape& s, const dnnl::engine& engine) {
  const memory::data_type in = data_type(s.type);
  const memory::data_type out = data_type(s.type == ActType::kF32 ? s.type : ActType::kBf16);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::library);
  if (s.gelu) {
    dnnl::post_ops after;
    after.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_erf, 0.0F, 0.0F);
    attributes.set_post_ops(after);
  }
  if (s.type == ActType::kI8) {
    attributes.set_output_scales(2, std::vector<float>(static_cast<std::size_t>(s.N), 1e-4F));
  }
  const dnnl::matmul::desc desc({{s.M, s.K}, in, memory::format_tag::ab},
                                {{s.K, s.N}, in, memory::format_tag::any},
                                {{1, s.N}, memory::data_type::f32, memory::format_tag::ab},
                                {{s.M, s.N}, out, memory::format_tag::ab});
  return {desc, attributes, engine};
}

}  // namespace

struct LinearRival::Impl {
  explicit Impl(const Shape& s)
      : engine(dnnl::engine::kind::cpu, 0),
        stream(engine),
        desc(describe(s, engine)),
        product(desc) {
    arguments = {{DNNL_ARG_SRC, memory(desc.src_desc(), engine)},
                 {DNNL_ARG_WEIGHTS, memory(desc.weights_desc(), engine)},
                 {DNNL_ARG_BIAS, memory(desc.bias_desc(), engine)},
                 {DNNL_ARG_DST, memory(desc.dst_desc(), engine)}};
    for (auto& [name, buffer] : arguments) {
      auto* bytes = static_cast<unsigned char*>(buffer.get_data_handle());
      std::fill_n(bytes, buffer.get_desc().get_size(), static_cast<unsigned char>(0x3C));
    }
  }

  dnnl::engine engine;
  dnnl::stream stream;
  dnnl::matmul::primitive_desc desc;
  dnnl::matmul product;
  std::unordered_map<int, memory> arguments;
};

LinearRival::LinearRival(const Shape& shape) : impl_(std::make_unique<Impl>(shape)) {}
LinearRival::~LinearRival() = default;

void LinearRival::run() {
  impl_->product.execute(impl_->stream, impl_->arguments);
  impl_->stream.wait();
}

}  // namespace conopa::bench
