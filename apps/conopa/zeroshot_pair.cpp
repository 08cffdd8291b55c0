// The two models of a zero-shot classifier.

#include "zeroshot_pair.h"

#include <algorithm>
#include <span>

#include "conopa/core/error.h"
#include "conopa/core/log.h"
#include "conopa/core/utf8.h"
#include "conopa/engine/session.h"
#include "conopa/eval/zero_shot.h"
#include "zeroshot_prompts.h"

namespace conopa::app {
namespace {

constexpr std::int64_t kTextsTogether = 64;

void check_tower(const StoredModel& model, arch::Input input, std::string_view reads) {
  if (model.spec.input != input) {
    throw ConfigError(model.path.string(),
                      "expected a model that reads {}, found one that does not; import the pair "
                      "again",
                      reads);
  }
  if (model.spec.projection > 0) return;
  throw ConfigError(model.path.string(),
                    "expected a model with a projection into the space of the pair, found none; "
                    "import the pair again");
}

/// Runs texts through the text model and hands their vectors to the classes.
class TextEncoder {
 public:
  TextEncoder(engine::Session& session, const text::Tokenizer& tokenizer, std::int64_t classes)
      : session_(session),
        tokenizer_(tokenizer),
        vectors_(classes, session.model().spec().outputs()) {}

  void add(std::int64_t index, std::string_view text) {
    const std::vector<std::int64_t> ids =
        text::encode_padded(tokenizer_, text, context(), text::TextStart::kBos);
    tokens_.insert(tokens_.end(), ids.begin(), ids.end());
    owners_.push_back(index);
    // Only a full row can have lost something: the start and the end are not in the text.
    if (std::ranges::find(ids, tokenizer_.eos()) == ids.end() - 1 &&
        std::ssize(tokenizer_.encode(text)) + 2 > context()) {
      ++shortened_;
    }
    if (std::ssize(owners_) == kTextsTogether) flush();
  }

  [[nodiscard]] std::vector<float> finish() {
    flush();
    if (shortened_ > 0) {
      log_warning("{} texts are longer than the {} tokens of the text model and lost their end",
                  shortened_, context());
    }
    return vectors_.unit_rows();
  }

 private:
  [[nodiscard]] std::int64_t context() const { return session_.model().spec().width; }

  void flush() {
    if (owners_.empty()) return;
    const auto width = static_cast<std::size_t>(session_.model().spec().outputs());
    std::vector<float> found(owners_.size() * width);
    session_.run_tokens(tokens_, std::ssize(owners_), {.logits = found});
    for (std::size_t i = 0; i < owners_.size(); ++i) {
      vectors_.add(owners_[i], std::span(found).subspan(i * width, width));
    }
    tokens_.clear();
    owners_.clear();
  }

  engine::Session& session_;
  const text::Tokenizer& tokenizer_;
  eval::ClassTexts vectors_;
  std::vector<std::int64_t> tokens_;  // [texts, context] that wait
  std::vector<std::int64_t> owners_;  // their classes
  std::int64_t shortened_ = 0;
};

}  // namespace

OpenedPair open_pair(const std::filesystem::path& path) {
  if (!is_pair_folder(path)) {
    throw ConfigError(path.string(),
                      "expected a pair of an image and a text model (a folder with pair.json), "
                      "found none; `conopa import` makes one from a checkpoint of both");
  }
  PairFolder folder = read_pair_folder(path);
  StoredModel image = open_model(folder.image_path());
  StoredModel text = open_model(folder.text_path());
  check_tower(image, arch::Input::kImage, "images");
  check_tower(text, arch::Input::kTokens, "tokens of text");
  if (image.spec.projection != text.spec.projection) {
    throw ConfigError(path.string(),
                      "expected both models to put out vectors of one width, found {} of the image "
                      "model and {} of the text model; import both from one checkpoint",
                      image.spec.projection, text.spec.projection);
  }
  return {.folder = std::move(folder), .image = std::move(image), .text = std::move(text)};
}

std::unique_ptr<text::Tokenizer> open_vocabulary(const OpenedPair& pair,
                                                 const std::string& vocabulary) {
  std::unique_ptr<text::Tokenizer> tokenizer = text::open_tokenizer(vocabulary);
  const arch::EncoderSpec& spec = pair.text.spec;
  if (tokenizer->vocabulary() > spec.vocabulary || tokenizer->eos() != spec.end_token) {
    throw ConfigError(vocabulary,
                      "expected at most {} tokens that end with number {}, as the text model "
                      "reads them, found {} that end with {}; use the model's own vocabulary",
                      spec.vocabulary, spec.end_token, tokenizer->vocabulary(), tokenizer->eos());
  }
  return tokenizer;
}

std::vector<float> class_vectors(const Context& context, const OpenedPair& pair,
                                 const text::Tokenizer& tokenizer, const PromptOptions& prompts,
                                 const EngineOptions& engine) {
  for (const std::string& name : prompts.classes) {
    if (is_utf8_text(name)) continue;
    throw FormatError("classes", "expected names in UTF-8, found other bytes in class {}",
                      &name - prompts.classes.data());
  }
  const engine::Model model = load_native(
      pair.text, pair.text.spec, enum_from_name<engine::Precision>(engine.precision).value());
  engine::Session session(model, {.threads = static_cast<int>(engine.threads),
                                  .max_batch = native_batch(pair.text.spec, kTextsTogether)});
  const auto classes = std::ssize(prompts.classes);
  const auto texts = classes * std::ssize(prompts.templates);
  const auto progress =
      texts > kTextsTogether ? make_progress(context, "texts", texts, "texts") : nullptr;
  TextEncoder encoder(session, tokenizer, classes);
  std::int64_t done = 0;
  for (std::int64_t k = 0; k < classes; ++k) {
    for (const std::string& form : prompts.templates) {
      encoder.add(k, fill_template(form, prompts.classes[static_cast<std::size_t>(k)]));
      if (progress) progress->update(++done);
    }
  }
  std::vector<float> out = encoder.finish();
  if (progress) progress->finish();
  return out;
}

}  // namespace conopa::app
