# SPDX-License-Identifier: MIT
# Reads the public headers into blocks: a comment with the declarations that follow it up to an empty line or the next
# comment. It knows the house style and no more C than that; what it cannot place is an error, so that nothing is left
# out of the manual unnoticed.
#
# Of block b: comment[b], kind[b] (function, type or macro), section[b], header[b], names[b] (of its pages, the first
# one's first), synopsis[b, 1..lines[b]], members[b] (of a type), notes[b] (what is said of single names behind them).
# Of a header: overview[file]; opaque[file] and constants[...] are lists of "name<TAB>comment" lines.

function complain(text)
{
    printf "%s:%d: %s\n", FILENAME, FNR, text >"/dev/stderr"
    failed = 1
}

# The comment that begins with `line`, without its frame: lines joined by newlines, the first space of each gone.
function read_comment(line, text, first)
{
    for (first = 1;; first = 0) {
        sub(/[ \t]+$/, "", line)
        ended = sub(/[ ]*\*\/$/, "", line)
        sub(first ? "^[ ]*/\\*[ ]?" : "^[ ]*\\*?[ ]?", "", line)
        text = text (first || text == "" ? "" : "\n") line
        if (ended)
            return text
        if ((getline line) <= 0) {
            complain("a comment without an end")
            return text
        }
    }
}

