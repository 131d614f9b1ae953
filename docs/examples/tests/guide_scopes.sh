#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/scopes.md: a file that is missing ends its list, and the other lists go on.
. "$(dirname "$0")/check.inc"
need guide_scopes

touch "$work/index.html" "$work/style.css" "$work/virtual"
printf 'index.html\nstyle.css\n' >"$work/web"
printf 'virtual\naliases\n' >"$work/mail"
printf 'pages\n' >"$work/wiki"
as_shown scopes

run 0 guide_scopes
counts "$out" 0 ''
: >"$work/none"
run 0 guide_scopes "$work/none"
line "$out" 1 'none: done$'
counts "$out" 1 ''
run 1 guide_scopes "$work/none" "$work/nowhere"
line "$out" 3 'nowhere\] there is no such list \(No such file or directory\)$'
counts "$out" 3 ''

# A thousand files that are missing: still one error a list, with one cause.
seq -f "$work/%g" 1000 >"$work/many"
run 1 guide_scopes "$work/many" "$work/none" "$work/many"
counts "$out" 2 'many: failed$'
counts "$out" 1 'none: done$'
counts "$out" 2 'caused by: cannot read .* \(No such file or directory\)$'
counts "$out" 1 'suppressed: \[.*many\] the list is not complete '
