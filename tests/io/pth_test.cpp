#include "conopa/io/pth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/io/pth_testing.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::legacy_checkpoint;
using testing::message_of;
using testing::open_bytes;
using testing::PickleBuilder;
using testing::raw;
using testing::zip_checkpoint;
using namespace std::string_literals;

const std::string kSix = raw<float>({0, 1, 2, 3, 4, 5});

/// {"w": float tensor [2, 3] over storage 0} below the given keys.
std::string nested(std::initializer_list<std::string_view> keys, std::string_view name = "w") {
  PickleBuilder out;
  out.proto();
  for (const std::string_view key : keys) out.dict().string(key);
  out.dict().string(name).tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1}).set_item();
  for (std::size_t i = 0; i < keys.size(); ++i) out.set_item();
  return out.stop();
}

TEST(PthFileTest, ReadsAPlainStateDict) {
  const auto file = open_bytes(zip_checkpoint(nested({}), {{"0", kSix}}).bytes());
  EXPECT_THAT(file->names(), ElementsAre("w"));
  EXPECT_EQ(file->info("w").shape, (Shape{2, 3}));
  EXPECT_THAT(file->read("w").data<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(file->selected_path(), "");
  EXPECT_FALSE(file->is_legacy());
}

TEST(PthFileTest, ReadsEveryStorageType) {
  for (const auto& [storage, dtype] : {std::pair{"DoubleStorage", DType::kF64},
                                       {"FloatStorage", DType::kF32},
                                       {"HalfStorage", DType::kF16},
                                       {"BFloat16Storage", DType::kBF16},
                                       {"LongStorage", DType::kI64},
                                       {"IntStorage", DType::kI32},
                                       {"ShortStorage", DType::kI16},
                                       {"CharStorage", DType::kI8},
                                       {"ByteStorage", DType::kU8},
                                       {"BoolStorage", DType::kBool}}) {
    const auto size = static_cast<std::size_t>(dtype_size(dtype));
    std::string bytes(2 * size, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i + 1);
    const std::string pickle = PickleBuilder()
                                   .proto()
                                   .dict()
                                   .string("x")
                                   .tensor(storage, "0", 2, 0, {2}, {1})
                                   .set_item()
                                   .stop();
    const std::string zip = zip_checkpoint(pickle, {{"0", bytes}}).bytes();
    const std::string legacy =
        legacy_checkpoint(pickle, {{"0", static_cast<std::int64_t>(size), bytes}});
    for (const std::string& form : {zip, legacy}) {
      const HostTensor tensor = open_bytes(form)->read("x");
      EXPECT_EQ(tensor.dtype(), dtype);
      EXPECT_TRUE(std::ranges::equal(tensor.bytes(), testing::to_bytes(bytes))) << storage;
    }
  }
}

TEST(PthFileTest, MakesStridedAndSharedTensorsDense) {
  PickleBuilder p;
  p.proto().dict();
  p.string("transposed").tensor("FloatStorage", "0", 6, 0, {3, 2}, {1, 3}).set_item();
  p.string("column").tensor("FloatStorage", "0", 6, 1, {2}, {3}).set_item();
  p.string("tail").tensor("FloatStorage", "0", 6, 4, {2}, {1}).set_item();
  p.string("expanded").tensor("FloatStorage", "0", 6, 5, {2, 2}, {0, 0}).set_item();
  p.string("cube").tensor("FloatStorage", "0", 6, 0, {2, 1, 3}, {1, 77, 2}).set_item();
  p.string("scalar").tensor("FloatStorage", "0", 6, 3, {}, {}).set_item();
  p.string("empty").tensor("FloatStorage", "9", 0, 0, {0, 4}, {4, 1}).set_item();
  const auto file = open_bytes(zip_checkpoint(p.stop(), {{"0", kSix}}).bytes());
  const auto values = [&](std::string_view name) { return file->read(name).to_f32(); };
  EXPECT_THAT(values("transposed"), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(values("column"), ElementsAre(1, 4));
  EXPECT_THAT(values("tail"), ElementsAre(4, 5));
  EXPECT_THAT(values("expanded"), ElementsAre(5, 5, 5, 5));
  EXPECT_THAT(values("cube"), ElementsAre(0, 2, 4, 1, 3, 5));
  EXPECT_THAT(values("scalar"), ElementsAre(3));
  EXPECT_THAT(values("empty"), IsEmpty());
  EXPECT_EQ(file->info("empty").shape, (Shape{0, 4}));
}

TEST(PthFileTest, FindsTheModelInsideWrappers) {
  const auto open = [](std::initializer_list<std::string_view> keys,
                       const PthOptions& options = {}) {
    return open_bytes(zip_checkpoint(nested(keys), {{"0", kSix}}).bytes(), options);
  };
  for (const std::string_view key : {"model", "state_dict", "module", "model_ema"}) {
    EXPECT_EQ(open({key})->selected_path(), key);
  }
  EXPECT_EQ(open({"state_dict", "model"})->selected_path(), "state_dict/model");
  EXPECT_THAT(open({"encoder"})->names(), ElementsAre("encoder.w"));
  EXPECT_THAT(open({"model"}, {.key_path = ""})->names(), ElementsAre("model.w"));
  EXPECT_THAT(open({"a", "b"}, {.key_path = "a/b"})->names(), ElementsAre("w"));
  EXPECT_THAT(message_of<FormatError>([&] { (void)open({"a"}, {.key_path = "a/x"}); }),
              HasSubstr("key 'x'"));
}

TEST(PthFileTest, StripsWrapperPrefixesOnlyWhenShared) {
  const auto both = [](std::string_view first, std::string_view second) {
    PickleBuilder p;
    p.proto().dict();
    p.string(first).tensor("FloatStorage", "0", 6, 0, {6}, {1}).set_item();
    p.string(second).tensor("FloatStorage", "0", 6, 0, {6}, {1}).set_item();
    return zip_checkpoint(p.stop(), {{"0", kSix}}).bytes();
  };
  const auto stripped = open_bytes(both("module.a", "module.b"));
  EXPECT_THAT(stripped->names(), ElementsAre("a", "b"));
  EXPECT_EQ(stripped->stripped_prefix(), "module.");
  EXPECT_THAT(open_bytes(both("module.a", "b"))->names(), ElementsAre("module.a", "b"));
  EXPECT_THAT(open_bytes(both("_orig_mod.a", "_orig_mod.b"))->names(), ElementsAre("a", "b"));
  EXPECT_THAT(open_bytes(both("module.a", "module.b"), {.strip_wrapper_prefix = false})->names(),
              ElementsAre("module.a", "module.b"));
}

/// A training state as the published iLLaMA files have it.
std::string training_state() {
  PickleBuilder p;
  p.proto().dict();
  p.string("model")
      .dict()
      .string("w")
      .tensor("FloatStorage", "0", 6, 0, {6}, {1})
      .set_item()
      .set_item();
  p.string("optimizer")
      .dict()
      .string("state")
      .dict()
      .integer(0)
      .dict()
      .string("exp_avg")
      .tensor("FloatStorage", "1", 1, 0, {1}, {1})
      .set_item()
      .set_item()
      .set_item()
      .set_item();
  p.string("epoch").string("best").set_item();
  p.string("args")
      .global("argparse", "Namespace")
      .empty_tuple()
      .raw("\x81")
      .dict()
      .string("lr")
      .integer(4)
      .set_item()
      .raw("b")
      .set_item();
  p.string("loss")
      .global("numpy.core.multiarray", "scalar")
      .mark()
      .global("numpy", "dtype")
      .mark()
      .string("f8")
      .integer(0)
      .integer(1)
      .tuple()
      .reduce()
      .global("_codecs", "encode")
      .mark()
      .string("x")
      .string("latin1")
      .tuple()
      .reduce()
      .tuple()
      .reduce()
      .set_item();
  return zip_checkpoint(p.stop(), {{"0", kSix}, {"1", raw<float>({7})}}).bytes();
}

TEST(PthFileTest, ReadsAFullTrainingState) {
  const auto file = open_bytes(training_state());
  EXPECT_EQ(file->selected_path(), "model");
  EXPECT_THAT(file->names(), ElementsAre("w"));
  EXPECT_EQ(file->root().find("epoch")->as_string(), "best");
  EXPECT_EQ(file->root().find("args")->state()->find("lr")->as_int(), 4);
  const PickleValue state = *file->root().find("optimizer")->find("state")->find(0);
  EXPECT_THAT(file->tensor_at(*state.find("exp_avg"))->to_f32(), ElementsAre(7));
  EXPECT_FALSE(file->tensor_at(file->root()).has_value());
}

TEST(PthFileTest, NamesNestedValuesByKeysAndPositions) {
  PickleBuilder p;
  p.proto()
      .dict()
      .string("state")
      .dict()
      .integer(3)
      .list()
      .tensor("FloatStorage", "0", 6, 0, {6}, {1})
      .append()
      .set_item()
      .set_item();
  p.string("odd").global("m", "C").empty_tuple().reduce().set_item();
  const auto file = open_bytes(zip_checkpoint(p.stop(), {{"0", kSix}}).bytes());
  EXPECT_THAT(file->names(), ElementsAre("state.3.0"));
  EXPECT_THAT(file->skipped(), ElementsAre("odd: m.C"));
  const PthOptions below{.key_path = "state/3"};
  EXPECT_THAT(open_bytes(zip_checkpoint(p.stop(), {{"0", kSix}}).bytes(), below)->names(),
              ElementsAre("0"));
}

TEST(PthFileTest, ReadsParametersSubclassesAndUntypedStorages) {
  PickleBuilder p;
  p.proto().dict();
  p.string("parameter")
      .global("torch._utils", "_rebuild_parameter")
      .mark()
      .tensor("FloatStorage", "0", 6, 0, {6}, {1})
      .boolean(true)
      .ordered_dict()
      .tuple()
      .reduce()
      .set_item();
  p.string("subclass")
      .global("torch._tensor", "_rebuild_from_type_v2")
      .mark()
      .global("torch._utils", "_rebuild_tensor_v2")
      .global("my", "Tensor")
      .mark()
      .storage("FloatStorage", "0", 6)
      .integer(0)
      .integers({6})
      .integers({1})
      .boolean(false)
      .ordered_dict()
      .tuple()
      .dict()
      .tuple()
      .reduce()
      .set_item();
  p.string("old")
      .global("torch._utils", "_rebuild_tensor")
      .mark()
      .storage("FloatStorage", "0", 6)
      .integer(0)
      .integers({6})
      .integers({1})
      .tuple()
      .reduce()
      .set_item();
  for (const std::string_view dtype : {"bfloat16", "float8_e4m3fn"}) {
    p.string(dtype)
        .global("torch._utils", "_rebuild_tensor_v3")
        .mark()
        .storage("UntypedStorage", "0", 24)
        .integer(0)
        .integers({6})
        .integers({1})
        .boolean(false)
        .ordered_dict()
        .global("torch", dtype)
        .tuple()
        .reduce()
        .set_item();
  }
  const auto file = open_bytes(zip_checkpoint(p.stop(), {{"0", kSix}}).bytes());
  EXPECT_THAT(file->read("parameter").to_f32(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(file->read("subclass").to_f32(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(file->read("old").to_f32(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(file->read("bfloat16").dtype(), DType::kBF16);
  EXPECT_EQ(file->info("float8_e4m3fn").dtype_name, "float8_e4m3fn");
  EXPECT_THROW((void)file->read("float8_e4m3fn"), UnsupportedError);
}

TEST(PthFileTest, ReadsASavedModule) {
  PickleBuilder p;
  p.proto().global("my.models", "Net").empty_tuple().raw("\x81").dict();
  p.string("training").boolean(true).set_item();
  p.string("_parameters")
      .ordered_dict()
      .string("scale")
      .tensor("FloatStorage", "0", 6, 0, {1}, {1})
      .set_item()
      .set_item();
  p.string("_buffers").ordered_dict().set_item();
  p.string("_modules")
      .ordered_dict()
      .string("fc")
      .global("torch.nn.modules.linear", "Linear")
      .empty_tuple()
      .raw("\x81")
      .dict()
      .string("_parameters")
      .ordered_dict()
      .string("weight")
      .tensor("FloatStorage", "0", 6, 0, {6}, {1})
      .set_item()
      .set_item()
      .string("_modules")
      .ordered_dict()
      .set_item()
      .raw("b")
      .set_item()
      .set_item();
  const auto file = open_bytes(zip_checkpoint(p.raw("b").stop(), {{"0", kSix}}).bytes());
  EXPECT_THAT(file->names(), ElementsAre("scale", "fc.weight"));
}

TEST(PthFileTest, InflatesDeflatedStorages) {
  const std::string bytes =
      testing::ZipBuilder().deflated("a/data.pkl", nested({})).deflated("a/data/0", kSix).bytes();
  EXPECT_THAT(open_bytes(bytes)->read("w").to_f32(), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(PthFileTest, ReadsTheLegacyForm) {
  PickleBuilder p;
  p.proto().ordered_dict();
  p.string("a").tensor("FloatStorage", "94", 6, 0, {2, 3}, {3, 1}).set_item();
  p.string("b").tensor("LongStorage", "7", 2, 1, {1}, {1}).set_item();
  const auto file = open_bytes(
      legacy_checkpoint(p.stop(), {{"7", 8, raw<std::int64_t>({5, -6})}, {"94", 4, kSix}}));
  EXPECT_TRUE(file->is_legacy());
  EXPECT_THAT(file->read("a").data<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(file->read("b").to_i64(), ElementsAre(-6));
}

TEST(PthFileTest, ReadsLegacyStorageViews) {
  PickleBuilder p;
  p.proto().dict().string("v").global("torch._utils", "_rebuild_tensor_v2").mark();
  p.mark()
      .string("storage")
      .global("torch", "FloatStorage")
      .string("0")
      .string("cpu")
      .integer(6)
      .mark()
      .string("view")
      .integer(2)
      .integer(3)
      .tuple()
      .tuple()
      .raw("Q");
  p.integer(1)
      .integers({2})
      .integers({1})
      .boolean(false)
      .ordered_dict()
      .tuple()
      .reduce()
      .set_item();
  const auto file = open_bytes(legacy_checkpoint(p.stop(), {{"0", 4, kSix}}));
  EXPECT_THAT(file->read("v").to_f32(), ElementsAre(3, 4));
}

TEST(PthFileTest, RefusesBigEndianFiles) {
  EXPECT_THROW((void)open_bytes(legacy_checkpoint(nested({}), {{"0", 4, kSix}}, false)),
               UnsupportedError);
  auto zip = zip_checkpoint(nested({}), {{"0", kSix}});
  EXPECT_THROW((void)open_bytes(zip.stored("archive/byteorder", "big").bytes()), UnsupportedError);
}

}  // namespace
}  // namespace conopa
