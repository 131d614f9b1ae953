#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public function is called without memory by one of the tests made for that.
# usage: faults_each.sh SOURCE_DIR
set -eu
cd "$1"
failed=0
declared=$(sed -n 's/^FILCH_API .*\b\(filch_[a-z_]*\)(.*/\1/p' include/filch/*.h | sort -u)
for name in $declared; do
    # What is called by inline functions of the header only, by those who fork without memory.
    case $name in filch_fork_feed | filch_fork_join_shown) continue ;; esac
    grep -qE "\b$name\(" tests/test_faults_each.c tests/test_faults_none.c && continue
    echo "faults_each: $name is not called without memory" >&2
    failed=1
done
[ "$failed" -eq 0 ] && echo "faults_each: $(echo "$declared" | wc -l) functions"
exit "$failed"
