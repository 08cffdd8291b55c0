#include "text/html_unescape.h"

#include <gtest/gtest.h>

#include <string>

namespace conopa::text {
namespace {

struct Case {
  std::string text;
  std::string expected;
};

TEST(HtmlUnescapeTest, ResolvesReferencesAsBrowsersDo) {
  const Case cases[] = {
      {"a &amp; b", "a & b"},
      {"&lt;p&gt;", "<p>"},
      {"&ampamp;", "&amp;"},     // the old name inside a longer word
      {"&notit;", "\u00ACit;"},  // the longest old name, not is ¬
      {"&notin;", "\u2209"},     // the whole name comes first
      {"&Aacute;&aacute", "\u00C1\u00E1"},
      {"&hearts", "&hearts"},     // new names need the semicolon
      {"&acE;", "\u223E\u0333"},  // two characters
      {"&CounterClockwiseContourIntegral;", "\u2233"},
      {"&zwnj;", "\u200C"},
      {"&#65;&#x42;&#X63", "ABc"},
      {"&#128;", "\u20AC"},  // Windows-1252
      {"&#0;&#xD800;&#x110000;&#99999999999999999999;", "\uFFFD\uFFFD\uFFFD\uFFFD"},
      {"&#1;&#xFFFE;&#x7F;", ""},
      {"&#;&#x;&;& &", "&#;&#x;&;& &"},
      {"&amp;amp;", "&amp;"},  // once only
      {"é&eacute;", "éé"},
  };
  for (const Case& c : cases) EXPECT_EQ(html_unescape(c.text), c.expected) << c.text;
}

}  // namespace
}  // namespace conopa::text
