#include "conopa/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>

#include "conopa/core/error.h"
#include "conopa/core/fields_json.h"
#include "conopa/io/atomic_file.h"
#include "conopa/io/mapped_file.h"
#include "conopa/train/atomic_folder.h"
#include "train/files.h"

namespace conopa::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLock = "run.lock";
constexpr std::string_view kCheckpoints = "checkpoints";
constexpr std::string_view kNumbered = "epoch_";
constexpr std::array<std::string_view, 10> kOwn = {
    "config.toml", "config.json",      "command.txt",     "environment.json", "metrics.jsonl",
    "summary.csv", "broken_files.txt", "evaluation.json", "report.html",      "model"};
constexpr std::string_view kEvents = "events.out.tfevents.";

std::string owner_of(int lock) {
  std::array<char, 256> text{};
  const ssize_t length = ::pread(lock, text.data(), text.size(), 0);
  std::string owner(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  while (!owner.empty() && owner.back() == '\n') owner.pop_back();
  return owner.empty() ? "another process" : owner;
}

void sign(int lock, const fs::path& path) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  const std::string text = fmt::format("process {} on {}\n", ::getpid(), host.data());
  if (::ftruncate(lock, 0) != 0 ||
      ::pwrite(lock, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    fail_io(path, errno, "write the lock");
  }
}

int lock_file(const fs::path& path) {
  const int lock = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0) fail_io(path, errno, "create the lock", "choose an output.dir that can be written");
  if (::flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
  const int error = errno;
  const std::string owner = owner_of(lock);
  ::close(lock);
  if (error == EWOULDBLOCK) {
    throw RunError(path.parent_path().string(),
                   "the run folder is in use by {}; wait for it or choose another output.dir",
                   owner);
  }
  fail_io(path, error, "lock the run folder");
}

}  // namespace

RunFolder::RunFolder(fs::path root) : root_(std::move(root)) {
  if (root_.empty()) throw ConfigError("output", "dir is missing; name a run folder");
  ensure_directory(root_);
  lock_ = lock_file(root_ / kLock);
  try {
    sign(lock_, root_ / kLock);
    remove_stale_temporaries(root_);
    recover_folders(root_);
    recover_folders(root_ / kCheckpoints);
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

RunFolder::~RunFolder() { ::close(lock_); }

fs::path RunFolder::checkpoint(std::string_view name) const { return root_ / kCheckpoints / name; }

bool RunFolder::has_run() const {
  std::error_code error;
  return fs::exists(root_ / "config.json", error) || newest_checkpoint().has_value();
}

void RunFolder::clear() const {
  std::error_code error;
  std::vector<fs::path> own = {root_ / kCheckpoints};
  for (const fs::directory_entry& entry : fs::directory_iterator(root_, error)) {
    const std::string name = entry.path().filename().string();
    const bool listed = std::find(kOwn.begin(), kOwn.end(), name) != kOwn.end();
    if (listed || name.starts_with(kEvents)) own.push_back(entry.path());
  }
  check_io(root_, error, "list the run folder");
  for (const fs::path& path : own) {
    fs::remove_all(path, error);
    check_io(path, error, "remove");
  }
}

std::optional<fs::path> RunFolder::newest_checkpoint() const {
  std::error_code error;
  if (fs::is_directory(checkpoint("last"), error)) return checkpoint("last");
  const std::vector<std::int64_t> numbers = numbered();
  if (!numbers.empty()) return checkpoint(fmt::format("{}{}", kNumbered, numbers.back()));
  if (fs::is_directory(checkpoint("best"), error)) return checkpoint("best");
  return std::nullopt;
}

std::vector<std::int64_t> RunFolder::numbered() const {
  std::vector<std::int64_t> out;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(root_ / kCheckpoints, missing)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kNumbered)) continue;
    std::int64_t number = 0;
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + kNumbered.size(), end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) out.push_back(number);
  }
  std::sort(out.begin(), out.end());
  return out;
}

void RunFolder::describe(
    const RunConfig& config, const std::string& command,
    const std::vector<std::pair<std::string, std::string>>& environment) const {
  write_file_atomically(root_ / "config.toml", to_toml(config));
  write_file_atomically(root_ / "config.json", to_json(config));
  nlohmann::ordered_json facts;
  for (const auto& [name, value] : environment) facts[name] = value;
  using Handler = nlohmann::ordered_json::error_handler_t;
  write_file_atomically(root_ / "environment.json",
                        facts.dump(2, ' ', false, Handler::replace) + "\n");
  const fs::path commands = root_ / "command.txt";
  std::error_code error;
  const std::string earlier = fs::exists(commands, error) ? read_text_file(commands) : "";
  if (!command.empty()) write_file_atomically(commands, earlier + command + "\n");
}

}  // namespace conopa::train
