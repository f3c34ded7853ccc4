#!/usr/bin/env python3
"""rooms.py - keeps the house as its plan says.

From one table: which room stands on which floor, whom it may call, and which
doors (calls of the system) are in which room.  Also what a page looks like:
a room opens by naming itself, functions end at 80 lines, lines at 80 columns,
nothing mutable at file scope.  Prints file:line: reason; ends with 1 on a hit.

usage: rooms.py [DIRECTORY]     (the top of the tree; CC names the compiler)
"""
import os
import re
import subprocess
import sys

FUNCTION_LINES = 80
COLUMNS = 80
TAB = 8

# room -> floor.  A room includes headers of lower floors only.
FLOORS = {
    "lib/buf": 0, "lib/io": 0, "lib/log": 0,
    "conf": 1, "senders": 1, "aliases": 1, "lib/mail": 1, "lib/header": 1, "lib/addr": 1,
    "lib/smtp": 1, "lib/sasl": 1, "lib/prep": 1, "lib/encode": 1, "lib/ascii": 1, "lib/mime": 1,
    "lib/msg": 1, "lib/dsn": 1, "letter": 1,
    "spool": 2, "priv": 2, "sandbox": 2, "crypto": 2, "dns": 2, "setup": 2,
    "lists": 2, "secret": 2,
    "route": 3, "local": 3, "command": 3, "mbox": 3, "bounce": 3,
    "maildir": 3, "delivery": 3, "lmtp": 3,
    "net": 3, "hosts": 3, "jobs": 3, "policy": 3, "body": 3,
    "runner": 4, "desk": 4, "handout": 4, "batch": 4, "hops": 4, "settle": 4,
    "options": 4,
    "dma": 5, "submit": 5, "mailq": 5, "remote": 5,
}

# Everybody may include these; they include nothing but each other and lib/buf.
NOUNS = {"dma.h", "records.h", "result.h", "compat/compat.h"}

# Made by bison and flex: not ours to judge.
MADE = {"aliases_parse.c", "aliases_parse.h", "aliases_scan.c"}

# Files whose room does not have their name.
ROOM_OF = {
    "aliases_parse.y": "aliases", "aliases_scan.l": "aliases",
    "aliases_scan.h": "aliases", "aliases_parse.h": "aliases",
    "aliases_words.h": "aliases", "aliases_build.c": "aliases",
    "aliases_build.h": "aliases", "aliases_int.h": "aliases",
}

# Same floor or upwards, each with its reason.
PAIRS = {
    ("lib/log", "lib/buf"): "a line is built in a buf",
    ("lib/io", "lib/buf"): "a file is read into a buf",
    ("lib/log", "lib/io"): "a line is written whole",
    ("lib/mail", "lib/addr"): "a header field holds addresses",
    ("aliases", "lib/addr"): "a target is an address or is refused",
    ("lib/mail", "lib/header"): "mail.h stands for both",
    ("lib/header", "lib/addr"): "a header field holds addresses",
    ("lib/header", "lib/mail"): "the header is a part of the text",
    ("senders", "conf"): "lines and relays are written as in dma.conf",
    ("lib/sasl", "lib/prep"): "SCRAM compares prepared passwords",
    ("lib/prep", "lib/addr"): "well-formed UTF-8",
    ("lib/smtp", "lib/sasl"): "AUTH is part of the conversation",
    ("lib/smtp", "dma"): "a reply becomes a struct result",
    ("lib/smtp", "result"): "a reply becomes a struct result",
    ("lib/smtp", "lib/addr"): "an 8-bit address is UTF-8 or none",
    ("lib/smtp", "lib/dsn"): "what MAIL and RCPT ask of reports",
    ("lib/dsn", "dma"): "the nouns",
    ("lib/dsn", "lib/addr"): "what is UTF-8",
    ("lib/encode", "lib/sasl"): "base64 alone",
    ("lib/ascii", "lib/addr"): "encoded words are made there",
    ("lib/mime", "lib/encode"): "a part is encoded anew",
    ("lib/mime", "lib/ascii"): "its header is, too",
    ("lib/mime", "lib/header"): "what a line of a header is",
    ("local", "delivery"): "what deliveries share",
    ("local", "mbox"): "the body of a mailbox delivery",
    ("local", "command"): "the body of a pipe delivery",
    ("mbox", "local"): "struct delivery alone",
    ("letter", "local"): "struct delivery alone",
    ("letter", "lib/msg"): "a letter comes in a record",
    ("command", "local"): "struct delivery alone",
    ("local", "maildir"): "the body of a Maildir delivery",
    ("local", "lmtp"): "the body of a delivery by LMTP",
    ("lmtp", "local"): "struct delivery alone",
    ("lmtp", "delivery"): "what deliveries share",
    ("maildir", "local"): "struct delivery alone",
    ("delivery", "local"): "struct delivery alone",
    ("mbox", "delivery"): "what deliveries share",
    ("maildir", "delivery"): "what deliveries share",
    ("bounce", "route"): "whom the submitter had named",
    ("runner", "desk"): "one desk, five files",
    ("hops", "desk"): "one desk, five files",
    ("batch", "desk"): "one desk, five files",
    ("handout", "desk"): "one desk, five files",
    ("settle", "desk"): "one desk, five files",
    ("net", "hosts"): "the remote branch in three files",
    ("net", "jobs"): "the remote branch in three files",
    ("net", "policy"): "what a host is owed",
    ("policy", "hosts"): "struct host alone",
    ("net", "body"): "the text of a job",
    ("body", "jobs"): "the text of a job",
    ("priv", "sandbox"): "the trunk shuts the doors of what it forks",
    ("priv", "setup"): "the deliver branch reads root's own dma.conf",
    ("priv", "local"): "struct delivery alone; the body is handed in",
    ("dma", "submit"): "the hall hands a submission on",
    ("dma", "mailq"): "the hall hands the listing on",
}