# Removes the comments of a declaration.
function without_comments(text)
{
    while (match(text, /\/\*([^*]|\*+[^*\/])*\*+\//))
        text = substr(text, 1, RSTART - 1) substr(text, RSTART + RLENGTH)
    return text
}

function squeeze(text)
{
    gsub(/[ \t\n]+/, " ", text)
    gsub(/^ | $/, "", text)
    return text
}

# A declaration from `line` on: raw[] with its comments, and the statement on one line without them. Ends at a semicolon
# outside of braces, or for an inline function at the end of its body.
function read_declaration(line, depth, inlined, text, bare)
{
    inlined = line ~ /^static inline/
    for (raw_lines = 0;;) {
        raw[++raw_lines] = line
        text = text line "\n"
        bare = without_comments(text)
        depth = gsub(/{/, "{", bare) - gsub(/}/, "}", bare)
        if (bare !~ /\/\*/ && depth == 0 && bare ~ (inlined ? "}[ \n]*$" : ";[ \n]*$"))
            break
        if ((getline line) <= 0) {
            complain("a declaration without an end: " squeeze(text))
            break
        }
    }
    whole = text
    return squeeze(bare)
}

# What stands behind a declaration, or "".
function trailing_comment(text)
{
    sub(/\n$/, "", text)
    if (!match(text, /;[ ]*\/\*([^*]|\*+[^*\/])*\*+\/$/))
        return ""
    text = substr(text, RSTART + 1)
    gsub(/^[ ]*\/\*[ ]?|[ ]*\*\/$/, "", text)
    gsub(/\n[ ]*\*[ ]?/, "\n", text)
    return text
}

# The block that a declaration belongs to: the comment's above it; else that of the declarations before it; else one that
# is made of what stands behind it.
function find_block(new_kind, name, trailing)
{
    if (!current && (pending != "" || trailing != "" || new_kind == "type")) {
        current = ++blocks
        comment[current] = pending != "" ? pending : trailing
        kind[current] = new_kind
        section[current] = this_section
        header[current] = FILENAME
        constants[current] = loose_constants
        loose_constants = ""
        if (pending == "")
            trailing = ""
    }
    if (!current) {
        complain(name " has no comment")
        return 0
    }
    block_of[name] = current
    names[current] = names[current] (names[current] == "" ? "" : " ") name
    if (trailing != "")
        notes[current] = notes[current] name "\t" squeeze(trailing) "\n"
    return current
}

function add_synopsis(b, text)
{
    synopsis[b, ++lines[b]] = text
    declared[b] = declared[b] " " text
}

function add_function(statement, trailing, name, b)
{
    sub(/[ ]*{.*$/, ";", statement)
    gsub(/ ?(__attribute__\(\([a-z_]*(\([^()]*\))?\)\)|FILCH_PRINTF\([^()]*\))/, "", statement)
    sub(/^FILCH_API |^static inline /, "", statement)
    if (!match(statement, /filch_[a-z0-9_]*\(/)) {
        complain("no function: " statement)
        return
    }
    name = substr(statement, RSTART, RLENGTH - 1)
    b = find_block("function", name, trailing)
    if (b)
        add_synopsis(b, statement)
}

# The fields of a structure or the constants of an enumeration, with their comments: "declaration<TAB>comment" lines.
function read_members(b, i, line, text, above)
{
    above = ""
    for (i = 2; i < raw_lines; i++) {
        line = raw[i]
        while (line ~ /\/\*/ && line !~ /\*\// && i < raw_lines) {
            sub(/^[ ]*\* /, "", raw[++i])
            line = line " " raw[i]
        }
        text = line
        if (!sub(/^.*\/\*[ ]*/, "", text))
            text = ""
        sub(/[ ]*\*\/.*$/, "", text)
        line = squeeze(without_comments(line))
        if (line == "")
            above = above (above == "" ? "" : " ") text
        else {
            sub(/[;,]$/, "", line)
            members[b] = members[b] line "\t" squeeze(text != "" ? text : above) "\n"
            above = ""
        }
    }
}

function add_type(statement, trailing, name, b, i, count, line)
{
    if (statement ~ /^typedef struct [a-z_]+ [a-z_]+;$/) { # opaque
        name = statement
        gsub(/^.* |;$/, "", name)
        if (trailing == "")
            trailing = pending
        opaque[FILENAME] = opaque[FILENAME] name "\t" squeeze(trailing) "\n"
        return
    }
    if (statement ~ /{/) {
        name = statement
        if (!sub(/^(typedef )?(struct|enum|union) /, "", name) || !sub(/ {.*$/, "", name)) {
            complain("no type: " statement)
            return
        }
    } else if (match(statement, /filch_[a-z0-9_]*\(/))
        name = substr(statement, RSTART, RLENGTH - 1)
    else {
        complain("no type: " statement)
        return
    }
    b = find_block("type", name, statement ~ /{/ ? "" : trailing)
    if (!b)
        return
    types[name] = b
    if (statement !~ /{/) {
        add_synopsis(b, statement)
        return
    }
    read_members(b)
    count = split(without_comments(whole), bare_lines, "\n")
    for (i = 1; i <= count; i++) {
        line = bare_lines[i]
        sub(/[ ]+$/, "", line)
        if (line != "")
            add_synopsis(b, line)
    }
}

# A constant, the initialiser of the structure before it, or a macro with a comment.
function add_define(line, name, b, text, trailing)
{
    text = line
    while (line ~ /\\$/ && (getline line) > 0)
        text = text "\n" line
    name = text
    sub(/^#define /, "", name)
    sub(/[^A-Z0-9_].*$/, "", name)
    if (name ~ /_H$/ || name ~ /^FILCH_(API|PRINTF|AUTO)$/)
        return
    trailing = text
    if (!sub(/^[^\n]*\/\*[ ]*/, "", trailing) || !sub(/[ ]*\*\/$/, "", trailing))
        trailing = ""
    text = without_comments(text)
    if (tolower(name) in types) {
        gsub(/[ ]*\\\n[ ]*/, " ", text)
        add_synopsis(types[tolower(name)], squeeze(text))
    } else if ((pending != "" || macros) && text ~ /\n/) {
        sub(/\).*$/, ")", text)
        current = macros
        macros = b = find_block("macro", name, "")
        add_synopsis(b, squeeze(text))
    } else
        loose_constants = loose_constants squeeze(text) "\t" squeeze(trailing != "" ? trailing : pending) "\n"
}

function end_file()
{
    if (last_file != "" && loose_constants != "")
        complain("constants that nothing follows: " loose_constants)
    loose_constants = ""
}

FNR == 1 {
    end_file()
    last_file = FILENAME
    this_section = ""
    current = 0
    pending = ""
    seen_overview = 0
    file_order[++files] = FILENAME
}

/^[ \t]*$/ {
    current = 0
    pending = ""
    next
}

# Macros that do something are left alone by clang-format, and have one comment together.
/^\/\* clang-format/ {
    macros = 0
    next
}

/^\/\* SPDX-/ { next }

# The constants before the first section are everybody's.
/^\/\* ---- / {
    if (this_section == "") {
        constants["overview", FILENAME] = loose_constants
        loose_constants = ""
    }
    this_section = $0
    gsub(/^\/\* -+ | -+ \*\/$/, "", this_section)
    next
}

/^\/\*/ {
    pending = read_comment($0)
    current = 0
    if (!seen_overview) {
        overview[FILENAME] = pending
        seen_overview = 1
        pending = ""
    }
    next
}

/^#ifdef __cplusplus/ {
    while ($0 !~ /^#endif/ && getline > 0)
        continue
    next
}

/^#define / {
    add_define($0)
    next
}

/^#/ { next }

/^(FILCH_API|static inline) / {
    statement = read_declaration($0)
    add_function(statement, trailing_comment(whole))
    next
}

/^(typedef|struct|enum|union) / {
    statement = read_declaration($0)
    add_type(statement, trailing_comment(whole))
    next
}

{ complain("what is this? " $0) }
