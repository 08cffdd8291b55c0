#include "conopa/io/zip_reader.h"

#include <minizip/unzip.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "conopa/core/error.h"
#include "io/inflate.h"

namespace conopa {
namespace {

constexpr std::uint64_t kMaxEntries = 1'000'000;
constexpr std::uint64_t kMaxNameBytes = 4096;
constexpr std::int64_t kMaxDeflateRatio = 1032;  // what deflate can reach at all
constexpr unsigned kEncryptedFlag = 1;
constexpr unsigned kStored = 0;

/// Lets minizip read a MappedFile through its file functions.
struct MemoryStream {
  std::span<const std::byte> bytes;
  std::uint64_t position = 0;
};

MemoryStream& stream_of(voidpf stream) { return *static_cast<MemoryStream*>(stream); }

voidpf open_stream(voidpf opaque, const void*, int) { return opaque; }

uLong read_stream(voidpf, voidpf handle, void* target, uLong size) {
  MemoryStream& stream = stream_of(handle);
  const std::uint64_t left = stream.bytes.size() - stream.position;
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(size, left));
  if (count > 0) std::memcpy(target, stream.bytes.data() + stream.position, count);
  stream.position += count;
  return static_cast<uLong>(count);
}

ZPOS64_T tell_stream(voidpf, voidpf handle) { return stream_of(handle).position; }

long seek_stream(voidpf, voidpf handle, ZPOS64_T offset, int origin) {
  MemoryStream& stream = stream_of(handle);
  std::uint64_t base = 0;
  if (origin == ZLIB_FILEFUNC_SEEK_CUR) base = stream.position;
  if (origin == ZLIB_FILEFUNC_SEEK_END) base = stream.bytes.size();
  std::uint64_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target > stream.bytes.size()) return -1;
  stream.position = target;
  return 0;
}

int close_stream(voidpf, voidpf) { return 0; }
int stream_error(voidpf, voidpf) { return 0; }

}  // namespace

