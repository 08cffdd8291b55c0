#include "points/hdf5.h"

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "conopa/core/error.h"
#include "conopa/io/atomic_file.h"

namespace conopa::points {
namespace {

// Deflate shrinks at most 1032 times: more numbers than that cannot come out of what is stored.
constexpr std::int64_t kLargestRatio = 1032;

// One of libhdf5's objects; closed when it goes out of scope.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle(hid_t id, Close close) noexcept : id_(id), close_(close) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  [[nodiscard]] bool valid() const noexcept { return id_ >= 0; }
  [[nodiscard]] hid_t get() const noexcept { return id_; }

 private:
  hid_t id_;
  Close close_;
};

// The library's lock: Debian's libhdf5 is not built for calls from several threads.
std::unique_lock<std::mutex> enter_library() {
  static std::mutex mutex;
  std::unique_lock lock(mutex);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // it would print its errors itself
  return lock;
}

Handle open_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    throw IoError(path.string(), "the file is missing or not a regular file; check the path");
  }
  return {H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose};
}

Shape shape_of(hid_t dataset, const std::string& where) {
  const Handle space(H5Dget_space(dataset), H5Sclose);
  const int rank = space.valid() ? H5Sget_simple_extent_ndims(space.get()) : -1;
  if (rank < 0) throw FormatError(where, "the dataset has no readable shape; the file is damaged");
  std::vector<hsize_t> extents(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);
  Shape shape;
  for (const hsize_t extent : extents) {
    if (extent > hsize_t{1} << 40) {
      throw FormatError(where, "the dataset's shape holds {}; the file is damaged", extent);
    }
    shape.push_back(static_cast<std::int64_t>(extent));
  }
  return shape;
}

void check_numbers(hid_t dataset, Hdf5Numbers numbers, const std::string& where) {
  const Handle type(H5Dget_type(dataset), H5Tclose);
  const H5T_class_t found = type.valid() ? H5Tget_class(type.get()) : H5T_NO_CLASS;
  const bool real = numbers == Hdf5Numbers::kReal;
  if (found == (real ? H5T_FLOAT : H5T_INTEGER)) return;
  throw FormatError(where, "expected {} numbers, found {}; store the dataset in that form",
                    real ? "floating-point" : "integer",
                    found == H5T_INTEGER ? "integers"
                    : found == H5T_FLOAT ? "floating-point numbers"
                                         : "another type");
}

void check_size(hid_t dataset, const Shape& shape, const std::string& where) {
  const std::int64_t count = element_count(shape);
  const auto stored = static_cast<std::int64_t>(H5Dget_storage_size(dataset));
  if (count > 0 && stored > 0 && count / kLargestRatio <= stored) return;
  throw FormatError(where, "expected data for shape {}, found {} stored bytes; the file is damaged",
                    to_string(shape), stored);
}

}  // namespace

HostTensor read_hdf5(const std::filesystem::path& path, std::string_view dataset,
                     Hdf5Numbers numbers) {
  const std::unique_lock lock = enter_library();
  const Handle file = open_file(path);
  if (!file.valid()) {
    throw FormatError(path.string(), "expected an HDF5 file, found other or damaged bytes");
  }
  const std::string name(dataset);
  const std::string where = path.string() + "[" + name + "]";
  const Handle data(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!data.valid()) throw FormatError(path.string(), "expected a dataset '{}', found none", name);
  check_numbers(data.get(), numbers, where);
  const Shape shape = shape_of(data.get(), where);
  check_size(data.get(), shape, where);
  const bool real = numbers == Hdf5Numbers::kReal;
  HostTensor out = HostTensor::zeros(real ? DType::kF32 : DType::kI64, shape);
  void* target = real ? static_cast<void*>(out.mutable_data<float>().data())
                      : static_cast<void*>(out.mutable_data<std::int64_t>().data());
  const hid_t type = real ? H5T_NATIVE_FLOAT : H5T_NATIVE_INT64;
  if (H5Dread(data.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, target) < 0) {
    throw FormatError(where, "the data cannot be read; the file is cut off or damaged");
  }
  return out;
}

namespace {

void write_dataset(hid_t file, const NamedTensor& data, hid_t creation, const std::string& where) {
  std::vector<hsize_t> extents;
  for (const std::int64_t extent : data.tensor.shape()) {
    extents.push_back(static_cast<hsize_t>(extent));
  }
  const bool real = data.tensor.dtype() == DType::kF32;
  CONOPA_ASSERT(real || data.tensor.dtype() == DType::kI64);
  const Handle space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr),
                     H5Sclose);
  const Handle dataset(H5Dcreate2(file, data.name.c_str(), real ? H5T_IEEE_F32LE : H5T_STD_I64LE,
                                  space.get(), H5P_DEFAULT, creation, H5P_DEFAULT),
                       H5Dclose);
  const hid_t type = real ? H5T_NATIVE_FLOAT : H5T_NATIVE_INT64;
  if (!dataset.valid() || H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                   data.tensor.bytes().data()) < 0) {
    throw IoError(where, "libhdf5 cannot make the dataset '{}'; is there memory enough?",
                  data.name);
  }
}

std::vector<std::byte> file_image(const std::filesystem::path& path,
                                  std::span<const NamedTensor> datasets) {
  const std::unique_lock lock = enter_library();
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_core(access.get(), std::size_t{1} << 20, 0);  // in memory, nothing on disk
  const Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_obj_track_times(creation.get(), false);  // the same content, the same bytes
  const Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose);
  if (!file.valid()) throw IoError(path.string(), "libhdf5 cannot make a file in memory");
  for (const NamedTensor& data : datasets) {
    write_dataset(file.get(), data, creation.get(), path.string());
  }
  H5Fflush(file.get(), H5F_SCOPE_GLOBAL);
  const ssize_t size = H5Fget_file_image(file.get(), nullptr, 0);
  std::vector<std::byte> bytes(size > 0 ? static_cast<std::size_t>(size) : 0);
  if (bytes.empty() || H5Fget_file_image(file.get(), bytes.data(), bytes.size()) != size) {
    throw IoError(path.string(), "libhdf5 cannot give the file's bytes");
  }
  return bytes;
}

}  // namespace

void write_hdf5(const std::filesystem::path& path, std::span<const NamedTensor> datasets) {
  const std::vector<std::byte> bytes = file_image(path, datasets);
  write_file_atomically(path, bytes);
}

}  // namespace conopa::points
