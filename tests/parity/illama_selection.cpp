#include <nlohmann/json.hpp>

#include "checkers.h"
#include "conopa/arch/weight_selection.h"
#include "conopa/core/error.h"
#include "conopa/io/safetensors.h"
#include "models.h"

namespace conopa::parity {
namespace {

// The teacher's shards lie next to the case.
std::vector<std::shared_ptr<const TensorSource>> open_teacher(const Case& c) {
  std::vector<std::shared_ptr<const TensorSource>> shards;
  for (const auto& entry : std::filesystem::directory_iterator(c.folder)) {
    if (entry.path().filename().string().starts_with("model") &&
        entry.path().extension() == ".safetensors") {
      shards.push_back(SafetensorsFile::open(entry.path()));
    }
  }
  return shards;
}

HostTensor read_teacher(const std::vector<std::shared_ptr<const TensorSource>>& shards,
                        const std::string& name) {
  for (const auto& shard : shards) {
    if (shard->contains(name)) return shard->read(name);
  }
  throw FormatError("weight selection", "no shard holds {}", name);
}

struct Widths {
  std::int64_t teacher, student;
};

// "idx.7b_tiny_qkv": LLaMA2-7B dimension → iLLaMA dimension.
Widths widths_of(const std::string& name) {
  const arch::EncoderSpec student = [&] {
    arch::EncoderSpec spec;
    spec.dim = name.find("tiny") != std::string::npos    ? 192
               : name.find("small") != std::string::npos ? 384
                                                         : 768;
    spec.resolve();
    return spec;
  }();
  if (name.ends_with("_qkv")) return {3 * 4096, 3 * student.dim};
  if (name.ends_with("_ffn")) return {11008, student.mlp_hidden};
  return {4096, student.dim};
}

}  // namespace

void check_illama_selection(const Case& c, Outcome& out) {
  const arch::EncoderSpec student = illama_spec(c.args().at("student"));
  const auto shards = open_teacher(c);
  const arch::TensorTable table(student);
  for (const arch::SelectionRule& rule :
       arch::llama_selection(student, arch::LlamaNaming::kHuggingFace)) {
    std::vector<HostTensor> parts;
    for (const std::string& name : rule.teachers) parts.push_back(read_teacher(shards, name));
    const HostTensor joined = parts.size() == 1 ? parts.front() : arch::concat_rows(parts);
    const std::string official = table.foreign_name(rule.student, "official");
    if (c.io->contains(official)) {
      out.compare_exactly(official, arch::select_weights(joined, rule.shape));
    }
  }
  for (const std::string& name : c.expected_outputs()) {
    if (!name.starts_with("idx.")) continue;
    std::set<std::int64_t> ties;
    if (c.json.contains("near_ties") && c.json["near_ties"].contains(name)) {
      ties = c.json["near_ties"][name].get<std::set<std::int64_t>>();
    }
    const Widths widths = widths_of(name);
    out.compare_integers(name, arch::selection_indices(widths.teacher, widths.student), ties);
  }
}

}  // namespace conopa::parity
