// Runs folders of numeric cases: one line per case, exit 0 only if all pass.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "case.h"
#include "conopa/core/error.h"

namespace conopa::parity {
namespace {

struct Totals {
  int passed = 0, failed = 0, pending = 0;
};

std::vector<std::filesystem::path> find_cases(const std::vector<std::string>& roots) {
  std::vector<std::filesystem::path> folders;
  for (const std::string& root : roots) {
    const std::filesystem::path top = std::filesystem::absolute(root).lexically_normal();
    if (!std::filesystem::is_directory(top)) {
      throw UsageError("parity", "'{}' is not a folder of cases", root);
    }
    if (std::filesystem::exists(top / "case.json")) folders.push_back(top);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(top)) {
      if (entry.path().filename() == "case.json" && entry.path().parent_path() != top) {
        folders.push_back(entry.path().parent_path());
      }
    }
  }
  std::sort(folders.begin(), folders.end());
  folders.erase(std::unique(folders.begin(), folders.end()), folders.end());
  return folders;
}

void run_case(const std::filesystem::path& folder, Totals& totals) {
  std::string name = folder.parent_path().filename() / folder.filename();
  try {
    const Case c = load_case(folder);
    std::string pending;
    const Checker checker = find_checker(c, pending);
    if (checker == nullptr) {
      ++totals.pending;
      fmt::print("PENDING {} - {:g} ({})\n", name, c.tolerance(), pending);
      return;
    }
    Outcome outcome(c);
    checker(c, outcome);
    const std::string failure = outcome.failure();
    ++(failure.empty() ? totals.passed : totals.failed);
    fmt::print("{} {} {:.2e} {:g}{}{}{}\n", failure.empty() ? "PASS" : "FAIL", name,
               outcome.worst_error(), c.tolerance(), failure.empty() ? "" : " (", failure,
               failure.empty() ? "" : ")");
  } catch (const std::exception& error) {
    ++totals.failed;
    fmt::print("FAIL {} - - ({})\n", name, error.what());
  }
}

int run(const std::vector<std::string>& roots) {
  const std::vector<std::filesystem::path> folders = find_cases(roots);
  if (folders.empty()) throw UsageError("parity", "no case.json below the given folders");
  Totals totals;
  for (const auto& folder : folders) {
    run_case(folder, totals);
    std::fflush(stdout);
  }
  fmt::print("{} passed, {} failed, {} pending\n", totals.passed, totals.failed, totals.pending);
  return totals.failed == 0 && totals.pending == 0 ? 0 : 1;
}

}  // namespace
}  // namespace conopa::parity

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw conopa::UsageError("parity", "usage: parity FOLDER...");
    return conopa::parity::run({argv + 1, argv + argc});
  } catch (const conopa::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
