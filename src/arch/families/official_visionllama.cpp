// The official naming of both VisionLLaMA families.

#include "arch/families/families.h"

namespace conopa::arch {
namespace {

bool is_swiglu(const EncoderSpec& spec) {
  return spec.decoder == Decoder::kNone && spec.mlp == Mlp::kSwiglu && !spec.mlp_bias &&
         spec.head_norm == HeadNorm::kNone;
}

bool is_gelu(const EncoderSpec& spec) {
  return spec.decoder == Decoder::kNone && spec.mlp == Mlp::kGelu &&
         spec.head_norm == HeadNorm::kNone;
}

}  // namespace

std::vector<NamingScheme> official_visionllama_schemes() {
  const RenameRule gamma1{".ls1", ".gamma_1"};
  const RenameRule gamma2{".ls2", ".gamma_2"};
  return {{.name = "official",
           .replace = {gamma1,
                       gamma2,
                       {".mlp.gate.", ".mlp.c_fc1."},
                       {".mlp.up.", ".mlp.c_fc2."},
                       {".mlp.down.", ".mlp.c_proj."}},
           .serves = is_swiglu},
          {.name = "official_gelu",
           .replace = {gamma1, gamma2, {".mlp.up.", ".mlp.fc1."}, {".mlp.down.", ".mlp.fc2."}},
           .serves = is_gelu}};
}

}  // namespace conopa::arch
