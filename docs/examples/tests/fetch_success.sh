# SPDX-License-Identifier: MIT
# Ten main tasks of three real GETs each succeed, with many workers and with a single one.
. "$(dirname "$0")/fetch.inc"

{
    echo '# name, then URLs'
    echo
    for task in 0 1 2 3 4 5 6 7 8 9; do
        echo "task$task /http_get.h /http_get.c   /tests/fetch.inc # three files"
    done
} >"$scratch/urls"

h=$(size_of "$examples/http_get.h")
c=$(size_of "$examples/http_get.c")
inc=$(size_of "$examples/tests/fetch.inc")
sum=$((10 * (h + c + inc)))
for workers in 8 1; do
    run_demo 0 --workers $workers <"$scratch/urls"
    count "$out" '^done   task[0-9]: ' 10
    count "$out" ": 200 $h B [0-9.]* ms, 200 $c B [0-9.]* ms, 200 $inc B [0-9.]* ms\$" 10
    has "$out" "^10 of 10 main tasks done, 0 failed, 0 stopped; 30 of 30 GETs answered, $sum bytes in "
    [ ! -s "$err" ] || fail 'something was written to standard error'
done

# The same from a file, and with nothing to tell.
"$fetch" --serve-demo --root "$examples" --quiet "$scratch/urls" >"$out" 2>"$err"
[ ! -s "$out" ] || fail '--quiet wrote to standard output'
