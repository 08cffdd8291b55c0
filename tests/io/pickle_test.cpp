#include "conopa/io/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "conopa/core/error.h"
#include "tests/io/pickle_builder.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::HasSubstr;
using testing::PickleBuilder;
using testing::TempDir;
using testing::to_bytes;
using namespace std::string_literals;

PickleValue parse(std::string_view pickle, const PickleLimits& limits = {}) {
  return parse_pickle(to_bytes(pickle), "test.pkl", limits).root;
}

TEST(PickleTest, ReadsScalarsOfEveryProtocol) {
  EXPECT_TRUE(parse("N.").is(PickleKind::kNone));
  EXPECT_EQ(parse("\x88.").as_bool(), true);
  EXPECT_EQ(parse("I00\n.").as_bool(), false);
  EXPECT_EQ(parse("I-12\n.").as_int(), -12);
  EXPECT_EQ(parse("L12345678901L\n.").as_int(), 12345678901);
  EXPECT_EQ(parse("K\xFF.").as_int(), 255);
  EXPECT_EQ(parse("M\x01\x02.").as_int(), 513);
  EXPECT_EQ(parse("J\xFE\xFF\xFF\xFF.").as_int(), -2);
  EXPECT_EQ(parse("\x8A\x00."s).as_int(), 0);
  EXPECT_EQ(parse("\x8A\x02\x00\xFF."s).as_int(), -256);
  EXPECT_EQ(parse("\x8B\x01\x00\x00\x00\x7F."s).as_int(), 127);
  EXPECT_EQ(parse("\x8A\x08\x00\x00\x00\x00\x00\x00\x00\x80."s).as_int(),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse("F1.5\n.").as_float(), 1.5);
  EXPECT_EQ(parse("G\x3F\xF8\x00\x00\x00\x00\x00\x00."s).as_float(), 1.5);
}

TEST(PickleTest, KeepsIntegersBeyond64BitsOpaque) {
  const PickleValue binary = parse("\x8A\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01."s);
  EXPECT_TRUE(binary.is(PickleKind::kBigInt));
  EXPECT_FALSE(binary.as_int().has_value());
  EXPECT_EQ(binary.text().size(), 9U);
  EXPECT_EQ(parse("L123456789012345678901234567890L\n.").text(), "123456789012345678901234567890");
}

TEST(PickleTest, ReadsTextOfEveryProtocol) {
  EXPECT_EQ(parse("X\x02\x00\x00\x00hi."s).as_string(), "hi");
  EXPECT_EQ(parse("\x8C\x02hi.").as_string(), "hi");
  EXPECT_EQ(parse("\x8D\x02\x00\x00\x00\x00\x00\x00\x00hi."s).as_string(), "hi");
  EXPECT_EQ(parse("U\x02hi.").as_string(), "hi");
  EXPECT_EQ(parse("T\x02\x00\x00\x00hi."s).as_string(), "hi");
  EXPECT_EQ(parse("S'a\\'b\\n\\x41\\\\'\n.").as_string(), "a'b\nA\\");
  EXPECT_EQ(parse("V\\u00e9\\U0001F999\xE9\n.").as_string(), "é🦙é");
  EXPECT_EQ(parse("C\x02hi.").text(), "hi");
  EXPECT_TRUE(parse("B\x02\x00\x00\x00hi."s).is(PickleKind::kBytes));
  EXPECT_EQ(parse("\x8E\x02\x00\x00\x00\x00\x00\x00\x00hi."s).text(), "hi");
  EXPECT_EQ(parse("\x96\x02\x00\x00\x00\x00\x00\x00\x00hi."s).text(), "hi");
}

TEST(PickleTest, ReadsContainers) {
  EXPECT_EQ(parse(").").size(), 0);
  EXPECT_EQ(parse("K\x01\x85.")[0].as_int(), 1);
  EXPECT_EQ(parse("K\x01K\x02\x86.")[1].as_int(), 2);
  EXPECT_EQ(parse("K\x01K\x02K\x03\x87.")[2].as_int(), 3);
  EXPECT_EQ(parse("(K\x01K\x02K\x03K\x04t.")[3].as_int(), 4);
  EXPECT_EQ(parse("](K\x01K\x02"
                  "eK\x03"
                  "a.")
                .size(),
            3);
  EXPECT_EQ(parse("(K\x01K\x02l.").size(), 2);
  EXPECT_EQ(parse("(K\x01K\x02"
                  "d.")
                .find(1)
                ->as_int(),
            2);
  EXPECT_EQ(parse("}(K\x01K\x02K\x03K\x04u.").find(3)->as_int(), 4);
  EXPECT_EQ(parse("\x8F(K\x01K\x02\x90.").size(), 2);
  EXPECT_TRUE(parse("(K\x01\x91.").is(PickleKind::kSet));
}

