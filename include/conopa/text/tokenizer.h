#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace conopa::text {

/// Turns text into numbers of a vocabulary. Immutable after opening; all members are thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  /// The ids of a text, each in 0..vocabulary()-1; never bos(), eos() or pad(), whatever the text
  /// says.
  /// @throws FormatError if the tokenizer needs UTF-8 and the text is none.
  [[nodiscard]] virtual std::vector<std::int64_t> encode(std::string_view text) const = 0;

  /// Number of ids, special ones included.
  [[nodiscard]] virtual std::int64_t vocabulary() const noexcept = 0;
  /// Begin of a text.
  [[nodiscard]] virtual std::int64_t bos() const noexcept = 0;
  /// End of a text.
  [[nodiscard]] virtual std::int64_t eos() const noexcept = 0;
  /// What fills up behind the end; may equal eos().
  [[nodiscard]] virtual std::int64_t pad() const noexcept = 0;

 protected:
  Tokenizer() = default;
};

/// Whether a text starts with the tokenizer's bos().
enum class TextStart { kPlain, kBos };

/// Exactly `context` ids: [BOS] text EOS PAD...; a text that is too long loses its end, so that the
/// last id is EOS.
/// @throws ConfigError if `context` has no room for BOS and EOS; FormatError as encode.
[[nodiscard]] std::vector<std::int64_t> encode_padded(const Tokenizer& tokenizer,
                                                      std::string_view text, std::int64_t context,
                                                      TextStart start);

/// Every byte is a token, 0..255; then pad 256, bos 257 and eos 258. Takes any bytes.
class ByteTokenizer final : public Tokenizer {
 public:
  [[nodiscard]] std::vector<std::int64_t> encode(std::string_view text) const override;
  [[nodiscard]] std::int64_t vocabulary() const noexcept override { return 259; }
  [[nodiscard]] std::int64_t bos() const noexcept override { return 257; }
  [[nodiscard]] std::int64_t eos() const noexcept override { return 258; }
  [[nodiscard]] std::int64_t pad() const noexcept override { return 256; }
};

/// Opens "bytes", or CLIP's vocabulary at a path (ClipTokenizer::open).
/// @throws IoError, FormatError as ClipTokenizer::open.
[[nodiscard]] std::unique_ptr<Tokenizer> open_tokenizer(std::string_view name_or_path);

}  // namespace conopa::text
