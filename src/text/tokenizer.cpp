#include "conopa/text/tokenizer.h"

#include <algorithm>

#include "conopa/core/error.h"
#include "conopa/text/clip_tokenizer.h"

namespace conopa::text {

std::vector<std::int64_t> encode_padded(const Tokenizer& tokenizer, std::string_view text,
                                        std::int64_t context, TextStart start) {
  const std::int64_t specials = start == TextStart::kBos ? 2 : 1;
  if (context < specials) {
    throw ConfigError("tokenizer", "context must be at least {}, got {}", specials, context);
  }
  std::vector<std::int64_t> ids;
  ids.reserve(static_cast<std::size_t>(context));
  if (start == TextStart::kBos) ids.push_back(tokenizer.bos());
  const std::vector<std::int64_t> words = tokenizer.encode(text);
  const std::int64_t kept = std::min(static_cast<std::int64_t>(words.size()), context - specials);
  ids.insert(ids.end(), words.begin(), words.begin() + kept);
  ids.push_back(tokenizer.eos());
  ids.resize(static_cast<std::size_t>(context), tokenizer.pad());
  return ids;
}

std::vector<std::int64_t> ByteTokenizer::encode(std::string_view text) const {
  std::vector<std::int64_t> ids(text.size());
  std::transform(text.begin(), text.end(), ids.begin(),
                 [](char c) { return static_cast<unsigned char>(c); });
  return ids;
}

std::unique_ptr<Tokenizer> open_tokenizer(std::string_view name_or_path) {
  if (name_or_path == "bytes") return std::make_unique<ByteTokenizer>();
  return ClipTokenizer::open(name_or_path);
}

}  // namespace conopa::text
