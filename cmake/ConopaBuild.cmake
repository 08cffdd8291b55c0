# Compiler settings and the two functions with which every room declares itself.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(CONOPA_CCACHE ccache)
if(CONOPA_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness lets ccache reuse objects that use the precompiled libtorch header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${CONOPA_CCACHE})
endif()

find_program(CONOPA_MOLD mold)
if(CONOPA_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(conopa_warnings INTERFACE)
target_compile_options(conopa_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion $<$<BOOL:${CONOPA_WERROR}>:-Werror>)

if(CONOPA_SANITIZE)
  add_compile_options(-fsanitize=${CONOPA_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CONOPA_SANITIZE})
endif()

# conopa_room(NAME SOURCES files... [DEPENDS rooms...] [PRIVATE_LINK targets...] [PUBLIC_LINK ...])
# Declares src/NAME as the static library conopa::NAME.
function(conopa_room name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PRIVATE_LINK;PUBLIC_LINK" ${ARGN})
  add_library(conopa_${name} STATIC ${arg_SOURCES})
  add_library(conopa::${name} ALIAS conopa_${name})
  set_target_properties(conopa_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(conopa_${name}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_features(conopa_${name} PUBLIC cxx_std_20)
  foreach(room IN LISTS arg_DEPENDS)
    target_link_libraries(conopa_${name} PUBLIC conopa::${room})
  endforeach()
  target_link_libraries(conopa_${name} PUBLIC ${arg_PUBLIC_LINK}
                        PRIVATE ${arg_PRIVATE_LINK} $<BUILD_INTERFACE:conopa_warnings>)
  set_property(GLOBAL APPEND PROPERTY CONOPA_ROOMS conopa_${name})
endfunction()

# conopa_test(NAME SOURCES files... LINK targets... [LABELS labels...] [PROCESSORS n])
# One GoogleTest program per room; every TEST becomes a ctest case.
function(conopa_test name)
  cmake_parse_arguments(arg "" "PROCESSORS" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK} conopa_warnings GTest::gmock GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(${name} PRIVATE
    CONOPA_SOURCE_DIR="${PROJECT_SOURCE_DIR}" CONOPA_BINARY_DIR="${PROJECT_BINARY_DIR}")
  if(NOT arg_LABELS)
    set(arg_LABELS fast)
  endif()
  if(NOT arg_PROCESSORS)
    set(arg_PROCESSORS 1)
  endif()
  # libgomp's busy waiting would starve tests that run side by side.
  set(environment "GOMP_SPINCOUNT=10000")
  if(CONOPA_SANITIZE MATCHES thread)
    # No OpenMP in that build.
    set(environment "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES
    LABELS "${arg_LABELS}" TIMEOUT 600 PROCESSORS ${arg_PROCESSORS}
    ENVIRONMENT "${environment}")
endfunction()
