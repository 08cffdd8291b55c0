#include "conopa/arch/weight_selection.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <span>

#include "conopa/arch/tensor_table.h"
#include "conopa/core/error.h"

namespace conopa::arch {

std::vector<std::int64_t> selection_indices(std::int64_t teacher, std::int64_t student) {
  if (student < 1 || student > teacher) {
    throw ShapeError("init-from-llama",
                     "the teacher must be at least as wide as the student, found {} for {}",
                     teacher, student);
  }
  std::vector<std::int64_t> out(static_cast<std::size_t>(student));
  if (teacher % student == 0) {
    for (std::int64_t i = 0; i < student; ++i) {
      out[static_cast<std::size_t>(i)] = i * (teacher / student);
    }
    return out;
  }
  // linspace in float32 counts from both ends: the second half runs down from the last value.
  const float last = static_cast<float>(teacher - 1);
  const float step = last / static_cast<float>(student - 1);
  for (std::int64_t i = 0; i < student; ++i) {
    const float value = i < student / 2 ? step * static_cast<float>(i)
                                        : last - step * static_cast<float>(student - 1 - i);
    out[static_cast<std::size_t>(i)] = static_cast<std::int64_t>(std::nearbyint(value));
  }
  return out;
}

HostTensor select_weights(const HostTensor& teacher, const Shape& student) {
  const std::size_t rank = student.size();
  if (rank != teacher.shape().size() || rank < 1 || rank > 2) {
    throw ShapeError("init-from-llama", "cannot select {} from {}: ranks differ or are not 1 or 2",
                     to_string(student), to_string(teacher.shape()));
  }
  const std::vector<std::int64_t> rows = selection_indices(teacher.dim(0), student[0]);
  const std::int64_t teacher_width = rank == 2 ? teacher.dim(1) : 1;
  const std::vector<std::int64_t> cols =
      rank == 2 ? selection_indices(teacher_width, student[1]) : std::vector<std::int64_t>{0};
  const auto size = static_cast<std::size_t>(dtype_size(teacher.dtype()));
  std::vector<std::byte> bytes(rows.size() * cols.size() * size);
  std::byte* target = bytes.data();
  for (const std::int64_t row : rows) {
    for (const std::int64_t col : cols) {
      const auto at = static_cast<std::size_t>(row * teacher_width + col) * size;
      std::memcpy(target, teacher.bytes().data() + at, size);
      target += size;
    }
  }
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  const std::span<const std::byte> view(*owner);
  return {teacher.dtype(), student, view, std::move(owner)};
}

HostTensor concat_rows(const std::vector<HostTensor>& parts) {
  CONOPA_ASSERT(!parts.empty());
  Shape shape = parts.front().shape();
  std::vector<std::byte> bytes;
  std::int64_t rows = 0;
  for (const HostTensor& part : parts) {
    Shape other = part.shape();
    if (other.empty() || other.size() != shape.size() || part.dtype() != parts.front().dtype() ||
        !std::equal(other.begin() + 1, other.end(), shape.begin() + 1)) {
      throw ShapeError("tensors", "cannot join {} and {} by rows: widths or dtypes differ",
                       to_string(shape), to_string(other));
    }
    rows += other[0];
    bytes.insert(bytes.end(), part.bytes().begin(), part.bytes().end());
  }
  shape[0] = rows;
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  const std::span<const std::byte> view(*owner);
  return {parts.front().dtype(), std::move(shape), view, std::move(owner)};
}

HostTensor concat_columns(const std::vector<HostTensor>& parts) {
  CONOPA_ASSERT(!parts.empty());
  const HostTensor& first = parts.front();
  std::int64_t columns = 0;
  for (const HostTensor& part : parts) {
    if (part.shape().size() != 2 || first.shape().size() != 2 || part.dim(0) != first.dim(0) ||
        part.dtype() != first.dtype()) {
      throw ShapeError("tensors", "cannot join {} and {} by columns: heights or dtypes differ",
                       to_string(first.shape()), to_string(part.shape()));
    }
    columns += part.dim(1);
  }
  const auto size = static_cast<std::size_t>(dtype_size(first.dtype()));
  std::vector<std::byte> bytes(static_cast<std::size_t>(first.dim(0) * columns) * size);
  std::byte* target = bytes.data();
  for (std::int64_t row = 0; row < first.dim(0); ++row) {
    for (const HostTensor& part : parts) {
      const std::size_t length = static_cast<std::size_t>(part.dim(1)) * size;
      if (length == 0) continue;
      std::memcpy(target, part.bytes().data() + static_cast<std::size_t>(row) * length, length);
      target += length;
    }
  }
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  const std::span<const std::byte> view(*owner);
  return {first.dtype(), {first.dim(0), columns}, view, std::move(owner)};
}

namespace {

struct Pair {
  std::string_view layer;                 // student, inside a block
  std::vector<std::string_view> hugging;  // teacher, inside a layer
  std::vector<std::string_view> meta;
};

const std::vector<Pair>& pairs() {
  static const std::vector<Pair> all{{names::kNorm1, {"input_layernorm"}, {"attention_norm"}},
                                     {names::kQkv,
                                      {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
                                      {"attention.wq", "attention.wk", "attention.wv"}},
                                     {names::kProj, {"self_attn.o_proj"}, {"attention.wo"}},
                                     {names::kNorm2, {"post_attention_layernorm"}, {"ffn_norm"}},
                                     {names::kGate, {"mlp.gate_proj"}, {"feed_forward.w1"}},
                                     {names::kDown, {"mlp.down_proj"}, {"feed_forward.w2"}},
                                     {names::kUp, {"mlp.up_proj"}, {"feed_forward.w3"}}};
  return all;
}

}  // namespace

std::vector<SelectionRule> llama_selection(const EncoderSpec& student, LlamaNaming naming) {
  if (student.norm != Norm::kRms || student.mlp != Mlp::kSwiglu) {
    throw ConfigError("init-from-llama",
                      "the student must use norm = \"rms\" and mlp = \"swiglu\", got {} and {}",
                      enum_name(student.norm), enum_name(student.mlp));
  }
  const TensorTable table(student);
  std::vector<SelectionRule> rules;
  for (std::int64_t i = 0; i < student.depth; ++i) {
    for (const Pair& pair : pairs()) {
      SelectionRule rule{
          .student = names::block(i, pair.layer) + ".weight", .shape = {}, .teachers = {}};
      rule.shape = table.find(rule.student)->shape;
      const bool hf = naming == LlamaNaming::kHuggingFace;
      for (const std::string_view part : hf ? pair.hugging : pair.meta) {
        rule.teachers.push_back(fmt::format("{}layers.{}.{}.weight", hf ? "model." : "", i, part));
      }
      rules.push_back(std::move(rule));
    }
  }
  return rules;
}

}  // namespace conopa::arch
