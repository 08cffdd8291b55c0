// Text forms of unpickled values.

#include <fmt/format.h>

#include <string>

#include "conopa/io/pickle.h"

namespace conopa {
namespace {

constexpr int kMaxDepth = 6;

/// Appends Python-like text until a budget is used up; depth is bounded because trees may be
/// cyclic.
class Describer {
 public:
  explicit Describer(std::size_t max_chars) : max_chars_(max_chars) {}

  void append(const PickleValue& value, int depth) {
    if (full()) return;
    switch (value.kind()) {
      case PickleKind::kNone:
        out_ += "None";
        break;
      case PickleKind::kBool:
        out_ += *value.as_bool() ? "True" : "False";
        break;
      case PickleKind::kInt:
        out_ += fmt::format("{}", *value.as_int());
        break;
      case PickleKind::kFloat:
        out_ += fmt::format("{}", *value.as_float());
        break;
      case PickleKind::kBigInt:
        out_ += "<big integer>";
        break;
      case PickleKind::kString:
        append_quoted(value.text());
        break;
      case PickleKind::kBytes:
        out_ += fmt::format("<{} bytes>", value.text().size());
        break;
      case PickleKind::kGlobal:
        append_printable(value.text());
        break;
      case PickleKind::kList:
        append_items(value, depth, "[", "]");
        break;
      case PickleKind::kTuple:
        append_items(value, depth, "(", ")");
        break;
      case PickleKind::kSet:
        append_items(value, depth, "{", "}");
        break;
      case PickleKind::kDict:
        append_entries(value, depth);
        break;
      case PickleKind::kPersistent:
        append_items(value, depth, "<external ", ">");
        break;
      case PickleKind::kObject:
        append_object(value, depth);
        break;
    }
  }

  [[nodiscard]] std::string take() {
    if (out_.size() > max_chars_) {
      out_.resize(max_chars_);
      out_ += "...";
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool full() const { return out_.size() > max_chars_; }

  void append_printable(std::string_view text) {
    for (const char c : text.substr(0, max_chars_ + 1)) {
      const auto byte = static_cast<unsigned char>(c);
      out_ += byte < 0x20 || byte > 0x7E ? '?' : c;
    }
  }

  void append_quoted(std::string_view text) {
    out_ += '\'';
    append_printable(text);
    out_ += '\'';
  }

  void append_items(const PickleValue& value, int depth, std::string_view open,
                    std::string_view close) {
    out_ += open;
    if (depth >= kMaxDepth) out_ += "...";
    for (std::int64_t i = 0; depth < kMaxDepth && i < value.size() && !full(); ++i) {
      if (i > 0) out_ += ", ";
      append(value[i], depth + 1);
    }
    out_ += close;
  }

  void append_entries(const PickleValue& value, int depth) {
    out_ += '{';
    if (depth >= kMaxDepth) out_ += "...";
    for (std::int64_t i = 0; depth < kMaxDepth && i < value.size() && !full(); ++i) {
      if (i > 0) out_ += ", ";
      append(value.key(i), depth + 1);
      out_ += ": ";
      append(value.value(i), depth + 1);
    }
    out_ += '}';
  }

  void append_object(const PickleValue& value, int depth) {
    out_ += '<';
    append_printable(value.text().empty() ? "object" : value.text());
    const auto state = value.state();
    if (state && depth < kMaxDepth) {
      out_ += ' ';
      append(*state, depth + 1);
    }
    out_ += '>';
  }

  std::size_t max_chars_;
  std::string out_;
};

}  // namespace

std::string PickleValue::describe(std::size_t max_chars) const {
  Describer describer(max_chars);
  describer.append(*this, 0);
  return describer.take();
}

}  // namespace conopa
