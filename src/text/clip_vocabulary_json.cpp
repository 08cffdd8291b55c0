#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "conopa/core/error.h"
#include "text/clip_vocabulary.h"

namespace conopa::text {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 20;
constexpr int kMaxDepth = 32;

Json parse_object(std::string_view text, std::string_view where) {
  const auto bounded = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) {
      throw FormatError(where, "expected at most {} levels of JSON, found more", kMaxDepth);
    }
    return true;
  };
  try {
    Json json = Json::parse(text, bounded);
    if (json.is_object()) return json;
    throw FormatError(where, "expected a JSON object, found {}", json.type_name());
  } catch (const Json::parse_error& error) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte, text.size()));
    throw FormatError(where, "expected JSON, found broken text on line {}, byte {}",
                      1 + std::count(text.begin(), end, '\n'), error.byte);
  } catch (const Json::out_of_range&) {
    throw FormatError(where, "expected JSON with numbers of double precision, found a larger one");
  }
}

void add_symbol(Vocabulary& vocabulary, const std::string& symbol, const Json& id,
                std::string_view where) {
  // Negative numbers are of another kind.
  if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kMaxVocabulary) {
    throw FormatError(where, "expected an id in 0..{} for '{}', found {}", kMaxVocabulary - 1,
                      symbol, id.is_number() ? id.dump() : id.type_name());
  }
  vocabulary.insert_or_assign(symbol, id.get<std::int32_t>());
}

Vocabulary to_vocabulary(const Json& object, std::string_view where) {
  if (!object.is_object()) {
    throw FormatError(where, "expected an object of ids, found {}", object.type_name());
  }
  Vocabulary vocabulary;
  std::set<std::int32_t> used;
  for (const auto& [symbol, id] : object.items()) {
    add_symbol(vocabulary, symbol, id, where);
    if (!used.insert(id.get<std::int32_t>()).second) {
      throw FormatError(where, "expected every id once, found {} again at '{}'", id.dump(), symbol);
    }
  }
  return vocabulary;
}

MergeEntry to_merge(const Json& entry, std::int64_t place, std::string_view where) {
  if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
    return {place, entry[0].get<std::string>(), entry[1].get<std::string>()};
  }
  if (entry.is_string()) {
    const auto& text = entry.get_ref<const std::string&>();
    const std::size_t blank = text.find(' ');
    if (blank != std::string::npos && text.find(' ', blank + 1) == std::string::npos) {
      return {place, text.substr(0, blank), text.substr(blank + 1)};
    }
  }
  throw FormatError(where, "expected two symbols at merge {} of model.merges, found another entry",
                    place);
}

}  // namespace

Vocabulary parse_vocabulary(std::string_view json, std::string_view where) {
  return to_vocabulary(parse_object(json, where), where);
}

void parse_tokenizer_json(std::string_view json, std::string_view where, Vocabulary& vocabulary,
                          MergeList& merges) {
  const Json root = parse_object(json, where);
  const auto model = root.find("model");
  const bool complete = model != root.end() && model->is_object() && model->contains("vocab") &&
                        model->contains("merges") && (*model)["merges"].is_array();
  if (!complete) {
    throw FormatError(where,
                      "expected model.vocab and a list model.merges, found none; give a "
                      "tokenizer.json, or the folder of vocab.json and merges.txt");
  }
  vocabulary = to_vocabulary((*model)["vocab"], where);
  const auto added = root.find("added_tokens");
  if (added != root.end() && added->is_array()) {
    for (const Json& token : *added) {
      const bool named = token.is_object() && token.contains("content") &&
                         token["content"].is_string() && token.contains("id");
      if (!named)
        throw FormatError(where, "expected content and id in every entry of added_tokens");
      add_symbol(vocabulary, token["content"].get<std::string>(), token["id"], where);
    }
  }
  merges = {.unit = "merge", .entries = {}};
  for (const Json& entry : (*model)["merges"]) {
    const auto place = static_cast<std::int64_t>(merges.entries.size()) + 1;
    merges.entries.push_back(to_merge(entry, place, where));
  }
}

}  // namespace conopa::text