TEST(PickleTest, FindsStringAndIntegerKeysAndLastDuplicate) {
  const PickleValue dict = parse(PickleBuilder()
                                     .dict()
                                     .string("a")
                                     .integer(1)
                                     .set_item()
                                     .integer(7)
                                     .integer(2)
                                     .set_item()
                                     .string("a")
                                     .integer(3)
                                     .set_item()
                                     .stop());
  EXPECT_EQ(dict.size(), 3);
  EXPECT_EQ(dict.find("a")->as_int(), 3);
  EXPECT_EQ(dict.find(7)->as_int(), 2);
  EXPECT_FALSE(dict.find("b").has_value());
  EXPECT_EQ(dict.key(0).as_string(), "a");
}

TEST(PickleTest, SharesMemoisedValues) {
  const PickleValue twice = parse(
      "(]q\x05h\x05K\x01"
      "ah\x05t.");
  EXPECT_EQ(twice[0].id(), twice[1].id());
  EXPECT_EQ(twice[1].size(), 1);
  EXPECT_EQ(parse("(K\x07p3\ng3\nj\x03\x00\x00\x00t."s).size(), 3);
  EXPECT_EQ(parse("(K\x07\x94h\x00t."s)[1].as_int(), 7);
  EXPECT_EQ(parse("(K\x07r\xFF\xFF\xFF\xFFj\xFF\xFF\xFF\xFFt.")[1].as_int(), 7);
}

TEST(PickleTest, RebuildsHarmlessContainers) {
  EXPECT_TRUE(parse(PickleBuilder().ordered_dict().stop()).is(PickleKind::kDict));
  const PickleValue pairs = parse(PickleBuilder()
                                      .global("collections", "OrderedDict")
                                      .mark()
                                      .list()
                                      .mark()
                                      .string("k")
                                      .integer(5)
                                      .tuple()
                                      .append()
                                      .tuple()
                                      .reduce()
                                      .stop());
  EXPECT_EQ(pairs.find("k")->as_int(), 5);
  const PickleValue set = parse(PickleBuilder()
                                    .global("__builtin__", "set")
                                    .mark()
                                    .list()
                                    .integer(3)
                                    .append()
                                    .tuple()
                                    .reduce()
                                    .stop());
  EXPECT_TRUE(set.is(PickleKind::kSet));
  EXPECT_EQ(set[0].as_int(), 3);
  const PickleValue size = parse(
      PickleBuilder().global("torch", "Size").mark().integers({2, 3}).tuple().reduce().stop());
  EXPECT_TRUE(size.is(PickleKind::kTuple));
  EXPECT_EQ(size[1].as_int(), 3);
}

TEST(PickleTest, KeepsTheAttributesOfANamespace) {
  const PickleValue args = parse(PickleBuilder()
                                     .global("argparse", "Namespace")
                                     .empty_tuple()
                                     .raw("\x81")
                                     .dict()
                                     .string("lr")
                                     .raw("G?\xF0\0\0\0\0\0\0"s)
                                     .set_item()
                                     .raw("b")
                                     .stop());
  EXPECT_TRUE(args.is(PickleKind::kObject));
  EXPECT_EQ(args.text(), "argparse.Namespace");
  EXPECT_EQ(args.state()->find("lr")->as_float(), 1.0);
}

TEST(PickleTest, KeepsItemsAndEntriesOfUnknownClasses) {
  const PickleValue object = parse(PickleBuilder()
                                       .global("m", "C")
                                       .empty_tuple()
                                       .reduce()
                                       .integer(1)
                                       .append()
                                       .string("k")
                                       .integer(2)
                                       .set_item()
                                       .stop());
  EXPECT_EQ(object[0].as_int(), 1);
  EXPECT_EQ(object.entries()->find("k")->as_int(), 2);
}

TEST(PickleTest, ReadsEveryWayToCall) {
  for (const std::string& pickle :
       {"cm\nC\n)R."s, "cm\nC\n)\x81."s, "cm\nC\n)}\x92."s, "(cm\nC\no."s, "(im\nC\n."s,
        "\x8C\x01m\x8C\x01"
        "C\x93)R."s}) {
    const PickleValue value = parse(pickle);
    EXPECT_TRUE(value.is(PickleKind::kObject));
    EXPECT_EQ(value.text(), "m.C");
    EXPECT_EQ(value.args()->size(), 0);
  }
}

TEST(PickleTest, TellsHowFarItRead) {
  EXPECT_EQ(parse_pickle(to_bytes("K\x01.rest"), "x").consumed, 3);
}

TEST(PickleTest, DescribesValuesBriefly) {
  const PickleValue value = parse(PickleBuilder()
                                      .dict()
                                      .string("a")
                                      .integers({1, 2})
                                      .set_item()
                                      .string("b")
                                      .none()
                                      .set_item()
                                      .stop());
  EXPECT_EQ(value.describe(), "{'a': (1, 2), 'b': None}");
  EXPECT_EQ(value.describe(5), "{'a':...");
}

