#include "kernels/linear_check.h"

#include <string_view>

#include "conopa/core/error.h"
#include "kernels/check.h"
#include "kernels/linear_source.h"

namespace conopa::kernels::detail {
namespace {

constexpr std::string_view kWhere = "linear";

const char* type_name(ActType type) noexcept {
  constexpr const char* kNames[] = {"f32", "bf16", "i8"};
  return kNames[static_cast<std::size_t>(type)];
}

void require(bool fine, std::string_view expected, std::int64_t found) {
  if (!fine) throw ShapeError(kWhere, "expected {}, got {}; check the caller", expected, found);
}

void require_pointer(const void* pointer, std::string_view what) {
  if (pointer == nullptr) {
    throw ShapeError(kWhere, "expected a pointer to {}, got null; check the caller", what);
  }
}

void check_view(const WeightView& view, const WeightPack& args) {
  require_pointer(view.data, "the weight");
  if (view.form == WeightForm::kI8) require_pointer(view.scale, "the scales of an int8 weight");
  if (!is_block_form(view.form)) return;
  require(args.K % kBlockLength == 0, "inputs in multiples of 32 for a block form", args.K);
  if (args.compute == ActType::kI8) {
    throw UnsupportedError(kWhere,
                           "expected a weight of f32, f16, bf16 or i8 for int8, got {}; "
                           "choose float32 or bf16 for this weight",
                           form_name(view.form));
  }
}

void check_rope(const LinearRope& rope, std::int64_t columns) {
  if (rope.cos == nullptr && rope.sin == nullptr) return;
  require_pointer(rope.cos, "the cosines");
  require_pointer(rope.sin, "the sines");
  require(rope.tokens > 0, "at least one token in the rotation table", rope.tokens);
  require(rope.heads > 0, "at least one head to rotate", rope.heads);
  require(rope.head_width > 0 && rope.head_width % 2 == 0, "an even head width to rotate",
          rope.head_width);
  require(rope.head_stride >= 0, "a head stride of at least 0", rope.head_stride);
  require(rope.columns >= 0 && rope.columns <= columns, "rotated columns within the output",
          rope.columns);
  require(rope.columns % (rope.heads * rope.head_width) == 0,
          "rotated columns in whole sections of heads * head width", rope.columns);
}

void check_epilogue(const LinearArgs& args) {
  const Epilogue& e = args.epilogue;
  const std::int64_t columns = args.weight->outputs();
  if (args.weight->gated()) {
    require(e.activation == Activation::kNone, "no activation besides the gate's", 1);
  } else {
    require(e.gate_bias == nullptr, "a gated weight to go with the gate's bias; gates", 0);
  }
  if (e.residual != nullptr) {
    require(e.residual_stride >= columns, "a residual stride of at least the outputs",
            e.residual_stride);
  }
  require(e.residual_rows >= 0, "residual rows of at least 0", e.residual_rows);
  if (args.weight->gated()) {
    require(e.rope.cos == nullptr && e.rope.sin == nullptr, "no rotation of a gated product", 1);
  }
  check_rope(e.rope, columns);
}

void check_input(const LinearArgs& args) {
  const PackedWeight& weight = *args.weight;
  if (args.x.type != weight.compute()) {
    throw ShapeError(kWhere,
                     "expected input of type {}, got {}; convert it or pack the weight anew",
                     type_name(weight.compute()), type_name(args.x.type));
  }
  require_pointer(args.x.data, "the input");
  if (args.x.type == ActType::kI8) require_pointer(args.x.scale, "the scales of int8 input");
  require(args.x.stride >= act_padded(args.x.type, weight.inputs()),
          "an input stride of at least the padded inputs", args.x.stride);
}

void check_output(const LinearArgs& args) {
  if (args.y.type == ActType::kI8) {
    throw ShapeError(kWhere, "expected output of type f32 or bf16, got i8; convert it afterwards");
  }
  require_pointer(args.y.data, "the output");
  require(args.y.stride >= act_padded(args.y.type, args.weight->outputs()),
          "an output stride of at least the padded outputs", args.y.stride);
  require(args.group >= 0, "a group of at least 0 rows", args.group);
  require(args.group == 0 || args.group_stride >= args.group,
          "a group stride of at least the group", args.group_stride);
}

}  // namespace

void check_weight_pack(const WeightPack& args, Isa isa) {
  require_dimension(kWhere, "outputs", args.N, 1);
  require_dimension(kWhere, "inputs", args.K, 1);
  check_view(args.weight, args);
  if (!args.gate.empty()) check_view(args.gate, args);
  if (isa > detected_isa()) {
    throw UnsupportedError(kWhere, "expected at most {}, got {}; lower the level",
                           isa_name(detected_isa()), isa_name(isa));
  }
}

void check_linear(const LinearArgs& args) {
  require(args.M >= 0, "at least 0 rows", args.M);
  require_pointer(args.weight == nullptr ? nullptr : args.weight->impl(), "a packed weight");
  if (args.M == 0) return;
  check_input(args);
  check_output(args);
  check_epilogue(args);
}

}  // namespace conopa::kernels::detail
