#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace conopa::report {

/// Base64 with padding (RFC 4648, section 4), for data URIs.
[[nodiscard]] std::string base64(std::span<const std::byte> bytes);

}  // namespace conopa::report
