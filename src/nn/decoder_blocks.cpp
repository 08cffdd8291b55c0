#include "nn/decoder_blocks.h"

namespace conopa::nn {

at::Tensor run_decoder(const at::Tensor& x, const std::vector<arch::BlockSpec>& blocks,
                       const Parameters& parameters, const arch::EncoderSpec& spec,
                       const ForwardOptions& options) {
  const std::int64_t W = x.size(2);
  const Pass pass{.options = options, .spec = spec, .batch = x.size(0), .tokens = x.size(1)};
  at::Tensor rows = x.reshape({-1, W});
  pass.keep("decoder_in", rows);
  Branch pending;
  for (const arch::BlockSpec& described : blocks) {
    const Block block(described, parameters);
    if (options.checkpoint_blocks && options.training && !pass.captures()) {
      block.run_checkpointed(rows, pending, pass);
    } else {
      block.run(rows, pending, pass);
    }
  }
  const NormParameters norm = norm_of(parameters, std::string(arch::names::kDecoderNorm),
                                      blocks.back().norm, blocks.back().norm_eps);
  return add_norm(rows, pending, norm, options.exec).second.view({x.size(0), -1, W});
}

}  // namespace conopa::nn
