# SPDX-License-Identifier: MIT
# Samples of run.sh as tables in Markdown: medians over the rounds, and how filch stands beside the better peer.

# The values of a figure over the rounds, sorted, in sorted[]; returns how many.
function sort(key, n, i, j, value) {
    n = split(values[key], sorted, " ")
    for (i = 2; i <= n; i++) {
        value = sorted[i] + 0
        for (j = i - 1; j >= 1 && sorted[j] + 0 > value; j--)
            sorted[j + 1] = sorted[j]
        sorted[j + 1] = value
    }
    return n
}

function median(key, n) {
    n = sort(key)
    return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

function spread(key, n) {
    n = sort(key)
    return sprintf("%d .. %d", sorted[1], sorted[n])
}

function sum(key, n, i, total) {
    n = split(values[key], sorted, " ")
    for (i = 1; i <= n; i++)
        total += sorted[i]
    return total + 0
}

function row(place, server, key, mixed) {
    key = place SUBSEP server SUBSEP
    printf "| %s | %d | %s | %d | %d | %d | %s | %d |", server, median(key 5), spread(key 5), median(key 6), median(key 7),
        median(key 8), spread(key 8), median(key 9)
    if (mixed)
        printf " %d | %d |", median(key 13), median(key 14)
    printf " %d | %d |\n", sum(key 11) + sum(key 12), sum(key 15)
}

# The better peer may be another one for each of the two figures: filch is held against the best of both.
function verdict(place, i, key, rate, p99, by_rate, by_p99) {
    for (i = 1; i <= n_servers; i++) {
        if (servers[i] == "filch")
            continue
        key = place SUBSEP servers[i] SUBSEP
        if (!by_rate || median(key 5) > rate) {
            rate = median(key 5)
            by_rate = servers[i]
        }
        if (!by_p99 || median(key 8) < p99) {
            p99 = median(key 8)
            by_p99 = servers[i]
        }
    }
    key = place SUBSEP "filch" SUBSEP
    printf "\nfilch: %.2f of the requests per second of the better peer (%s), %.2f of its p99 (%s).\n",
        median(key 5) / rate, by_rate, median(key 8) / p99, by_p99
}

{
    place = $1 SUBSEP $2
    if (!(place in seen))
        places[++n_places] = place
    seen[place]
    if (!($3 in known))
        servers[++n_servers] = $3
    known[$3]
    for (i = 5; i <= NF; i++)
        values[place SUBSEP $3 SUBSEP i] = values[place SUBSEP $3 SUBSEP i] " " $i
}

END {
    for (p = 1; p <= n_places; p++) {
        split(places[p], words, SUBSEP)
        mixed = words[1] == "mixed"
        printf "\n## %s, %d connection%s\n\n", words[1], words[2], words[2] == 1 && !mixed ? "" : "s"
        printf "| server | %sreq/s | least .. most | p50 | p90 | p99 | least .. most | p99.9 |%s errors | 503 |\n",
            mixed ? "short " : "", mixed ? " long req/s | long p99 |" : ""
        printf "|---|--:|--:|--:|--:|--:|--:|--:|%s--:|--:|\n", mixed ? "--:|--:|" : ""
        for (i = 1; i <= n_servers; i++)
            row(places[p], servers[i], "", mixed)
        verdict(places[p])
    }
}