TEST(PickleHostileTest, NeverCallsAnything) {
  const TempDir dir;
  const std::string command = "touch " + (dir / "pwned").string();
  const auto call = [&](std::string_view module, std::string_view name) {
    return parse(
        PickleBuilder().global(module, name).mark().string(command).tuple().reduce().stop());
  };
  for (const auto& [module, name] : {std::pair{"os", "system"},
                                     {"posix", "system"},
                                     {"builtins", "eval"},
                                     {"builtins", "exec"},
                                     {"__builtin__", "eval"},
                                     {"subprocess", "Popen"},
                                     {"builtins", "getattr"},
                                     {"torch", "load"},
                                     {"runpy", "_run_code"}}) {
    const PickleValue value = call(module, name);
    EXPECT_TRUE(value.is(PickleKind::kObject)) << name;
    EXPECT_EQ(value.text(), fmt::format("{}.{}", module, name));
    EXPECT_EQ((*value.args())[0].as_string(), command);
  }
  EXPECT_TRUE(dir.names().empty());
}

TEST(PickleHostileTest, RefusesBrokenStreams) {
  for (const std::string& pickle : {""s,
                                    "."s,
                                    "N"s,
                                    "0."s,
                                    "R."s,
                                    "K\x01R."s,
                                    "t."s,
                                    "1."s,
                                    "a."s,
                                    "K\x01K\x02"
                                    "a."s,
                                    "K\x01K\x02K\x03s."s,
                                    "}(K\x01u."s,
                                    "h\x07."s,
                                    "g\n."s,
                                    "gx\n."s,
                                    "p1\n."s,
                                    "\xFF."s,
                                    "\x80\x06."s,
                                    "X\xFF\xFF\xFF\xFFhi."s,
                                    "\x8D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFhi."s,
                                    "\x8B\xFF\xFF\xFF\xFF."s,
                                    "Sabc\n."s,
                                    "Ix\n."s,
                                    "Fx\n."s,
                                    "cos\n."s,
                                    "V\\u12\n."s,
                                    "V\\UFFFFFFFF\n."s,
                                    "K\x01K\x02\x93."s,
                                    "K\x01}b."s,
                                    "(K\x01("s,
                                    "("s,
                                    "((."s,
                                    "K\x01(."s,
                                    "(o."s}) {
    EXPECT_THROW((void)parse(pickle), FormatError) << ::testing::PrintToString(pickle);
  }
}

TEST(PickleHostileTest, RefusesDataOutsideTheFile) {
  for (const std::string& pickle : {"\x82\x01."s, "\x97."s, "N\x98."s}) {
    EXPECT_THROW((void)parse(pickle), UnsupportedError);
  }
}

TEST(PickleHostileTest, SurvivesSelfReferenceAndDeepNesting) {
  const PickleValue self = parse(
      "]q\x01h\x01"
      "a.");
  EXPECT_EQ(self[0].id(), self.id());
  EXPECT_THAT(self.describe(), HasSubstr("..."));
  const PickleValue deep = parse(std::string("N") + std::string(1'000'000, '\x85') + ".");
  EXPECT_EQ(deep.size(), 1);
}

TEST(PickleHostileTest, BoundsValuesStackAndMemo) {
  const PickleLimits limits{.max_values = 1000, .max_stack = 100};
  const auto repeat = [](std::string_view piece, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += piece;
    return out;
  };
  EXPECT_THROW((void)parse(repeat("]0", 1001) + "N.", limits), FormatError);
  EXPECT_THROW((void)parse("N" + repeat("2", 101) + ".", limits), FormatError);
  EXPECT_THROW((void)parse(repeat("(", 101) + "N.", limits), FormatError);
  PickleBuilder memo;
  memo.none();
  for (std::uint32_t i = 0; i < 1001; ++i) memo.raw("r").number(i * 7);
  EXPECT_THROW((void)parse(memo.stop(), limits), FormatError);
}

TEST(PickleHostileTest, BoundsAmplificationByCopies) {
  // One list of 1,000 items, turned into a tuple again and again, 5 bytes each time.
  std::string pickle =
      "c__builtin__\ntuple\nq\x01"
      "0(" +
      std::string(1000, 'N') +
      "l\x85q\x02"
      "0";
  for (int i = 0; i < 100; ++i) pickle += "h\x01h\x02R0";
  EXPECT_THROW((void)parse(pickle + "N.", {.max_values = 50'000}), FormatError);
  // Long names joined again and again.
  const std::string name(1024, 'n');
  std::string joined = PickleBuilder().string(name).put(1).raw("0").bytes();
  for (int i = 0; i < 20'000; ++i)
    joined +=
        "h\x01h\x01\x93"
        "0";
  EXPECT_THROW((void)parse(joined + "N."), FormatError);
}

}  // namespace
}  // namespace conopa
