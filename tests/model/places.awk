# SPDX-License-Identifier: MIT
# The places of sources that mutations could weaken: read-modify-writes, whatever is not relaxed, fences. Prints, for
# each, file, first line, last line and what stands there; `root` is cut off the names.
function depth(text)
{
    return gsub(/\(/, "", text) - gsub(/\)/, "", text)
}

function uncommented(text)
{
    if (inside && !sub(/^.*\*\//, "", text))
        return ""
    inside = 0
    gsub(/\/\*[^*]*(\*[^\/][^*]*)*\*\//, "", text)
    sub(/\/\/.*/, "", text)
    if (sub(/\/\*.*/, "", text))
        inside = 1
    return text
}

FNR == 1 {
    inside = open = 0
}

{
    line = uncommented($0)
    if (line ~ /^[ \t]*#/)
        next
    if (!open && match(line, /(atomic_[a-z_]+_explicit|atomic_thread_fence|filchi_fence_store_load|__atomic_[a-z_]+)\(/)) {
        first = FNR
        call = substr(line, RSTART)
        open = 1
    } else if (open) {
        call = call " " line
    }
    if (open && depth(call) <= 0) {
        open = 0
        if (call ~ /_(exchange|fetch|compare|thread_fence)|fence_store_load|_(acquire|release|acq_rel|seq_cst)|_(ACQUIRE|RELEASE|ACQ_REL|SEQ_CST)/) {
            gsub(/[ \t]+/, " ", call)
            name = FILENAME
            sub("^" root "/", "", name)
            sub(/\(.*/, "", call)
            print name "\t" first "\t" FNR "\t" call
        }
    }
}
