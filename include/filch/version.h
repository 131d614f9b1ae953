/* SPDX-License-Identifier: MIT */
/* The version of the header; CMakeLists.txt reads it from here. */
#ifndef FILCH_VERSION_H
#define FILCH_VERSION_H

#define FILCH_VERSION_MAJOR 0
#define FILCH_VERSION_MINOR 1
#define FILCH_VERSION_PATCH 0
#define FILCH_VERSION_STRING "0.1.0"
/* For comparisons: FILCH_VERSION >= 0x000100 */
#define FILCH_VERSION ((FILCH_VERSION_MAJOR << 16) | (FILCH_VERSION_MINOR << 8) | FILCH_VERSION_PATCH)

#endif
