// Element and block types of GGUF tensors, with the sizes that ggml gives them.

#include <algorithm>
#include <array>

#include "conopa/io/gguf_value.h"

namespace conopa {
namespace {

constexpr auto kNone = std::nullopt;
constexpr std::array kTypes{
    GgufType{0, "F32", 1, 4, DType::kF32},    GgufType{1, "F16", 1, 2, DType::kF16},
    GgufType{2, "Q4_0", 32, 18, kNone},       GgufType{3, "Q4_1", 32, 20, kNone},
    GgufType{6, "Q5_0", 32, 22, kNone},       GgufType{7, "Q5_1", 32, 24, kNone},
    GgufType{8, "Q8_0", 32, 34, kNone},       GgufType{9, "Q8_1", 32, 36, kNone},
    GgufType{10, "Q2_K", 256, 84, kNone},     GgufType{11, "Q3_K", 256, 110, kNone},
    GgufType{12, "Q4_K", 256, 144, kNone},    GgufType{13, "Q5_K", 256, 176, kNone},
    GgufType{14, "Q6_K", 256, 210, kNone},    GgufType{15, "Q8_K", 256, 292, kNone},
    GgufType{16, "IQ2_XXS", 256, 66, kNone},  GgufType{17, "IQ2_XS", 256, 74, kNone},
    GgufType{18, "IQ3_XXS", 256, 98, kNone},  GgufType{19, "IQ1_S", 256, 50, kNone},
    GgufType{20, "IQ4_NL", 32, 18, kNone},    GgufType{21, "IQ3_S", 256, 110, kNone},
    GgufType{22, "IQ2_S", 256, 82, kNone},    GgufType{23, "IQ4_XS", 256, 136, kNone},
    GgufType{24, "I8", 1, 1, DType::kI8},     GgufType{25, "I16", 1, 2, DType::kI16},
    GgufType{26, "I32", 1, 4, DType::kI32},   GgufType{27, "I64", 1, 8, DType::kI64},
    GgufType{28, "F64", 1, 8, DType::kF64},   GgufType{29, "IQ1_M", 256, 56, kNone},
    GgufType{30, "BF16", 1, 2, DType::kBF16}, GgufType{34, "TQ1_0", 256, 54, kNone},
    GgufType{35, "TQ2_0", 256, 66, kNone},    GgufType{39, "MXFP4", 32, 17, kNone}};

template <typename Key>
const GgufType* find(Key GgufType::*member, const Key& key) noexcept {
  const auto it = std::ranges::find(kTypes, key, member);
  return it == kTypes.end() ? nullptr : &*it;
}

}  // namespace

const GgufType* find_gguf_type(std::uint32_t id) noexcept { return find(&GgufType::id, id); }

const GgufType* find_gguf_type(std::string_view name) noexcept {
  return find(&GgufType::name, name);
}

const GgufType* find_gguf_type(DType dtype) noexcept {
  return find(&GgufType::dtype, std::optional<DType>(dtype));
}

}  // namespace conopa
