# SPDX-License-Identifier: MIT
# Writes the manual: awk -f header.awk -f roff.awk -f pages.awk -v out=DIR -v version=0.1.0 -v date=2026-01-31 HEADER...
# A page of section 3 for each block of the headers (see header.awk), under its first name, to which its other names
# lead; one of section 7 for each header's first comment. DIR/man3 and DIR/man7 must be there.

# What a page is about, in a line: the beginning of its comment's first sentence.
function summary(b, text)
{
    text = squeeze(comment[b])
    if (text == "")
        return usage(b)
    sub(/^FILCH_[A-Z_]+n\([^)]*\) /, "", text)
    sub(/, for `return .*$/, "", text)
    text = beginning(text)
    gsub(/`/, "", text)
    if (text ~ /^[A-Z][a-z ]/ && text !~ /^SIG/)
        text = tolower(substr(text, 1, 1)) substr(text, 2)
    return text
}

# Up to the end of the sentence, or to a colon or semicolon before it; if that is long, to the last comma or parenthesis.
# What is in parentheses or quotes ends nothing.
function beginning(text, i, depth, quoted, two, comma)
{
    depth = quoted = comma = 0
    for (i = 1; i <= length(text); i++) {
        two = substr(text, i, 2)
        if (two ~ /^`/)
            quoted = !quoted
        depth += (two ~ /^\(/) - (two ~ /^\)/)
        if (depth || quoted)
            continue
        if (two ~ /^[.]( |$)/ || (two ~ /^[:;] / && i > 15))
            break
        if ((two == ", " || two == " (") && i > 15 && i < 100)
            comma = i
    }
    return substr(text, 1, (i > 100 && comma ? comma : i) - 1)
}

# Of a type without a comment: where it is used, in functions rather than in other types.
function usage(b, name, in_functions, in_types)
{
    name = names[b]
    in_functions = users(name, "function")
    in_types = users(name, "type")
    if (in_functions == "" && in_types == "")
        complain_of_text(name " has neither a comment nor a use")
    return (name ~ /_options$/ ? "options for " : members[b] ~ /^FILCH_/ ? "values for " : "what is told by ") \
        (in_functions != "" ? in_functions : in_types)
}

function users(name, wanted, other, i, found, text)
{
    for (other = 1; other <= blocks; other++)
        for (i = 1; i <= lines[other] && kind[other] == wanted; i++) {
            text = synopsis[other, i]
            if (names[other] == name || text !~ ("(^|[^a-z_])" name "([^a-z_]|$)"))
                continue
            if (wanted == "type")
                text = first_name(other)
            else
                text = match(text, /filch_[a-z0-9_]*\(/) ? substr(text, RSTART, RLENGTH) ")" : ""
            found = found (found == "" ? "" : ", ") text
        }
    return found
}

function first_name(b, text)
{
    text = names[b]
    sub(/ .*$/, "", text)
    return text
}

function begin_page(name, volume)
{
    page_name = name "(" volume ")"
    page_file = out "/man" volume "/" name "." volume
    split("", mentioned)
    printf ".\\\" Made from the comments of the headers.\n" >page_file
    printf ".TH %s %d %s \"filch %s\" \"filch manual\"\n", toupper(name), volume, date, version >page_file
    put(".SH NAME")
}

# A declaration in lines that fit, its arguments in italics.
function put_declaration(text, line, part, position, macro)
{
    macro = text ~ /^#define/
    line = ""
    while (text != "") {
        position = index(text, ", ")
        part = position ? substr(text, 1, position) : text
        text = position ? substr(text, position + 2) : ""
        if (line != "" && length(line) + length(part) > 74) {
            put_arguments(line (macro ? " \\e" : ""))
            line = "    " part
        } else
            line = line (line == "" ? "" : " ") part
    }
    put_arguments(line)
}

function put_arguments(line, done, name)
{
    done = ""
    while (match(line, /[ *][a-z_0-9]+(,|\)|\[)/)) {
        name = substr(line, RSTART + 1, RLENGTH - 2)
        done = done substr(line, 1, RSTART) "\\fI" name "\\fB"
        line = substr(line, RSTART + RLENGTH - 1)
    }
    put("\\fB" done line "\\fR")
}

function put_synopsis(b, i, text, file)
{
    file = header[b]
    sub(/^.*\//, "", file)
    put(".SH SYNOPSIS")
    put(".nf")
    put("\\fB#include <filch/" file ">\\fR")
    put(".PP")
    for (i = 1; i <= lines[b]; i++) {
        text = synopsis[b, i]
        if (kind[b] == "function" || text ~ /^typedef [^{]*;$/)
            put_declaration(text)
        else if (text ~ /^#define .*{/) {
            put(".PP")
            put_declaration(text)
        } else
            put_code(text)
    }
    put(".fi")
    put(".PP")
    put("Link with \\fI\\-lfilch\\fR, or what \\fBpkg\\-config \\-\\-libs filch\\fR says.")
}

# "declaration<TAB>text" lines as a list.
function put_list(list, count, items, i, fields)
{
    count = split(list, items, "\n")
    for (i = 1; i < count; i++) {
        split(items[i], fields, "\t")
        put(".TP")
        put("\\fB" escape(fields[1]) "\\fR")
        if (fields[2] == "")
            put("\\&")
        else
            put_text(sentence(fields[2] ~ /^[a-z_]+\(/ ? fields[2] : capital(fields[2])))
    }
}

function sentence(text)
{
    return text (text ~ /[.!?]$/ ? "" : ".")
}

# Constants have their definitions before their names.
function put_constants(list)
{
    gsub(/#define /, "", list)
    put_list(list)
}

function put_see_also(b, other, count, i, list)
{
    put(".SH SEE ALSO")
    list = ""
    for (other = 1; other <= blocks; other++)
        if (other != b && (section[other] == section[b] && header[other] == header[b] || is_mentioned(other, b)))
            put(".BR " first_name(other) " (3),")
    put(".BR " overview_page(header[b]) " (7)")
}

# Whether the text of b says a name of the other, or its declarations do.
function is_mentioned(other, b, count, list, i)
{
    count = split(names[other], list, " ")
    for (i = 1; i <= count; i++)
        if (list[i] in mentioned || declared[b] ~ ("(^|[^a-z_])" list[i] "([^a-z_]|$)"))
            return 1
    return 0
}

function overview_page(file)
{
    sub(/^.*\//, "", file)
    sub(/\.h$/, "", file)
    return file == "filch" ? "filch" : "filch_" file
}

# The comment of b; one that leans on the comment before it says which that is.
function with_predecessor(b, other)
{
    if (comment[b] == "")
        return sentence(capital(summaries[b]))
    for (other = b - 1; other && kind[other] != "function"; )
        other--
    if (!other || comment[b] !~ /^(The same[ ,;]|Waits likewise)/ || comment[b] ~ /^The same (as|with) filch_/)
        return comment[b]
    return "After " first_name(other) "():\n\n" comment[b]
}

function put_names(list, count, i)
{
    for (i = 1; i <= count; i++)
        put(list[i] (i < count ? "," : ""))
}

function put_page(b, count, list, i)
{
    count = split(names[b], list, " ")
    begin_page(list[1], 3)
    put_names(list, count)
    put("\\- " escape(summaries[b]))
    put_synopsis(b)
    put_comment(with_predecessor(b))
    if (members[b] != "") {
        put(members[b] ~ /^FILCH_/ ? ".SH VALUES" : ".SH FIELDS")
        put_list(members[b])
    }
    if (notes[b] != "") {
        put(".SH NOTES")
        put_list(notes[b])
    }
    if (constants[b] != "") {
        put(".SH CONSTANTS")
        put_constants(constants[b])
    }
    put_see_also(b)
    close(page_file)
    for (i = 2; i <= count; i++)
        print "ln -s " list[1] ".3 \"" out "/man3/" list[i] ".3\"" | "sh"
}

# The pages of a header, section by section.
function put_index(file, b, this_one)
{
    put(".SH PAGES")
    this_one = ""
    for (b = 1; b <= blocks; b++) {
        if (header[b] != file)
            continue
        if (section[b] != this_one) {
            this_one = section[b]
            put(".SS " this_one)
        }
        put(".TP")
        put(".BR " first_name(b) " (3)")
        put_text(sentence(summaries[b]))
    }
}

function put_overview(file, name, text, first, count, i, other)
{
    name = overview_page(file)
    begin_page(name, 7)
    text = overview[file]
    first = text
    sub(/\n.*$/, "", first)
    sub(/^filch: /, "", first)
    sub(/\.$/, "", first)
    put(name " \\- " escape(tolower(substr(first, 1, 1)) substr(first, 2)))
    put(".SH SYNOPSIS")
    put(".nf")
    put("\\fB#include <filch/" (name == "filch" ? name : substr(name, 7)) ".h>\\fR")
    put(".fi")
    put(".PP")
    put("Link with \\fI\\-lfilch\\fR, or what \\fBpkg\\-config \\-\\-libs filch\\fR says.")
    put(".SH DESCRIPTION")
    in_overview = after_heading = 1
    count = split(text, text_lines, "\n")
    put_lines(1, count)
    in_overview = 0
    if (opaque[file] != "") {
        put(".SH TYPES")
        put_list(opaque[file])
    }
    if (constants["overview", file] != "") {
        put(".SH CONSTANTS")
        put_constants(constants["overview", file])
    }
    put_index(file)
    put(".SH SEE ALSO")
    for (i = 1; i <= files; i++) {
        other = file_order[i]
        if (other != file && overview[other] != "")
            put(".BR " overview_page(other) " (7)" (i < files && !(i + 1 == files && file_order[files] == file) ? "," : ""))
    }
    close(page_file)
}

END {
    end_file()
    for (b = 1; b <= blocks; b++)
        summaries[b] = summary(b)
    for (b = 1; b <= blocks && !failed; b++)
        put_page(b)
    for (i = 1; i <= files && !failed; i++)
        put_overview(file_order[i])
    if (close("sh") > 0)
        failed = 1
    exit failed
}
