#include "conopa/image/resize.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <string>

#include "conopa/core/error.h"
#include "conopa/image/codec.h"
#include "image/resample.h"
#include "tests/image/test_images.h"

namespace conopa::image {
namespace {

using testing::data_folder;
using testing::fnv;
using testing::synthetic;

TEST(ResizeTest, EqualsPilByteForByte) {
  std::ifstream file(data_folder() / "resize.txt");
  std::string filter, hash;
  std::int64_t w = 0, h = 0, c = 0, out_w = 0, out_h = 0;
  std::uint64_t seed = 0;
  Box box;
  int count = 0;
  while (file >> filter >> w >> h >> c >> seed >> out_w >> out_h >> box.left >> box.top >>
         box.right >> box.bottom >> hash) {
    const Image out =
        resize(synthetic(w, h, c, seed), out_w, out_h, enum_from_name<Filter>(filter).value(), box);
    EXPECT_EQ(out.width, out_w);
    EXPECT_EQ(out.height, out_h);
    EXPECT_EQ(fnv(out), hash) << filter << ' ' << w << 'x' << h << 'x' << c << " to " << out_w
                              << 'x' << out_h << ", seed " << seed;
    ++count;
  }
  EXPECT_GT(count, 100);
}

TEST(ResizeTest, EqualsTheParityImages) {
  const Image input = decode_file(data_folder() / "eval_input.png");
  EXPECT_EQ(fnv(resize(input, 64, 108, Filter::kBicubic)), "dd0bd296882815f4");
  const Image other = decode_file(data_folder() / "center_crop_input.png");
  EXPECT_EQ(fnv(center_crop_by_halving(other, 64)), "db4bb1058a6fa577");
}

TEST(ResizeTest, ConstantsStayConstant) {
  Image image(13, 9, 3);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{201});
  for (const std::string_view name : EnumNames<Filter>::kNames) {
    const Image out = resize(image, 40, 4, enum_from_name<Filter>(name).value());
    for (const std::uint8_t sample : out.pixels) ASSERT_EQ(sample, 201) << name;
  }
}

TEST(ResizeTest, SameSizeCopiesAndWindowsAreResizedAlone) {
  const Image image = synthetic(20, 16, 3, 7);
  EXPECT_EQ(resize(image, 20, 16, Filter::kLanczos), image);
  const ImageView window = ImageView(image).window(3, 2, 9, 11);
  EXPECT_EQ(resize(window, 5, 5, Filter::kBicubic), resize(Image(window), 5, 5, Filter::kBicubic));
}

TEST(ResizeTest, RefusesEmptyTargetsAndBoxesOutside) {
  const Image image = synthetic(4, 4, 1, 1);
  const auto with_box = [&](Box box) { static_cast<void>(resize(image, 2, 2, Filter::kBox, box)); };
  EXPECT_THROW(static_cast<void>(resize(image, 0, 2, Filter::kBox)), ShapeError);
  EXPECT_THROW(static_cast<void>(resize(image, std::int64_t{1} << 20, 1 << 20, Filter::kBox)),
               ShapeError);
  EXPECT_THROW(with_box({0, 0, 0, 4}), ShapeError);
  EXPECT_THROW(with_box({-1, 0, 4, 4}), ShapeError);
  EXPECT_THROW(with_box({0, 0, 4, 4.5F}), ShapeError);
  EXPECT_THROW(with_box({0, 0, std::numeric_limits<float>::quiet_NaN(), 4}), ShapeError);
}

TEST(ResizeTest, ShortSideRoundsTheLongSideDown) {
  EXPECT_EQ(size_for_short_side({77, 131}, 64), (Size{64, 108}));
  EXPECT_EQ(size_for_short_side({120, 90}, 64), (Size{85, 64}));
  EXPECT_EQ(size_for_short_side({5, 5}, 8), (Size{8, 8}));
}

TEST(ResizeTest, CoveringReachesBothSides) {
  EXPECT_EQ(size_to_cover({100, 100}, {60, 30}), (Size{60, 60}));
  EXPECT_EQ(size_to_cover({400, 100}, {60, 30}), (Size{120, 30}));
}

TEST(ResampleKernelsTest, FastAndPlainLoopsAgree) {
  const ResampleKernels* fast = avx2_resample_kernels();
  if (fast == nullptr) GTEST_SKIP() << "no AVX2 here";
  const ResampleKernels& plain = portable_resample_kernels();
  for (const std::int64_t channels : {1, 3, 4}) {
    for (const auto& [in, out] : {std::pair{300, 7}, {9, 40}, {33, 33}, {1, 5}, {700, 1}}) {
      for (const Filter filter : {Filter::kBox, Filter::kBicubic, Filter::kLanczos}) {
        const Image rows = synthetic(in * channels + 2 * kRowSlack, kRowsAtOnce, 1, 9);
        Image a(out * channels, kRowsAtOnce, 1), b = a;
        const ResampleAxis axis = make_resample_axis(in, 0, static_cast<float>(in), out, filter,
                                                     horizontal_group(channels));
        const std::uint8_t* from[] = {rows.row(0), rows.row(1), rows.row(2), rows.row(3)};
        std::uint8_t* to_a[] = {a.row(0), a.row(1), a.row(2), a.row(3)};
        std::uint8_t* to_b[] = {b.row(0), b.row(1), b.row(2), b.row(3)};
        plain.horizontal(axis.table(), channels, from, to_a);
        fast->horizontal(axis.table(), channels, from, to_b);
        EXPECT_EQ(a, b) << channels << " channels, " << in << " to " << out;
      }
    }
  }
  for (const std::int64_t bytes : {1, 31, 32, 33, 200}) {
    const Image rows = synthetic(bytes, 24, 1, 13);
    const ResampleAxis axis = make_resample_axis(24, 0, 24, 3, Filter::kBicubic, 2);
    std::vector<const std::uint8_t*> from;
    for (std::int64_t k = 0; k < axis.taps; ++k)
      from.push_back(rows.row(std::min<std::int64_t>(k, 23)));
    Image a(bytes, 1, 1), b = a;
    plain.vertical(axis.weight.data(), axis.taps, from.data(), bytes, a.row(0));
    fast->vertical(axis.weight.data(), axis.taps, from.data(), bytes, b.row(0));
    EXPECT_EQ(a, b) << bytes << " bytes";
  }
}

}  // namespace
}  // namespace conopa::image
