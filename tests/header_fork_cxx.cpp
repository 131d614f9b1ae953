// SPDX-License-Identifier: MIT
#include "header_fork_c.c"
