#include "conopa/report/append_file.h"

#include <cerrno>
#include <system_error>

#include "conopa/core/error.h"

namespace conopa::report {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, int error) {
  throw IoError("report", "expected to write {}, the system says: {}; check space and permissions",
                path.string(), std::generic_category().message(error));
}

}  // namespace

AppendFile::AppendFile(std::filesystem::path path, std::FILE* file)
    : path_(std::move(path)), file_(file) {
  // A buffer would hold bytes back, and write the rest of a failed record later.
  std::setvbuf(file, nullptr, _IONBF, 0);
}

AppendFile AppendFile::open(const std::filesystem::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "abe");
  if (file == nullptr) fail(path, errno);
  return AppendFile(path, file);
}

std::optional<AppendFile> AppendFile::create(const std::filesystem::path& path) {
  // In two steps, because "x" and "a" do not go together; appending survives the truncation below.
  std::FILE* fresh = std::fopen(path.c_str(), "wxe");
  if (fresh == nullptr && errno == EEXIST) return std::nullopt;
  if (fresh == nullptr) fail(path, errno);
  std::fclose(fresh);
  return open(path);
}

void AppendFile::append(std::string_view bytes) {
  std::error_code ignored;
  const std::uintmax_t before = std::filesystem::file_size(path_, ignored);
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) == bytes.size()) return;
  const int error = errno;
  std::clearerr(file_.get());
  std::filesystem::resize_file(path_, before, ignored);
  fail(path_, error);
}

}  // namespace conopa::report
