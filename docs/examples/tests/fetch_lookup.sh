# SPDX-License-Identifier: MIT
# A host that has no address cannot be reached, which is not any odd failure of input or output.
. "$(dirname "$0")/fetch.inc"

# A label of a name has at most 63 characters, so no name server is asked for this one.
label=$(printf '%064d' 0 | tr 0 x)
export no_proxy='*'
run 1 <<END
a http://$label.invalid/
END
has "$err" "^  caused by: \[a/0\] GET http://$label\.invalid/: .*(No route to host)\$"
