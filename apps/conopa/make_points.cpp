// conopa make-points: a small dataset of point clouds in the form of ScanObjectNN.

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "conopa/core/error.h"
#include "conopa/io/atomic_file.h"
#include "conopa/points/scan_object.h"
#include "conopa/points/solids.h"

namespace conopa::app {
namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path out;
  points::SolidsOptions train;
  std::int64_t test_clouds = 500;
  bool force = false;
};

int run(const Context& context, const Options& options) {
  const std::array files{points::scan_object_file(options.out, "train"),
                         points::scan_object_file(options.out, "test")};
  for (const fs::path& file : files) {
    std::error_code ignored;
    if (options.force || !fs::exists(file, ignored)) continue;
    throw IoError(file.string(),
                  "the file exists already; choose another --out, or replace it with --force");
  }
  points::SolidsOptions test = options.train;
  test.clouds = options.test_clouds;
  test.split = 1;
  ensure_directory(options.out);
  std::string names;
  for (const std::string_view name : points::solid_names()) names += fmt::format("{}\n", name);
  write_file_atomically(options.out / "shape_names.txt", names);
  points::write_scan_object(files[0], points::make_solids(options.train));
  points::write_scan_object(files[1], points::make_solids(test));
  if (context.json) {
    const nlohmann::ordered_json json = {{"folder", options.out.string()},
                                         {"classes", points::solid_names().size()},
                                         {"train", options.train.clouds},
                                         {"test", test.clouds},
                                         {"points", options.train.points}};
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return 0;
  }
  fmt::print("{}: {} clouds to train, {} to test, {} points each, {} classes\n",
             options.out.string(), options.train.clouds, test.clouds, options.train.points,
             points::solid_names().size());
  return 0;
}

}  // namespace

void add_make_points(CLI::App& root, Context& context) {
  CLI::App* command =
      add_command(root, "make-points", "make a small dataset of point clouds of solids (HDF5)",
                  "conopa make-points --out data/solids --count 2000 --seed 0");
  auto options = std::make_shared<Options>();
  options->train.clouds = 2000;
  command->add_option("-o,--out", options->out, "folder to write")->required();
  const CLI::Range counts(std::int64_t{1}, std::int64_t{1'000'000});
  command->add_option("--count", options->train.clouds, "clouds to train on")
      ->check(counts)
      ->capture_default_str();
  command->add_option("--test-count", options->test_clouds, "clouds to test on")
      ->check(counts)
      ->capture_default_str();
  command->add_option("--points", options->train.points, "points of a cloud")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{65'536}))
      ->capture_default_str();
  command->add_option("--noise", options->train.noise, "standard deviation of a coordinate")
      ->capture_default_str();
  command
      ->add_option("--cut", options->train.cut,
                   "largest part of a cloud that a plane cuts away, 0 to 0.8")
      ->capture_default_str();
  command->add_option("--seed", options->train.seed, "of everything random")->capture_default_str();
  command->add_flag("-f,--force", options->force, "replace the files");
  command->callback([&context, options] {
    context.action = [&context, options] { return run(context, *options); };
  });
}

}  // namespace conopa::app
