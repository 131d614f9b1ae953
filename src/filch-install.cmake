# SPDX-License-Identifier: MIT
# What `cmake --install` does. Components: filch_runtime is the shared library, filch_dev all that is needed to build
# against filch, filch_doc the manual.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/filch)
foreach(kind IN ITEMS shared static)
    install(TARGETS filch_${kind} EXPORT filch-${kind}-targets
        LIBRARY COMPONENT filch_runtime NAMELINK_COMPONENT filch_dev
        ARCHIVE COMPONENT filch_dev
        FILE_SET HEADERS COMPONENT filch_dev)
    install(EXPORT filch-${kind}-targets NAMESPACE filch:: DESTINATION ${config_dir} COMPONENT filch_dev)
endforeach()

configure_package_config_file(src/filch-config.cmake.in filch-config.cmake INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(filch-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/filch-config.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/filch-config-version.cmake
    DESTINATION ${config_dir} COMPONENT filch_dev)

# The paths in filch.pc are relative to it, so that an installed tree can be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
    BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE pc_to_prefix)
cmake_path(APPEND pc_libdir "\${prefix}" ${CMAKE_INSTALL_LIBDIR})
cmake_path(APPEND pc_includedir "\${prefix}" ${CMAKE_INSTALL_INCLUDEDIR})
configure_file(src/filch.pc.in filch.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/filch.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT filch_dev)

if(PROJECT_IS_TOP_LEVEL)
    add_custom_target(uninstall
        COMMAND ${CMAKE_COMMAND} -DMANIFEST=${PROJECT_BINARY_DIR}/install_manifest.txt
            -P ${PROJECT_SOURCE_DIR}/src/filch-uninstall.cmake
        VERBATIM)
endif()

# The manual, made from the headers' comments: the target `man`.
find_program(FILCH_AWK NAMES awk)
mark_as_advanced(FILCH_AWK)
if(PROJECT_IS_TOP_LEVEL AND FILCH_AWK)
    string(TIMESTAMP today "%Y-%m-%d" UTC) # SOURCE_DATE_EPOCH, if that is set
    set(man_sources header.awk roff.awk pages.awk)
    list(TRANSFORM man_sources PREPEND ${PROJECT_SOURCE_DIR}/docs/man/)
    set(man_headers ${FILCH_HEADERS})
    list(FILTER man_headers INCLUDE REGEX "\\.h$")
    list(FILTER man_headers EXCLUDE REGEX "/version\\.h$")
    set(man_dir ${PROJECT_BINARY_DIR}/man)
    add_custom_command(OUTPUT man.stamp
        COMMAND sh ${PROJECT_SOURCE_DIR}/docs/man/man.sh ${FILCH_AWK} ${man_dir} ${PROJECT_VERSION} ${today} ${man_headers}
        COMMAND ${CMAKE_COMMAND} -E touch man.stamp
        DEPENDS ${man_sources} ${PROJECT_SOURCE_DIR}/docs/man/man.sh ${man_headers}
        VERBATIM)
    add_custom_target(man ALL DEPENDS man.stamp)
    install(DIRECTORY ${man_dir}/ DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT filch_doc OPTIONAL)
endif()
