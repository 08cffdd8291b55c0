#include "conopa/io/npz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conopa/core/error.h"
#include "tests/io/temp_dir.h"
#include "tests/io/zip_builder.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using testing::raw;
using testing::to_bytes;
using testing::ZipBuilder;
using namespace std::string_literals;

std::string npy(const std::string& dict, std::string_view data, int version = 1) {
  std::string out = "\x93NUMPY"s + static_cast<char>(version) + '\0';
  const std::string header = dict + "\n";
  if (version == 1) {
    out += raw<std::uint16_t>({static_cast<std::uint16_t>(header.size())});
  } else {
    out += raw<std::uint32_t>({static_cast<std::uint32_t>(header.size())});
  }
  return out + header + std::string(data);
}

std::string dict_of(std::string_view descr, std::string_view shape, std::string_view fortran) {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", descr, fortran,
                     shape);
}

std::unique_ptr<NumpyFile> open(std::string_view bytes) {
  return NumpyFile::from(MappedFile::in_memory("x.npz", to_bytes(bytes)));
}

TEST(NumpyFileTest, ReadsASingleArray) {
  const auto file = open(npy(dict_of("<i4", "(2, 3)", "False"), raw<int>({1, 2, 3, 4, 5, 6})));
  EXPECT_THAT(file->names(), ElementsAre("array"));
  EXPECT_EQ(file->info("array").shape, (Shape{2, 3}));
  EXPECT_THAT(file->read("array").data<std::int32_t>(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NumpyFileTest, UndoesFortranOrder) {
  const auto file = open(npy(dict_of("<i4", "(2, 3)", "True"), raw<int>({1, 4, 2, 5, 3, 6}), 2));
  EXPECT_THAT(file->read("array").data<std::int32_t>(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NumpyFileTest, ReadsStoredAndDeflatedArchives) {
  const std::string scalar = npy(dict_of("<f8", "()", "False"), raw<double>({2.5}));
  const std::string vector = npy(dict_of("|V2", "(1,)", "False"), raw<std::uint16_t>({0x3FC0}));
  const auto file = open(ZipBuilder().stored("a/b.npy", scalar).deflated("v.npy", vector).bytes());
  EXPECT_THAT(file->names(), ElementsAre("a/b", "v"));
  EXPECT_THAT(file->read("a/b").to_f64(), ElementsAre(2.5));
  EXPECT_EQ(file->read("v").dtype(), DType::kBF16);
  EXPECT_THAT(file->read("v").to_f32(), ElementsAre(1.5F));
}

TEST(NumpyFileTest, ListsButDoesNotReadOtherTypes) {
  for (const std::string_view descr : {"|O", ">f4", "<c8", "<U3"}) {
    const auto file = open(npy(dict_of(descr, "(1,)", "False"), "12345678"));
    EXPECT_EQ(file->info("array").dtype_name, descr);
    EXPECT_THROW((void)file->read("array"), UnsupportedError);
  }
  const auto structured = open(
      npy("{'descr': [('x', '<f4'), ('y', '<i4', (2,))], 'fortran_order': False, 'shape': (1,)}",
          "123456789012"));
  EXPECT_THROW((void)structured->read("array"), UnsupportedError);
}

TEST(NumpyFileTest, RefusesDamage) {
  const std::string good = npy(dict_of("<i4", "(2,)", "False"), raw<int>({1, 2}));
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_THROW((void)open(good.substr(0, size)), FormatError) << size;
  }
  for (const std::string& dict :
       {""s, "{"s, "{}"s, "{'descr'}"s, dict_of("<i4", "(2", "False"), dict_of("<i4", "2", "False"),
        dict_of("<i4", "(-2,)", "False"), dict_of("<i4", "(2,)", "Maybe"),
        dict_of("<i4", "(99999999999999999999,)", "False"),
        dict_of("<i4", "(4611686018427387904, 4)", "False"), dict_of("<i4", "(3,)", "False"),
        "{'descr': [(, 'fortran_order': False, 'shape': (1,)}"s}) {
    EXPECT_THROW((void)open(npy(dict, raw<int>({1, 2}))), FormatError) << dict;
  }
}

}  // namespace
}  // namespace conopa