# Doors: calls, and the only files that may make them.
DOORS = [
    (r"set(?:res|re|e|fs)?[ug]id|setgroups|initgroups", {"priv.c"},
     "identities"),
    (r"v?fork|clone|socketpair", {"priv.c", "secret.c"}, "processes"),
    (r"exec(?:l|le|lp|v|ve|vp|vpe|veat)|fexecve|posix_spawnp?",
     {"local.c", "command.c", "priv.c", "secret.c"}, "starting programs"),
    (r"socket|connect|bind|getaddrinfo|res_\w+",
     {"net.c", "dns.c", "spool.c", "lmtp.c"},
     "the network, the wake socket, and LMTP"),
    (r"listen|accept4?", set(), "dma never listens"),
    (r"(?:SSL|EVP|X509|BIO|ERR|HMAC|OSSL|OPENSSL|RAND|PEM)_\w+|SHA256|HMAC",
     {"crypto.c"}, "OpenSSL"),
    (r"v?syslog|openlog|closelog", {"lib/log.c"}, "syslog"),
    (r"link|linkat|symlink(?:at)?|rename(?:at2?)?",
     {"spool.c", "local.c", "mbox.c", "maildir.c"}, "names of files"),
    (r"_?exit|_Exit|quick_exit|abort|v?errx?",
     {"dma.c", "remote.c", "priv.c", "command.c", "secret.c"},
     "the end of a process"),
    (r"strcpy|strcat|v?sprintf|gets|system|popen|mktemp|tmpnam|tempnam"
     r"|alloca|strtok", set(), "banned"),
]

# System headers that belong to one room.
HEADERS = [
    (r"openssl/", {"crypto.c"}),
    (r"syslog\.h$", {"lib/log.c"}),
    (r"resolv\.h$|arpa/nameser", {"dns.c"}),
]


class Page:
    """One source file: as it is, and without comments and strings."""

    def __init__(self, top, name):
        self.name = name
        with open(os.path.join(top, name), encoding="utf-8") as f:
            self.text = f.read()
        self.lines = self.text.split("\n")
        self.code = blank_out(self.text)

    def room(self):
        if self.name in ROOM_OF:
            return ROOM_OF[self.name]
        return os.path.splitext(self.name)[0]

    def line_of(self, offset):
        return self.code.count("\n", 0, offset) + 1


def blank_out(text):
    """Comments, strings and characters become blanks; offsets stay."""
    def blanks(m):
        s = m.group(0)
        if s[0] in "\"'":
            return s[0] + " " * (len(s) - 2) + s[0]
        return re.sub(r"[^\n]", " ", s)
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\""
                  r"|'(?:\\.|[^'\\\n])*'", blanks, text, flags=re.S)


def check_page(page, say):
    base = os.path.basename(page.name)
    head = "\n".join(page.lines[:6])
    if not re.search(r"^ ?/?\*\s*" + re.escape(base) + r" - \S", head, re.M):
        say(1, "does not open by naming its room (\"%s - …\")" % base)
    for n, line in enumerate(page.lines, 1):
        if len(line.expandtabs(TAB)) > COLUMNS:
            say(n, "longer than %d columns" % COLUMNS)
        if line != line.rstrip():
            say(n, "blank at the end of the line")
        if re.search(r"\bXXX\b|\bFIXME\b|\bTODO\b(?!\(#\d+\):)", line):
            say(n, "an open end without an issue")


def check_doors(page, say):
    for calls, rooms, what in DOORS:
        if page.name in rooms:
            continue
        for m in re.finditer(r"(?<![\w.>])(%s)\s*\(" % calls, page.code):
            say(page.line_of(m.start()), "%s() is not for this room (%s: %s)"
                % (m.group(1), what, ", ".join(sorted(rooms)) or "nowhere"))
    for m in re.finditer(r"^[ \t]*#[ \t]*include[ \t]*<([^>]+)>", page.text,
                         re.M):
        for header, rooms in HEADERS:
            if re.search(header, m.group(1)) and page.name not in rooms:
                say(page.line_of(m.start()), "<%s> is not for this room"
                    % m.group(1))
    for m in re.finditer(r"\btypedef\s+(?:struct|union|enum)\b", page.code):
        say(page.line_of(m.start()), "typedef for a struct")


