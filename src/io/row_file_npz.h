#pragma once

#include "conopa/io/row_file.h"

namespace conopa {

/// The NumPy archive of RowFile::create.
[[nodiscard]] std::unique_ptr<RowFile> make_npz_row_file(const std::filesystem::path& path,
                                                         RowFileOptions options);

}  // namespace conopa
