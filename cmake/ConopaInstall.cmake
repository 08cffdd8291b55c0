# Installation and the package that find_package(conopa) reads.

include(CMakePackageConfigHelpers)

get_property(conopa_rooms GLOBAL PROPERTY CONOPA_ROOMS)
set(conopa_exported ${conopa_rooms})
if(CONOPA_TRAIN)
  list(APPEND conopa_exported conopa_torch)
endif()
if(TARGET conopa_no_openmp)
  list(APPEND conopa_exported conopa_no_openmp)
endif()
if(TARGET conopa_shared)
  list(APPEND conopa_exported conopa_shared)
  configure_file(cmake/conopa.pc.in conopa.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/conopa.pc
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
install(TARGETS ${conopa_exported} EXPORT conopaTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/conopa/conopa.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/conopa)
set(conopa_programs conopa_command)
if(CONOPA_TRAIN)
  list(APPEND conopa_programs conopa_torch_command)
endif()
install(TARGETS ${conopa_programs} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(room IN LISTS conopa_rooms)  # the headers of the rooms that were built, no others
  string(REPLACE "conopa_" "" room ${room})
  if(EXISTS ${PROJECT_SOURCE_DIR}/include/conopa/${room})
    install(DIRECTORY include/conopa/${room} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/conopa)
  endif()
endforeach()
install(DIRECTORY recipes/ DESTINATION ${CMAKE_INSTALL_DATADIR}/conopa/recipes)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(EXPORT conopaTargets NAMESPACE conopa::
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/conopa)
configure_package_config_file(cmake/conopaConfig.cmake.in conopaConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/conopa)
write_basic_package_version_file(conopaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/conopaConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/conopaConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/conopa)
