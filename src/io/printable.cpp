#include "io/printable.h"

namespace conopa {

std::string printable(std::string_view text, std::size_t max_chars) {
  std::string out(text.substr(0, max_chars));
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) c = '?';
  }
  if (text.size() > max_chars) out += "...";
  return out;
}

}  // namespace conopa
