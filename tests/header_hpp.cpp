// SPDX-License-Identifier: MIT
// Compiled, never run: filch.hpp stands alone, before any other header and without type information at run time.
#include <filch/filch.hpp>
