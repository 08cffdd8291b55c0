// CSV, TSV and JSONL lists of images; the first byte chooses the format.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "conopa/core/error.h"
#include "conopa/data/list.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto format = static_cast<conopa::data::ListFormat>(data[0] % 3);
  const bool captions = data[0] >= 128;
  const auto content =
      captions ? conopa::data::ListContent::kCaptions : conopa::data::ListContent::kLabels;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  try {
    std::int64_t last = 0;
    for (const conopa::data::ListRow& row :
         conopa::data::parse_list(text, format, "fuzz", content)) {
      CONOPA_ASSERT(row.line > last);  // each row starts on a line of its own
      CONOPA_ASSERT(!row.path.empty() && !(captions ? row.caption : row.label).empty());
      CONOPA_ASSERT(row.path.find('\0') == std::string::npos);
      last = row.line;
    }
  } catch (const conopa::Error&) {
    return 0;  // refused
  }
  return 0;
}
