#include "conopa/io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "conopa/core/error.h"
#include "io/io_fault.h"

namespace conopa {
namespace {

/// Closes a file descriptor at the end of a scope.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  [[nodiscard]] int get() const noexcept { return value_; }

 private:
  int value_;
};

/// Size of an open regular file.
std::size_t regular_size(const std::filesystem::path& path, int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_io_error(path, errno, "examine");
  if (S_ISDIR(status.st_mode)) throw_io_error(path, EISDIR, "read");
  if (!S_ISREG(status.st_mode)) {
    throw IoError(path.string(),
                  "expected a regular file, found a device or pipe; copy it to a file");
  }
  return static_cast<std::size_t>(status.st_size);
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a named pipe must fail below, not wait for a writer.
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) throw_io_error(path, errno, "open");
  const std::size_t length = regular_size(path, descriptor.get());
  std::shared_ptr<MappedFile> file(new MappedFile(path.string()));
  if (length == 0) return file;  // mmap refuses empty ranges
  void* mapping = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
  if (mapping == MAP_FAILED) throw_io_error(path, errno, "map into memory");
  file->mapping_ = mapping;
  file->bytes_ = {static_cast<const std::byte*>(mapping), length};
  return file;
}

std::shared_ptr<const MappedFile> MappedFile::in_memory(std::string name,
                                                        std::vector<std::byte> bytes) {
  std::shared_ptr<MappedFile> file(new MappedFile(std::move(name)));
  file->memory_ = std::move(bytes);
  file->bytes_ = file->memory_;
  return file;
}

MappedFile::~MappedFile() {
  if (mapping_ != nullptr) ::munmap(mapping_, bytes_.size());
}

std::span<const std::byte> MappedFile::view(std::int64_t offset, std::int64_t length) const {
  if (offset < 0 || length < 0 || offset > size() || length > size() - offset) {
    throw FormatError(name_,
                      "expected {} bytes at offset {}, found a file of {} bytes; the file is "
                      "truncated or damaged, copy or download it again",
                      length, offset, size());
  }
  return bytes_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
}

void MappedFile::drop_pages(std::span<const std::byte> bytes) const noexcept {
  if (mapping_ == nullptr) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  const std::uintptr_t begin = (address + page - 1) / page * page;
  const std::uintptr_t end = (address + bytes.size()) / page * page;
  if (begin >= end) return;
  // The mapping is read-only, so nothing is lost; a refusal costs memory only.
  static_cast<void>(::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED));
}

std::string read_text_file(const std::filesystem::path& path, std::int64_t limit) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  if (file->size() > limit) {
    throw FormatError(path.string(), "expected a text file of at most {} bytes, found {} bytes",
                      limit, file->size());
  }
  return {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()};
}

}  // namespace conopa
