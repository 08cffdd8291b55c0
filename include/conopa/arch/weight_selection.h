#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conopa/arch/encoder_spec.h"
#include "conopa/core/host_tensor.h"

namespace conopa::arch {

/// Indices that pick `student` of `teacher` elements of one dimension: a stride if it divides, else
/// round-half-even(linspace(0, teacher − 1, student)) in float32.
/// @throws ShapeError unless 1 ≤ student ≤ teacher.
/// @source Weight selection (arXiv 2311.18823); iLLaMA (arXiv 2404.06773), appendix I.
[[nodiscard]] std::vector<std::int64_t> selection_indices(std::int64_t teacher,
                                                          std::int64_t student);

/// Picks a sub-tensor of shape `student` from a one- or two-dimensional tensor, each dimension by
/// selection_indices; the dtype stays.
/// @throws ShapeError if ranks differ or the teacher is smaller anywhere.
[[nodiscard]] HostTensor select_weights(const HostTensor& teacher, const Shape& student);

/// Joins tensors along dimension 0 (q, k, v rows of a teacher before the selection).
/// @throws ShapeError if dtypes or trailing dimensions differ.
[[nodiscard]] HostTensor concat_rows(const std::vector<HostTensor>& parts);

/// Joins matrices of equal height side by side.
/// @throws ShapeError if dtypes or heights differ or a tensor is no matrix.
[[nodiscard]] HostTensor concat_columns(const std::vector<HostTensor>& parts);

/// How one student tensor is made: selected from the row-wise concatenation of teacher tensors.
struct SelectionRule {
  std::string student;                ///< canonical name in the student's TensorTable
  Shape shape;                        ///< student shape
  std::vector<std::string> teachers;  ///< names in the teacher checkpoint
};

/// Spelling of the teacher's tensors.
enum class LlamaNaming {
  kHuggingFace,  ///< model.layers.0.self_attn.q_proj.weight
  kMeta          ///< layers.0.attention.wq.weight
};

/// Rules for all selected tensors of a student: norms, qkv weight, output projection and the three
/// SwiGLU matrices of every block; teacher layer i feeds block i. Everything else keeps its
/// initialisation.
/// @throws ConfigError if the student is not a bias-free RMSNorm/SwiGLU stack that a LLaMA can
/// feed.
[[nodiscard]] std::vector<SelectionRule> llama_selection(const EncoderSpec& student,
                                                         LlamaNaming naming);

}  // namespace conopa::arch
