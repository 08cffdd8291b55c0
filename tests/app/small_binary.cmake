# The command a user deploys: which libraries it loads, and its size without symbols.
#   cmake -DCOMMAND=build/release/bin/conopa -DWORK=DIR -DREADELF=readelf -DSTRIP=strip -P small_binary.cmake
cmake_minimum_required(VERSION 3.25)
set(most_bytes 6000000)

execute_process(COMMAND ${READELF} -d ${COMMAND} OUTPUT_VARIABLE libraries RESULT_VARIABLE result)
if(NOT result EQUAL 0 OR NOT libraries MATCHES "NEEDED.*libc\\.so")
  message(FATAL_ERROR "small_binary: cannot read the libraries of ${COMMAND}:\n${libraries}")
endif()
if(libraries MATCHES "torch|c10|mkl|protobuf|python")
  message(FATAL_ERROR "small_binary: expected no libtorch among the libraries, found:\n${libraries}")
endif()

file(MAKE_DIRECTORY ${WORK})
execute_process(COMMAND ${STRIP} -o ${WORK}/conopa ${COMMAND} COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${WORK}/conopa bytes)
file(REMOVE_RECURSE ${WORK})
message("small_binary: ${bytes} bytes without symbols")
if(bytes GREATER_EQUAL most_bytes)
  message(FATAL_ERROR "small_binary: expected fewer than ${most_bytes} bytes, found ${bytes}")
endif()
