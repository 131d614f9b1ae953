# SPDX-License-Identifier: MIT
# Samples of run.sh as JSON: an array of objects.
BEGIN {
    n = split("requests_per_s p50_us p90_us p99_us p999_us requests errors bad_statuses long_per_s long_p99_us rejected", keys)
    print "["
}
{
    printf "%s  {\"load\": \"%s\", \"connections\": %d, \"server\": \"%s\", \"round\": %d", (NR > 1 ? ",\n" : ""), $1, $2, $3, $4
    for (i = 1; i <= n; i++)
        printf ", \"%s\": %s", keys[i], $(i + 4)
    printf "}"
}
END { print "\n]" }
