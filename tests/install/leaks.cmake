# SPDX-License-Identifier: MIT
# Filch leaves nothing in a project that it is a part of but its own names: no target, cache variable, test, flag or
# setting of another name. filch_dir, if set, is the directory that was added. (prefix_result and the like are the work of
# FindPkgConfig.)
get_cmake_property(variables CACHE_VARIABLES)
list(REMOVE_ITEM variables ${variables_before})
list(FILTER variables EXCLUDE REGEX "^(filch|FILCH_|FETCHCONTENT_|CMAKE_|PKG_CONFIG_|FIND_PACKAGE_|GIT_EXECUTABLE|prefix_result)")
list(FILTER variables EXCLUDE REGEX "_FILCH_URCU")
if(variables)
    message(FATAL_ERROR "filch leaves in the cache: ${variables}")
endif()

get_property(tests DIRECTORY PROPERTY TESTS)
get_property(standard VARIABLE PROPERTY CMAKE_C_STANDARD)
if(NOT tests STREQUAL tests_before OR NOT CMAKE_C_STANDARD EQUAL 17 OR BUILD_TESTING)
    message(FATAL_ERROR "filch adds tests or changes settings")
endif()

if(filch_dir)
    get_property(targets DIRECTORY ${filch_dir} PROPERTY BUILDSYSTEM_TARGETS)
    list(FILTER targets EXCLUDE REGEX "^filch_")
    get_property(added_tests DIRECTORY ${filch_dir} PROPERTY TESTS)
    if(targets OR added_tests)
        message(FATAL_ERROR "filch adds the targets ${targets} and the tests ${added_tests}")
    endif()
endif()
