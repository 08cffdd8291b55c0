#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/conopa/llama_teacher.h"
#include "apps/conopa/model_store.h"
#include "conopa/arch/init.h"
#include "conopa/arch/weight_selection.h"
#include "conopa/io/safetensors.h"
#include "tests/app/command_run.h"
#include "tests/io/pth_testing.h"

namespace conopa {
namespace {

namespace fs = std::filesystem;
using testing::case_folder;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::PickleBuilder;
using testing::run_command;
using testing::TempDir;
using Json = nlohmann::json;

const char* const kCase = "illama/weight_selection";

/// The teacher of the case as the hub has it: shards and their index.
void write_sharded_teacher(const fs::path& folder) {
  fs::create_directories(folder);
  Json index{{"metadata", Json::object()}, {"weight_map", Json::object()}};
  for (const char* shard :
       {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    fs::copy_file(case_folder(kCase) / shard, folder / shard);
    const auto file = SafetensorsFile::open(folder / shard);
    for (const std::string& name : file->names()) index["weight_map"][name] = shard;
  }
  testing::write_plain(folder / "model.safetensors.index.json", index.dump());
}

std::map<std::string, HostTensor> teacher_tensors() {
  std::map<std::string, HostTensor> out;
  for (const char* shard :
       {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    const auto file = SafetensorsFile::open(case_folder(kCase) / shard);
    for (const std::string& name : file->names()) out[name] = file->read(name);
  }
  return out;
}

// Half `part` of a tensor: rows, or columns where Meta's files are cut that way.
HostTensor half(const HostTensor& whole, bool columns, std::int64_t part) {
  const std::int64_t rows = whole.dim(0) / (columns ? 1 : 2);
  const std::int64_t cols = whole.dim(1) / (columns ? 2 : 1);
  HostTensor out = HostTensor::zeros(whole.dtype(), {rows, cols});
  const auto all = whole.data<std::uint16_t>();
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::int64_t from =
          (r + (columns ? 0 : part * rows)) * whole.dim(1) + c + (columns ? part * cols : 0);
      out.mutable_data<std::uint16_t>()[static_cast<std::size_t>(r * cols + c)] =
          all[static_cast<std::size_t>(from)];
    }
  }
  return out;
}

void write_pth(const fs::path& path, const std::map<std::string, HostTensor>& tensors) {
  PickleBuilder pickle;
  pickle.proto().dict();
  testing::ZipBuilder zip;
  std::vector<std::pair<std::string, std::string>> storages;
  for (const auto& [name, tensor] : tensors) {
    const std::string key = std::to_string(storages.size());
    std::vector<std::int32_t> shape;
    std::vector<std::int32_t> strides;
    for (const std::int64_t side : tensor.shape()) shape.push_back(static_cast<int>(side));
    strides =
        shape.size() == 2 ? std::vector<std::int32_t>{shape[1], 1} : std::vector<std::int32_t>{1};
    pickle.string(name)
        .tensor("HalfStorage", key, static_cast<std::int32_t>(tensor.numel()), 0, shape, strides)
        .set_item();
    storages.emplace_back(key, std::string(reinterpret_cast<const char*>(tensor.bytes().data()),
                                           tensor.bytes().size()));
  }
  zip.stored("archive/data.pkl", pickle.stop());
  for (const auto& [key, bytes] : storages) zip.stored("archive/data/" + key, bytes);
  zip.stored("archive/version", "3\n");
  testing::write_plain(path, zip.bytes());
}

/// The teacher of the case as two files of Meta's model parallelism.
void write_meta_teacher(const fs::path& folder) {
  const std::vector<std::pair<std::string, std::string>> names{
      {"self_attn.q_proj", "attention.wq"},    {"self_attn.k_proj", "attention.wk"},
      {"self_attn.v_proj", "attention.wv"},    {"self_attn.o_proj", "attention.wo"},
      {"mlp.gate_proj", "feed_forward.w1"},    {"mlp.down_proj", "feed_forward.w2"},
      {"mlp.up_proj", "feed_forward.w3"},      {"input_layernorm", "attention_norm"},
      {"post_attention_layernorm", "ffn_norm"}};
  fs::create_directories(folder);
  const std::map<std::string, HostTensor> all = teacher_tensors();
  for (std::int64_t part = 0; part < 2; ++part) {
    std::map<std::string, HostTensor> mine;
    for (int layer = 0; layer < 3; ++layer) {
      for (const auto& [theirs, meta] : names) {
        const HostTensor& whole = all.at(fmt::format("model.layers.{}.{}.weight", layer, theirs));
        const bool columns = meta.ends_with("wo") || meta.ends_with("w2");
        mine[fmt::format("layers.{}.{}.weight", layer, meta)] =
            whole.shape().size() == 2 ? half(whole, columns, part) : whole;
      }
    }
    write_pth(folder / fmt::format("consolidated.0{}.pth", part), mine);
  }
}

std::vector<std::string> init_words(const fs::path& teacher, const fs::path& out) {
  return {"init-from-llama", teacher.string(), "--out",         out.string(), "--set",
          "dim=16",          "--set",          "depth=2",       "--set",      "heads=2",
          "--set",           "patch=8",        "--set",         "height=16",  "--set",
          "width=16",        "--set",          "num_classes=3", "--seed",     "5"};
}

void expect_selected(const fs::path& path) {
  const app::StoredModel model = app::open_model(path);
  const auto expected = SafetensorsFile::open(case_folder(kCase) / "io.safetensors");
  const arch::TensorTable table(model.spec);
  int selected = 0;
  for (const arch::TensorEntry& entry : table.entries()) {
    const std::string official = table.foreign_name(entry.name, "official");
    const std::vector<float> found = model.weights->read(entry.name).to_f32();
    if (expected->contains(official)) {
      EXPECT_EQ(found, expected->read(official).to_f32()) << entry.name;
      ++selected;
    } else {
      EXPECT_EQ(found, arch::initial_tensor(entry, 5).to_f32()) << entry.name;
    }
  }
  EXPECT_EQ(selected, 14);
}

TEST(InitFromLlamaCommandTest, SelectsFromHuggingFaceShards) {
  const TempDir dir;
  write_sharded_teacher(dir / "teacher");

  const CommandResult result = run_command(init_words(dir / "teacher", dir / "m"));

  ASSERT_EQ(result.code, 0) << result.error;
  EXPECT_THAT(result.out, HasSubstr("14 selected"));
  expect_selected(dir / "m");
}

TEST(InitFromLlamaCommandTest, JoinsMetasShards) {
  const TempDir dir;
  write_meta_teacher(dir / "teacher");

  const CommandResult folder = run_command(init_words(dir / "teacher", dir / "m"));
  const CommandResult file =
      run_command(init_words(dir / "teacher/consolidated.01.pth", dir / "n"));

  ASSERT_EQ(folder.code, 0) << folder.error;
  expect_selected(dir / "m");
  ASSERT_EQ(file.code, 0) << file.error;
  expect_selected(dir / "n");
}

TEST(InitFromLlamaCommandTest, ReadsNamesWithoutPrefix) {
  const TempDir dir;
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : teacher_tensors()) {
    tensors.push_back({name.starts_with("model.") ? name.substr(6) : name, tensor});
  }
  write_safetensors(dir / "teacher.safetensors", tensors);

