#include "conopa/io/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "conopa/core/error.h"
#include "tests/io/temp_dir.h"

namespace conopa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;
using testing::read_plain;
using testing::TempDir;
using testing::write_plain;

/// Makes writes beyond a size fail, as a full disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit before_{};
  void (*old_handler_)(int) = nullptr;
};

TEST(AtomicFileTest, ReplacesContentOnlyWhenCommitted) {
  const TempDir dir;
  write_plain(dir / "a.txt", "old");
  AtomicFile file(dir / "a.txt");
  file.write("new");
  EXPECT_EQ(read_plain(dir / "a.txt"), "old");
  file.commit();
  EXPECT_EQ(read_plain(dir / "a.txt"), "new");
  EXPECT_THAT(dir.names(), ElementsAre("a.txt"));
}

TEST(AtomicFileTest, LeavesNothingWhenAbandoned) {
  const TempDir dir;
  {
    AtomicFile file(dir / "a.txt");
    file.write("half");
    EXPECT_EQ(file.size(), 4);
  }
  EXPECT_THAT(dir.names(), IsEmpty());
}

TEST(AtomicFileTest, FullDiskKeepsTheOldFileAndRemovesTheNew) {
  const TempDir dir;
  write_plain(dir / "a.bin", "old");
  const std::string large(100'000, 'x');
  const std::string message = message_of<IoError>([&] {
    const FileSizeLimit limit(4096);
    write_file_atomically(dir / "a.bin", large);
  });
  EXPECT_THAT(message, HasSubstr("cannot write"));
  EXPECT_THAT(message, HasSubstr("unchanged"));
  EXPECT_EQ(read_plain(dir / "a.bin"), "old");
  EXPECT_THAT(dir.names(), ElementsAre("a.bin"));
}

TEST(AtomicFileTest, ReadOnlyFolderIsOneClearError) {
  const TempDir dir;
  write_plain(dir / "a.txt", "old");
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0555));
  const bool root = ::geteuid() == 0;
  if (root && ::seteuid(65534) != 0) GTEST_SKIP() << "cannot drop the rights of root";
  const std::string message =
      message_of<IoError>([&] { write_file_atomically(dir / "a.txt", "new"); });
  if (root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_THAT(message, HasSubstr("check the permissions"));
  EXPECT_EQ(read_plain(dir / "a.txt"), "old");
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
}

TEST(AtomicFileTest, MissingFolderIsAnError) {
  const TempDir dir;
  EXPECT_THAT(message_of<IoError>([&] { write_file_atomically(dir / "no/a.txt", "x"); }),
              HasSubstr("No such file"));
}

TEST(AtomicFileTest, CannotReplaceAFolder) {
  const TempDir dir;
  ensure_directory(dir / "a");
  EXPECT_THROW(write_file_atomically(dir / "a", "x"), IoError);
  EXPECT_THAT(dir.names(), ElementsAre("a"));
}

TEST(EnsureDirectoryTest, CreatesParentsAndAcceptsExisting) {
  const TempDir dir;
  ensure_directory(dir / "a/b/c");
  ensure_directory(dir / "a/b/c");
  EXPECT_TRUE(std::filesystem::is_directory(dir / "a/b/c"));
}

TEST(EnsureDirectoryTest, RefusesAFileInTheWay) {
  const TempDir dir;
  write_plain(dir / "a", "x");
  EXPECT_THROW(ensure_directory(dir / "a"), IoError);
  EXPECT_THROW(ensure_directory(dir / "a/b"), IoError);
}

TEST(RemoveStaleTemporariesTest, RemovesOnlyItsOwnKind) {
  const TempDir dir;
  write_plain(dir / "last.safetensors", "x");
  write_plain(dir / ".last.safetensors.conopa-tmp-99-0", "x");
  write_plain(dir / ".hidden", "x");
  EXPECT_EQ(remove_stale_temporaries(dir.path()), 1);
  EXPECT_THAT(dir.names(), ElementsAre(".hidden", "last.safetensors"));
}

}  // namespace
}  // namespace conopa
