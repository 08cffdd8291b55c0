#include "conopa/core/fingerprint.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace conopa {
namespace {

TEST(FingerprintTest, NeverChanges) {
  // Names of cached files depend on it.
  EXPECT_EQ(Fingerprint().add("conopa").add("features of a model").hex(),
            Fingerprint().add("conopa").add("features of a model").hex());
  EXPECT_EQ(Fingerprint().hex().size(), 16U);
}

TEST(FingerprintTest, TellsPiecesApart) {
  EXPECT_NE(Fingerprint().add("ab").add("c").hex(), Fingerprint().add("a").add("bc").hex());
  EXPECT_NE(Fingerprint().add("").hex(), Fingerprint().hex());
  EXPECT_NE(Fingerprint().add(std::string(8, '\0')).hex(),
            Fingerprint().add(std::string(7, '\0')).hex());
}

TEST(FingerprintTest, EveryBitCounts) {
  const std::string text(29, 'x');
  std::set<std::string> seen{Fingerprint().add(text).hex()};
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    seen.insert(Fingerprint().add(changed).hex());
  }

  EXPECT_EQ(seen.size(), 8 * text.size() + 1);
}

}  // namespace
}  // namespace conopa
