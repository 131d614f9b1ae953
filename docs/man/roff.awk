# SPDX-License-Identifier: MIT
# Turns the text of comments into the input of man(7): paragraphs, lists and programs, with names set in bold.

function escape(text)
{
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/'/, "\\(aq", text)
    gsub(/`/, "\\(ga", text)
    gsub(/\^/, "\\(ha", text)
    gsub(/~/, "\\(ti", text)
    return text
}

# A line as it is; a request or text that begins with none.
function put(line)
{
    print line >page_file
}

# Text that may begin with a control character.
function put_guarded(line)
{
    put((line ~ /^[.']/ ? "\\&" : "") line)
}

function put_code(line)
{
    put_guarded(escape(line))
}

# One word with what is fastened to it: `code`, filch_submit(), FILCH_ALL, -EINVAL, *out.
function set_word(word, before, after, name)
{
    if (match(word, /`[^`]+`/)) {
        before = substr(word, 1, RSTART - 1)
        after = substr(word, RSTART + RLENGTH)
        return escape(before) "\\fI" escape(substr(word, RSTART + 1, RLENGTH - 2)) "\\fR" escape(after)
    }
    if (match(word, /filch_[a-z0-9_]+\(\)/)) {
        before = substr(word, 1, RSTART - 1)
        name = substr(word, RSTART, RLENGTH - 2)
        after = substr(word, RSTART + RLENGTH)
        if (!(name in block_of) || kind[block_of[name]] == "type")
            complain_of_text(name "() is mentioned, but not declared")
        mentioned[name] = 1
        return escape(before) "\\fB" name "\\fR(3)" set_word(after)
    }
    if (match(word, /-E[A-Z0-9]+|FILCH_[A-Z0-9_]+|filch_[a-z0-9_]+/))
        return escape(substr(word, 1, RSTART - 1)) "\\fB" escape(substr(word, RSTART, RLENGTH)) "\\fR" \
            escape(substr(word, RSTART + RLENGTH))
    if (match(word, /\*[a-z_]+/))
        return escape(substr(word, 1, RSTART - 1)) "\\fI" substr(word, RSTART, RLENGTH) "\\fR" \
            escape(substr(word, RSTART + RLENGTH))
    gsub(/\\/, "\\e", word)
    gsub(/`/, "\\(ga", word)
    gsub(/\^/, "\\(ha", word)
    gsub(/~/, "\\(ti", word)
    return word
}

function complain_of_text(text)
{
    printf "%s: %s\n", page_name, text >"/dev/stderr"
    failed = 1
}

function capital(text)
{
    return toupper(substr(text, 1, 1)) substr(text, 2)
}

# Text, each sentence on lines of its own that are not long.
function put_text(text, count, words, i, line, word)
{
    count = split(squeeze(text), words, " ")
    line = ""
    for (i = 1; i <= count; i++) {
        word = words[i]
        while (word ~ /^[^`]*`[^`]*$/ && i < count) # code with spaces in it
            word = word " " words[++i]
        if (line != "" && length(line) + length(word) > 72) {
            put_guarded(line)
            line = ""
        }
        line = line (line == "" ? "" : " ") set_word(word)
        if (word ~ /[.!?][)"]?$/ && word !~ /^(e\.g|i\.e|etc)\.$/) {
            put_guarded(line)
            line = ""
        }
    }
    if (line != "")
        put_guarded(line)
}

# A comment's lines from `first` to `last`, of the array text_lines: paragraphs, lists (1. or -) with lines that go on
# by three spaces or two, and programs, which are indented by four or more.
function put_lines(first, last, i, line, paragraph, in_code, item)
{
    paragraph = ""
    for (i = first; i <= last; i++) {
        line = text_lines[i]
        if (line ~ /^    / || (in_code && line == "" && i < last && text_lines[i + 1] ~ /^    /)) {
            if (!in_code) {
                flush_paragraph(paragraph, item)
                paragraph = ""
                put(".PP")
                put(".in +4n")
                put(".EX")
            }
            in_code = 1
            put_code(substr(line, 5))
            continue
        }
        if (in_code) {
            put(".EE")
            put(".in")
            in_code = item = 0
        }
        if (line == "" || line ~ /^([0-9]+\.|-) /) {
            flush_paragraph(paragraph, item)
            paragraph = ""
            item = line != ""
        }
        paragraph = paragraph (paragraph == "" ? "" : " ") line
    }
    flush_paragraph(paragraph, item)
    if (in_code) {
        put(".EE")
        put(".in")
    }
}

# A paragraph; in an overview the word with a full stop that one begins with is its heading.
function flush_paragraph(text, item, tag)
{
    if (text == "")
        return
    if (item) {
        tag = text
        sub(/ .*$/, "", tag)
        sub(/^[^ ]+ /, "", text)
        put(".IP " (tag == "-" ? "\\(bu" : tag) " 4")
    } else if (in_overview && match(text, /^[A-Za-z]+(\(\))?\. /)) {
        tag = substr(text, 1, RLENGTH - 2)
        text = substr(text, RLENGTH + 1)
        put(".SS " tag)
    } else if (!after_heading)
        put(".PP")
    after_heading = 0
    put_text(text)
}

# The comment as sections: what it does, then whatever is labelled as the house style has it.
function put_comment(text, count, i, start, label, line)
{
    text = label_lines(text)
    count = split(text, text_lines, "\n")
    put(".SH DESCRIPTION")
    after_heading = 1
    start = 1
    for (i = 1; i <= count; i++) {
        line = text_lines[i]
        if (!match(line, /^(Context|Ownership|Errors|Ordering|Undefined|Source)(, (ownership|errors|ordering|undefined))*( of [a-z ]+)?: /))
            continue
        label = substr(line, 1, RLENGTH - 2)
        line = substr(line, RLENGTH + 1)
        put_lines(start, i - 1)
        put(".SH " toupper(label))
        after_heading = 1
        text_lines[i] = capital(line)
        start = i
    }
    put_lines(start, count)
}

# A label in the middle of a line begins a line of its own.
function label_lines(text)
{
    gsub(/\. Context: /, ".\nContext: ", text)
    gsub(/\. Ownership: /, ".\nOwnership: ", text)
    gsub(/\. Errors: /, ".\nErrors: ", text)
    gsub(/\. Ordering: /, ".\nOrdering: ", text)
    gsub(/\. Undefined: /, ".\nUndefined: ", text)
    return text
}
