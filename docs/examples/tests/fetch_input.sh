# SPDX-License-Identifier: MIT
# Bad usage and bad input end with 2, and the message names the file and the line.
. "$(dirname "$0")/fetch.inc"

# usage PATTERN OPTION...
usage() {
    pattern=$1
    shift
    status=0
    "$fetch" "$@" >"$out" 2>"$err" </dev/null || status=$?
    [ $status -eq 2 ] || fail "exit status $status instead of 2: filch_fetch $*"
    has "$err" "$pattern"
}

# input PATTERN LINES: what printf makes of LINES is read from a file.
input() {
    printf "$2" >"$scratch/urls.txt"
    usage "^filch_fetch: $scratch/urls.txt$1\$" "$scratch/urls.txt"
}

usage ': no FILE$'
usage ': more than one FILE$' a b
usage "unrecognized option '--nonsense'" --nonsense
usage ": --workers: '0' is not a number from 1 to 1024\$" --workers 0 -
usage ": --workers: '-1' is not a number from 1 to 1024\$" --workers=-1 -
usage ": --workers: '99999999999999999999' is not" --workers 99999999999999999999 -
usage ": --retries: '0' is not" --retries 0 -
usage ": --connections: '0' is not a number from 1 to 4096\$" --connections 0 -
usage ": --backoff: '0.5' is not a factor from 1 to 1000\$" --backoff 0.5 -
usage ": --backoff: 'nan' is not" --backoff nan -
usage ": --timeout: '0' is not a number of seconds\$" --timeout 0 -
usage ": --timeout: 'nan' is not" --timeout nan -
usage ": --timeout: '1s' is not" --timeout 1s -
usage ": --interval: '-1' is not" --interval=-1 -
usage ": --port: '65536' is not" --serve-demo --port 65536
usage ": '/x' is not a path, '=' and a value\$" --serve-demo --demo-delay /x
usage ": --demo-fail: 'often' is not" --serve-demo --demo-fail /x=often
usage ": --demo-fail: '0' is not" --serve-demo --demo-fail /x=reset:0
usage ": --base-url: 'ftp://x' is not an http(s) URL\$" --base-url ftp://x -
usage 'exclude each other$' --base-url http://x --serve-demo -

usage '^filch_fetch: /nowhere/urls.txt: No such file or directory$' /nowhere/urls.txt
usage '^filch_fetch: /: Is a directory$' /
usage '^filch_fetch: standard input: no main task in it$' -
input ': no main task in it' '# nothing\n\n   # here\n'
input ":3: 'ftp:/x' is not an http(s) URL" '# urls\na http://127.0.0.1/\nb ftp:/x\n'
input ":1: 'http://127.0.0.1:99999/' is not an http(s) URL" 'a http://127.0.0.1:99999/'
input ":1: 'http://' is not an http(s) URL" 'a http://\n'
input ":2: main task 'b' has no URL" 'a http://127.0.0.1/\nb\n'
input ":1: main task 'b' has no URL" 'b # http://127.0.0.1/\n'
input ":1: '/index.md' is a path: --serve-demo or --base-url says on which server" 'a /index.md\r\n'
input ':2: byte 3 is a control character' '\na \033]0;title http://127.0.0.1/\n'
input ':1: byte 2 is a control character' 'a\000b http://127.0.0.1/\n'
input ':1: byte 2 is a control character' 'a\302\233 http://127.0.0.1/\n'
input ':1: byte 4 is not UTF-8' '\303\244b\377 http://127.0.0.1/\n'
input ':1: byte 1 is not UTF-8' '\355\240\200 http://127.0.0.1/\n'

# A byte order mark is no part of the first line, and elsewhere it is text.
input ": no main task in it" '\357\273\277'
input ":1: main task 'b' has no URL" '\357\273\277b\n'
input ":2: main task 'b' has no URL" '\357\273\277# urls\nb\n'
input ":2: main task '.*b' has no URL" '# urls\n\357\273\277b\n'
input ':1: byte 2 is not UTF-8' '\357\273\277b\377\n'