  ASSERT_EQ(run_command(init_words(dir / "teacher.safetensors", dir / "m")).code, 0);
  expect_selected(dir / "m");
}

TEST(InitFromLlamaCommandTest, NeedsAsManyLayersAsTheStudent) {
  const TempDir dir;
  write_sharded_teacher(dir / "teacher");
  std::vector<std::string> words = init_words(dir / "teacher", dir / "m");
  words.insert(words.end(), {"--set", "depth=4"});

  const CommandResult result = run_command(words);

  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("expected at least the 4 layers of the student, found 3"));
  EXPECT_FALSE(fs::exists(dir / "m"));
}

TEST(InitFromLlamaCommandTest, RefusesGroupedQueries) {
  const TempDir dir;
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : teacher_tensors()) {
    const bool key = name.find("k_proj") != std::string::npos;
    tensors.push_back({name, key ? half(tensor, false, 0) : tensor});
  }
  write_safetensors(dir / "teacher.safetensors", tensors);

  const CommandResult result = run_command(init_words(dir / "teacher.safetensors", dir / "m"));

  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("multi-head attention"));
}

TEST(InitFromLlamaCommandTest, RefusesWhatIsNoLlama) {
  const TempDir dir;
  const fs::path vision = case_folder("illama/resize_posembed_up") / "weights.pth";

  const CommandResult result = run_command(init_words(vision, dir / "m"));

  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.error, HasSubstr("expected the tensors of a LLaMA"));
  EXPECT_EQ(run_command(init_words(dir / "absent", dir / "m")).code, 3);
  EXPECT_FALSE(fs::exists(dir / "m"));
}

TEST(ConcatColumnsTest, PutsMatricesSideBySide) {
  const std::vector<float> a{1, 2, 3, 4};
  const std::vector<float> b{5, 6};
  const HostTensor left = HostTensor::of<float>(DType::kF32, {2, 2}, a);
  const HostTensor right = HostTensor::of<float>(DType::kF32, {2, 1}, b);

  const HostTensor joined = arch::concat_columns({left, right});

  EXPECT_EQ(joined.shape(), (Shape{2, 3}));
  EXPECT_EQ(joined.to_f32(), (std::vector<float>{1, 2, 5, 3, 4, 6}));
  const HostTensor tall = HostTensor::zeros(DType::kF32, {3, 1});
  EXPECT_THROW((void)arch::concat_columns({left, tall}), ShapeError);
}

}  // namespace
}  // namespace conopa
