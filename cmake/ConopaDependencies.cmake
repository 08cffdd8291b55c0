# Every third-party package, found once.

# With CONOPA_STATIC everything goes into the programs but libc and libm. What is written in C++ comes
# from its headers, as Debian has no archives of it; the archives are not made for shared libraries,
# so libconopa.so is left out.
if(CONOPA_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
  add_link_options(-static-libstdc++ -static-libgcc)
endif()
find_package(Threads REQUIRED)
# The kernels share libtorch's OpenMP team. Under ThreadSanitizer libgomp gives false races, and the
# fuzzed parsers need no team (nor Clang's libomp): those builds link an empty stand-in and run
# serially.
if(CONOPA_SANITIZE MATCHES "thread|fuzzer")
  add_library(conopa_no_openmp INTERFACE)
  add_library(OpenMP::OpenMP_CXX ALIAS conopa_no_openmp)
  set(CONOPA_SERIAL TRUE)  # read by conopaConfig.cmake.in
else()
  set(CONOPA_SERIAL FALSE)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
set(CONOPA_FMT fmt::fmt)
set(CONOPA_SPDLOG spdlog::spdlog)
set(CONOPA_TOML tomlplusplus::tomlplusplus)
if(CONOPA_STATIC)
  set(CONOPA_FMT fmt::fmt-header-only)
  set(CONOPA_SPDLOG spdlog::spdlog_header_only)
  set_target_properties(spdlog::spdlog_header_only PROPERTIES
    INTERFACE_LINK_LIBRARIES "Threads::Threads;fmt::fmt-header-only")
  set(CONOPA_TOML "")  # TOML_HEADER_ONLY in core
endif()
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
find_package(PkgConfig REQUIRED)
# Prefixes that no user's own pkg_check_modules takes.
pkg_check_modules(CONOPA_LIBWEBP REQUIRED IMPORTED_TARGET libwebp)
pkg_check_modules(CONOPA_LIBEXIF REQUIRED IMPORTED_TARGET libexif)
pkg_check_modules(CONOPA_LIBUTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
# HDF5 files of point clouds; its archive needs libraries that programs without shared ones lack.
set(CONOPA_WITH_HDF5 FALSE)  # read by conopaConfig.cmake.in too
if(NOT CONOPA_STATIC)
  pkg_check_modules(CONOPA_HDF5 IMPORTED_TARGET hdf5)
  if(CONOPA_HDF5_FOUND)
    set(CONOPA_WITH_HDF5 TRUE)
  endif()
endif()

if(CONOPA_TRAIN)
  find_package(Torch REQUIRED)
  add_library(conopa_torch INTERFACE)
  target_include_directories(conopa_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
  # Without -fopenmp at::parallel_for silently runs serially.
  target_link_libraries(conopa_torch INTERFACE ${TORCH_LIBRARIES} OpenMP::OpenMP_CXX)
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang AND Torch_VERSION VERSION_LESS 2)
    # libtorch 1.13 uses a vector of an incomplete type that Clang refuses in C++20.
    target_compile_options(conopa_torch INTERFACE "SHELL:-include ATen/core/ivalue.h")
  endif()
endif()
if(CONOPA_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
if(CONOPA_BENCH)
  find_package(benchmark REQUIRED)
endif()
