#include "conopa/core/utf8.h"

#include <gtest/gtest.h>

namespace conopa {
namespace {

TEST(Utf8Test, AcceptsOnlyWellFormedTextWithoutNul) {
  EXPECT_TRUE(is_utf8_text("abc ñ € 𝄞"));
  for (const std::string_view bad :
       {std::string_view("\0", 1), std::string_view("\x80"), std::string_view("\xC3"),
        std::string_view("\xC0\xAF"), std::string_view("\xE0\x80\x80"),
        std::string_view("\xED\xA0\x80"), std::string_view("\xF4\x90\x80\x80"),
        std::string_view("\xF0\x9D\x84")}) {
    EXPECT_FALSE(is_utf8_text(bad));
  }
}

}  // namespace
}  // namespace conopa
