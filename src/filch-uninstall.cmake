# SPDX-License-Identifier: MIT
# cmake -DMANIFEST=build/release/install_manifest.txt -P src/filch-uninstall.cmake: removes what `cmake --install` has
# installed, which is listed there. The target `uninstall` does so.
if(NOT EXISTS "${MANIFEST}")
    message(FATAL_ERROR "nothing was installed: there is no ${MANIFEST}")
endif()
file(STRINGS "${MANIFEST}" files)
foreach(file IN LISTS files)
    message(STATUS "Removing: $ENV{DESTDIR}${file}")
    file(REMOVE "$ENV{DESTDIR}${file}")
endforeach()
