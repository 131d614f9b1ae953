#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/event_loops.md: every number is answered, in whatever order; after Ctrl-C too.
. "$(dirname "$0")/check.inc"
need guide_event_loops

as_shown event_loops sort
seq 2 5000 >"$work/in"
"$bin/guide_event_loops" <"$work/in" >"$out" 2>"$err" || fail 'it fails'
counts "$out" 4999 '^[0-9]+: [0-9]+$'
[ "$(sort -n "$out" | cut -d: -f1)" = "$(cat "$work/in")" ] || fail 'a number is not answered, or twice'

# The second takes for ever, and the input has no end.
mkfifo "$work/numbers"
cat >"$work/fed" <<END
#!/bin/sh
exec "$(cd "$bin" && pwd)/guide_event_loops" <>"$work/numbers"
END
chmod +x "$work/fed"
printf '6\n18446744073709551557\n' | tee "$work/numbers" >/dev/null &
bin=$work
interrupt '6: 2' fed
has "$out" '^18446744073709551557: stopped$'
