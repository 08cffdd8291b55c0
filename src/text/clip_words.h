#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace conopa::text {

/// The text as CLIP reads it: HTML references resolved twice, composed (NFC), in lower case, white
/// space at the ends removed and inside one blank.
/// @throws FormatError naming the byte if the text is not UTF-8.
[[nodiscard]] std::string clean_clip_text(std::string_view text);

/// The words of a clean text, as views of it: the contractions 's 't 're 've 'm 'll 'd, runs of
/// letters, single numbers, runs of other characters; white space separates.
[[nodiscard]] std::vector<std::string_view> split_clip_words(std::string_view text);

}  // namespace conopa::text