struct ZipReader::Impl {
  explicit Impl(const MappedFile& file) : stream{file.bytes()} {
    zlib_filefunc64_def functions{};
    functions.zopen64_file = open_stream;
    functions.zread_file = read_stream;
    functions.ztell64_file = tell_stream;
    functions.zseek64_file = seek_stream;
    functions.zclose_file = close_stream;
    functions.zerror_file = stream_error;
    functions.opaque = &stream;
    archive = ::unzOpen2_64(file.name().c_str(), &functions);
    if (archive == nullptr) {
      throw FormatError(file.name(),
                        "expected a zip archive, found no central directory; the file is truncated "
                        "or damaged, copy or download it again");
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { ::unzClose(archive); }

  MemoryStream stream;
  unzFile archive = nullptr;
  std::mutex mutex;  // minizip keeps a current entry
  std::unordered_map<std::string, std::size_t> index;
};

namespace {

[[noreturn]] void throw_damaged(const MappedFile& file, std::string_view what) {
  throw FormatError(file.name(), "{}; the zip archive is damaged, copy or download it again", what);
}

ZipEntry current_entry(unzFile archive, const MappedFile& file) {
  unz_file_info64 info{};
  if (::unzGetCurrentFileInfo64(archive, &info, nullptr, 0, nullptr, 0, nullptr, 0) != UNZ_OK) {
    throw_damaged(file, "the central directory is malformed");
  }
  if (info.size_filename > kMaxNameBytes) throw_damaged(file, "an entry's name is too long");
  std::vector<char> name(info.size_filename + 1);
  unz64_file_pos place{};
  if (::unzGetCurrentFileInfo64(archive, &info, name.data(), static_cast<uLong>(name.size()),
                                nullptr, 0, nullptr, 0) != UNZ_OK ||
      ::unzGetFilePos64(archive, &place) != UNZ_OK) {
    throw_damaged(file, "the central directory is malformed");
  }
  ZipEntry entry;
  entry.name.assign(name.data(), info.size_filename);
  const auto all = static_cast<std::uint64_t>(file.size());
  const bool stored = info.compression_method == kStored;
  const std::uint64_t most = stored ? all : all * static_cast<std::uint64_t>(kMaxDeflateRatio);
  if (info.compressed_size > all || info.uncompressed_size > most) {
    throw_damaged(file, fmt::format("entry '{}' claims {} bytes in a file of {}", entry.name,
                                    info.uncompressed_size, all));
  }
  if ((info.flag & kEncryptedFlag) != 0 || (!stored && info.compression_method != Z_DEFLATED)) {
    throw UnsupportedError(file.name(),
                           "entry '{}' is encrypted or packed by method {}; repack the archive "
                           "with plain deflate",
                           entry.name, info.compression_method);
  }
  entry.size = static_cast<std::int64_t>(info.uncompressed_size);
  entry.compressed_size = static_cast<std::int64_t>(info.compressed_size);
  entry.deflated = !stored;
  entry.crc32 = static_cast<std::uint32_t>(info.crc);
  entry.directory_offset = place.pos_in_zip_directory;
  entry.directory_number = place.num_of_file;
  return entry;
}

}  // namespace

ZipReader::ZipReader(std::shared_ptr<const MappedFile> file)
    : file_(std::move(file)), impl_(std::make_unique<Impl>(*file_)) {
  unz_global_info64 global{};
  if (::unzGetGlobalInfo64(impl_->archive, &global) != UNZ_OK ||
      global.number_entry > kMaxEntries) {
    throw_damaged(*file_, "the central directory has too many entries");
  }
  if (global.number_entry == 0) return;
  int status = ::unzGoToFirstFile(impl_->archive);
  for (; status == UNZ_OK; status = ::unzGoToNextFile(impl_->archive)) {
    entries_.push_back(current_entry(impl_->archive, *file_));
    if (!impl_->index.emplace(entries_.back().name, entries_.size() - 1).second) {
      throw_damaged(*file_, fmt::format("entry '{}' occurs twice", entries_.back().name));
    }
  }
  if (status != UNZ_END_OF_LIST_OF_FILE) throw_damaged(*file_, "the central directory is cut off");
}

ZipReader::~ZipReader() = default;

const ZipEntry* ZipReader::find(std::string_view name) const {
  const auto found = impl_->index.find(std::string(name));
  return found == impl_->index.end() ? nullptr : &entries_[found->second];
}

std::span<const std::byte> ZipReader::stored_bytes(const ZipEntry& entry) const {
  const std::lock_guard lock(impl_->mutex);
  unz64_file_pos place{};
  place.pos_in_zip_directory = entry.directory_offset;
  place.num_of_file = entry.directory_number;
  constexpr int kRaw = 1;
  int method = 0;
  int level = 0;
  if (::unzGoToFilePos64(impl_->archive, &place) != UNZ_OK ||
      ::unzOpenCurrentFile2(impl_->archive, &method, &level, kRaw) != UNZ_OK) {
    throw_damaged(*file_, fmt::format("the local header of '{}' is malformed", entry.name));
  }
  const std::uint64_t begin = ::unzGetCurrentFileZStreamPos64(impl_->archive);
  ::unzCloseCurrentFile(impl_->archive);
  if (begin > static_cast<std::uint64_t>(file_->size())) {
    throw_damaged(*file_, fmt::format("entry '{}' lies outside the file", entry.name));
  }
  return file_->view(static_cast<std::int64_t>(begin), entry.compressed_size);
}

SharedBytes ZipReader::read(const ZipEntry& entry, std::int64_t limit) const {
  const std::span<const std::byte> packed = stored_bytes(entry);
  if (!entry.deflated) {
    if (entry.size != entry.compressed_size) {
      throw_damaged(*file_, fmt::format("the sizes of '{}' contradict each other", entry.name));
    }
    return {packed, file_};
  }
  if (entry.size > limit) {
    throw FormatError(file_->name(),
                      "expected entry '{}' to unpack to at most {} bytes, found {}; store it "
                      "without compression if it is genuine",
                      entry.name, limit, entry.size);
  }
  auto unpacked = std::make_shared<std::vector<std::byte>>(
      inflate_bytes(packed, DeflateFormat::kRaw, entry.size, true, file_->name()));
  const uLong crc =
      ::crc32_z(0, reinterpret_cast<const Bytef*>(unpacked->data()), unpacked->size());
  if (static_cast<std::int64_t>(unpacked->size()) != entry.size || crc != entry.crc32) {
    throw_damaged(*file_, fmt::format("entry '{}' fails its checksum", entry.name));
  }
  return {*unpacked, unpacked};
}

SharedBytes ZipReader::read_prefix(const ZipEntry& entry, std::int64_t length) const {
  if (!entry.deflated) {
    SharedBytes all = read(entry);
    const auto count = std::min<std::size_t>(all.bytes.size(), static_cast<std::size_t>(length));
    return {all.bytes.first(count), all.owner};
  }
  auto unpacked = std::make_shared<std::vector<std::byte>>(
      inflate_bytes(stored_bytes(entry), DeflateFormat::kRaw, std::min(length, entry.size), false,
                    file_->name()));
  return {*unpacked, unpacked};
}

}  // namespace conopa