def resolve(page, included):
    path = os.path.normpath(os.path.join(os.path.dirname(page.name), included))
    return path


def check_includes(page, top, say):
    room = page.room()
    for m in re.finditer(r"^[ \t]*#[ \t]*include[ \t]*\"([^\"]+)\"", page.text,
                         re.M):
        line = page.line_of(m.start())
        name = resolve(page, m.group(1))
        if not os.path.exists(os.path.join(top, name)):
            name = m.group(1)
        other = ROOM_OF.get(name, os.path.splitext(name)[0])
        if (room, other) in PAIRS or other == room:
            continue
        if room.startswith("lib/") and not name.startswith(("lib/", "compat/")):
            say(line, "lib/ knows nothing of dma, and so not %s" % name)
        elif name in NOUNS:
            continue
        elif page.name in NOUNS and other != "lib/buf":
            say(line, "a noun includes %s" % name)
        elif page.name in NOUNS:
            continue
        elif other not in FLOORS:
            say(line, "%s is not in the table of rooms" % name)
        elif FLOORS[other] >= FLOORS[room]:
            say(line, "%s (floor %d) may not call %s (floor %d)"
                % (room, FLOORS[room], other, FLOORS[other]))


def file_scope(code):
    """Yields (offset, text, is_function, end) of what stands at depth 0."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
                  lambda m: re.sub(r"[^\n]", " ", m.group(0)), code,
                  flags=re.M)
    depth, start, text, body = 0, None, "", False
    for i, c in enumerate(code):
        if depth == 0 and start is None:
            if c.isspace() or c == ";":
                continue
            start, text = i, ""
        if c == "{":
            if depth == 0:
                body = text.rstrip().endswith(")") and "=" not in text
            depth += 1
        elif c == "}":
            depth -= 1
            if depth == 0 and body:
                yield start, text, True, i
                start, body = None, False
        elif depth == 0 and c == ";":
            yield start, text, False, i
            start = None
        elif depth == 0:
            text += c


def is_mutable(text):
    """An object at file scope that can be written to."""
    words = text.split("=")[0].strip()
    if re.match(r"(?:extern|typedef|_Static_assert)\b", words) or \
            re.fullmatch(r"(?:struct|enum|union)(?:\s+\w+)?\s*", words):
        return False
    if re.search(r"\(\s*\*\s*\w+\s*\)\s*\(", words):
        return not re.search(r"\*\s*const\b", words)
    if "(" in words:
        return False
    if "*" in words:
        return not re.search(r"\*\s*const\b[^*]*$", words)
    return not re.search(r"\bconst\b", words)


def check_scope(page, say):
    if not page.name.endswith(".c"):
        return
    for start, text, is_function, end in file_scope(page.code):
        first, last = page.line_of(start), page.line_of(end)
        if is_function and last - first + 1 > FUNCTION_LINES:
            say(first, "function of %d lines, %d are the most"
                % (last - first + 1, FUNCTION_LINES))
        if not is_function and is_mutable(text):
            say(first, "mutable at file scope: %s"
                % " ".join(text.split("=")[0].split()))


def check_header_alone(page, top, say):
    if not page.name.endswith(".h"):
        return
    cc = os.environ.get("CC", "cc").split()
    run = subprocess.run(
        cc + ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
              "-I" + top, "-fsyntax-only", "-x", "c", "-"],
        input="#include \"%s\"\n#include \"%s\"\n" % (page.name, page.name),
        text=True, cwd=top, capture_output=True, check=False)
    if run.returncode != 0:
        why = [s for s in run.stderr.split("\n") if "error" in s]
        say(1, "does not compile alone, twice: %s"
            % (why[0] if why else run.stderr.strip()))


def pages(top):
    for folder in ("", "lib", "compat"):
        path = os.path.join(top, folder)
        if not os.path.isdir(path):
            continue
        for name in sorted(os.listdir(path)):
            if re.search(r"\.[chly]$", name) and name not in MADE:
                yield Page(top, os.path.join(folder, name))


def main(argv):
    top = os.path.abspath(argv[1] if len(argv) > 1 else
                          os.path.join(os.path.dirname(__file__), "../.."))
    hits, seen = [], 0
    for page in pages(top):
        def say(line, why, page=page):
            hits.append("%s:%d: %s" % (page.name, line, why))
        seen += 1
        if page.room() not in FLOORS and page.name not in NOUNS and \
                page.name not in ("result.c",) and \
                not page.name.startswith("compat/"):
            say(1, "not in the table of rooms (tests/lint/rooms.py)")
            continue
        check_page(page, say)
        check_doors(page, say)
        if page.room() in FLOORS or page.name in NOUNS:
            check_includes(page, top, say)
        check_scope(page, say)
        check_header_alone(page, top, say)
    if seen == 0:
        hits.append("%s:0: no rooms here" % top)
    for hit in hits:
        print(hit)
    return 1 if hits else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
