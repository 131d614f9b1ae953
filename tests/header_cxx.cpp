// SPDX-License-Identifier: MIT
#include "header_c.c"
