# Installs a build to an empty prefix, builds project/ against it as a user would, and runs it and
# the installed command:
#   cmake -DBUILD=build/dev -DWORK=DIR -DCXX=g++ -DFLAGS="..." -P run.cmake
cmake_minimum_required(VERSION 3.25)
foreach(name BUILD WORK CXX)
  if(NOT ${name})
    message(FATAL_ERROR "run.cmake: -D${name}=... is missing")
  endif()
endforeach()

# step(WHAT command...): runs a command, shows its output if it fails.
function(step what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed (${result}):\n${out}")
  endif()
  set(step_output "${out}" PARENT_SCOPE)
endfunction()

# expect(PATTERN): the last step's output must match.
function(expect pattern)
  if(NOT step_output MATCHES "${pattern}")
    message(FATAL_ERROR "expected '${pattern}' in:\n${step_output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK}/run)
set(prefix ${WORK}/prefix)
step("installation" ${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
step("configuring the consumer" ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/project
     -B ${WORK}/build -G Ninja -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CXX}
     "-DCMAKE_CXX_FLAGS=${FLAGS}")
step("building the consumer" ${CMAKE_COMMAND} --build ${WORK}/build)
step("running the consumer" ${WORK}/build/consumer ${WORK}/run)
message("${step_output}")
expect("consumer: illama of [1-9][0-9]* parameters")
expect("consumer: ok")

step("running the consumer in C" ${WORK}/build/c_consumer ${WORK}/run/model ${WORK}/run/gray.png)
expect("gray.png: [0-2] 0.33")
expect("c_consumer: ok")

# The installed command, away from the source tree.
step("the installed command" ${CMAKE_COMMAND} -E chdir ${WORK}/run ${prefix}/bin/conopa --version)
expect("conopa [0-9]+\\.[0-9]+")
step("its list of models" ${CMAKE_COMMAND} -E chdir ${WORK}/run
     ${prefix}/bin/conopa models "illama_tiny*")
expect("illama_tiny_patch16_224")
foreach(file share/conopa/recipes/illama/fmnist.toml share/doc/conopa/LICENSE)
  if(NOT EXISTS ${prefix}/${file})
    message(FATAL_ERROR "${file} was not installed")
  endif()
endforeach()
file(REMOVE_RECURSE ${WORK})
