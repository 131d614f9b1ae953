# SPDX-License-Identifier: MIT
# --help tells every option and the exit statuses, --version the version.
. "$(dirname "$0")/fetch.inc"

"$fetch" --help >"$out"
for option in workers connections timeout retries interval backoff keep-going ordered base-url json quiet progress no-progress \
    serve-demo port root demo-delay demo-fail help version; do
    has "$out" "--$option"
done
has "$out" '^Usage: filch_fetch \[OPTION\.\.\.\] FILE$'
has "$out" 'Exit status:'
# Where everything fits, words are not broken: no line is longer than a terminal's.
lacks "$out" '.\{81\}'

"$fetch" --version >"$out"
version=$(sed -n 's/^#define FILCH_VERSION_STRING "\(.*\)"$/\1/p' "$examples/../../include/filch/version.h")
has "$out" "^filch_fetch $version\$"
