#!/usr/bin/env python3
"""layers.py - keeps the layers, the system interfaces and the page.

Who may include whom follows from the folder alone; the includes of all
modules have no cycle.  Calls of the system with consequences are made by the
modules named in INTERFACES and by no others.  And what a page looks like: a
file opens by naming itself, functions end at 80 lines, lines at 80 columns,
nothing mutable at file scope.  Prints file:line: reason; ends with 1 on a hit.

usage: layers.py [DIRECTORY]    (the top of the tree; CC names the compiler)
"""
import glob
import os
import re
import subprocess
import sys

FUNCTION_LINES = 80
COLUMNS = 80
TAB = 8

# What a file with code says of itself before all else.
OPENING = ("Runs as:", "Uses:", "Promise:")

# From the top down: a folder, or the file of that name at the top of the tree
# (aliases_*: aliases), includes its own headers and those of lower layers.
LAYERS = (
    ("dma",),
    ("submit", "queue", "local", "net"),
    ("priv",),
    ("spool", "crypto"),
    ("conf",),
    ("aliases",),
    ("message",),
    ("lib",),
    ("compat",),
)

# Programs of their own, and the only layers that they use.
PROGRAMS = {"smtpd": ("lib", "compat")}

# Calls, the modules or folders that may make them, and what they are.
INTERFACES = (
    (r"set(?:res|re|e)?[ug]id|setgroups|initgroups",
     ("priv/user", "smtpd/identity"),
     "identities"),
    (r"setfs[ug]id|setns|unshare|chroot|fchdir|mount|personality",
     ("priv/host_context",), "the context of a process"),
    (r"access|getuid|getgid",
     ("priv/monitor", "priv/user", "net/auth_command"),
     "of the real ids, which may be the caller's"),
    (r"v?fork|clone|socketpair",
     ("priv/apart", "priv/helper", "priv/monitor", "priv/request",
      "priv/setup_writer", "priv/submit_acceptor", "priv/submit_client",
      "net/auth_command", "smtpd/", "smtpd/drain/",
      "smtpd/modules/"), "processes and pairs of sockets"),
    (r"exec(?:l|le|lp|v|ve|vp|vpe|veat)|fexecve|posix_spawnp?",
     ("priv/request", "priv/submit_acceptor", "local/command",
      "net/auth_command", "smtpd/drain/",
      "smtpd/modules/"), "starting programs"),
    (r"socket|connect|bind|getaddrinfo|res_\w+",
     ("net/conn", "net/dns", "spool", "local/lmtp", "priv/start_socket",
      "priv/submit_client", "conf/local_names", "smtpd/listen",
      "smtpd/notify", "smtpd/status", "smtpd/modules/"),
     "the network, the sockets of a runner and of init, LMTP, and whether an "
     "address is our own"),
    (r"accept4?", ("smtpd/", "priv/start_socket", "priv/submit_acceptor"),
     "init's sockets"),
    (r"listen", ("smtpd/",), "dma never listens"),
    (r"(?:SSL|EVP|X509|BIO|ERR|HMAC|OSSL|OPENSSL|RAND|PEM)_\w+|SHA256|HMAC",
     ("crypto", "smtpd/tls"), "OpenSSL"),
    (r"v?syslog|openlog|closelog", ("lib/log",), "syslog"),
    (r"link|linkat|symlink(?:at)?|rename(?:at2?)?",
     ("spool", "local/mbox", "local/mbox_lock", "local/maildir",
      "priv/setup_writer", "smtpd/modules/", "smtpd/drain/"),
     "names of files"),
    (r"_?exit|_Exit|quick_exit|abort|v?errx?",
     ("priv/apart", "priv/caller", "priv/helper", "priv/monitor",
      "priv/request", "priv/setup_writer", "priv/submit_acceptor",
      "net/auth_command", "smtpd/", "smtpd/drain/"), "the end of a process"),
    (r"strcpy|strcat|v?sprintf|gets|system|popen|mktemp|tmpnam|tempnam"
     r"|alloca|strtok", (), "banned"),
)
# All that is asked of tests.
BANNED = INTERFACES[-1:]

# System headers, and the modules that may include them.
HEADERS = (
    (r"openssl/", ("crypto", "smtpd/tls")),
    (r"syslog\.h$", ("lib/log",)),
    (r"resolv\.h$|arpa/nameser", ("net/dns",)),
)


class Page:
    """One source file: as it is, and without comments and strings."""

    def __init__(self, top, name):
        self.name = name
        self.module = os.path.splitext(name)[0]
        self.layer = layer_of(name)
        with open(os.path.join(top, name), encoding="utf-8") as f:
            self.text = f.read()
        self.lines = self.text.split("\n")
        self.code = blank_out(self.text)

    def line_of(self, offset):
        return self.code.count("\n", 0, offset) + 1

    def includes(self, top):
        """(line, file) of our own headers."""
        for m in re.finditer(r"^[ \t]*#[ \t]*include[ \t]*\"([^\"]+)\"",
                             self.text, re.M):
            name = os.path.normpath(os.path.join(
                os.path.dirname(self.name), m.group(1)))
            if not os.path.exists(os.path.join(top, name)):
                name = m.group(1)
            yield self.line_of(m.start()), name

    def may(self, modules):
        """A module is named in full, a folder with its slash."""
        return self.module in modules or \
            os.path.dirname(self.name) + "/" in modules


def layer_of(name):
    folder, _, _ = name.partition("/")
    return folder if folder != name else re.split(r"[._]", name)[0]


def rank(layer):
    for n, names in enumerate(LAYERS):
        if layer in names:
            return n
    return None


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
        say(1, "does not open by naming itself (\"%s - ...\")" % base)
    opening = page.text.partition("*/")[0]
    for word in OPENING if page.name.endswith(".c") else ():
        if word not in opening:
            say(1, "does not say in its opening \"%s\"" % word)
    for n, line in enumerate(page.lines, 1):
        if len(line.expandtabs(TAB)) > COLUMNS:
            say(n, "longer than %d columns" % COLUMNS)
        if line != line.rstrip():
            say(n, "blank at the end of the line")
        if re.search(r"\bXXX\b|\bFIXME\b|\bTODO\b(?!\(#\d+\):)", line):
            say(n, "an open end without an issue")


def check_calls(page, interfaces, say):
    for calls, modules, what in interfaces:
        if page.may(modules):
            continue
        for m in re.finditer(r"(?<![\w.>])(%s)\s*\(" % calls, page.code):
            say(page.line_of(m.start()), "%s() is not for this module (%s: %s)"
                % (m.group(1), what, ", ".join(modules) or "nowhere"))


def check_interfaces(page, say):
    check_calls(page, INTERFACES, say)
    for m in re.finditer(r"^[ \t]*#[ \t]*include[ \t]*<([^>]+)>", page.text,
                         re.M):
        for header, modules in HEADERS:
            if re.search(header, m.group(1)) and not page.may(modules):
                say(page.line_of(m.start()), "<%s> is not for this module"
                    % m.group(1))
    for m in re.finditer(r"\btypedef\s+(?:struct|union|enum)\b", page.code):
        say(page.line_of(m.start()), "typedef for a struct")


def check_includes(page, top, say):
    for line, name in page.includes(top):
        other = layer_of(name)
        if other == page.layer:
            continue
        if page.layer in PROGRAMS:
            if other not in PROGRAMS[page.layer]:
                say(line, "%s/ uses nothing of %s" % (page.layer, other))
        elif rank(other) is None:
            say(line, "%s is in no layer" % name)
        elif rank(other) <= rank(page.layer):
            say(line, "%s may not use %s" % (page.layer, other))


def check_cycles(pages, top):
    """The first cycle of includes among modules, as a list; or None."""
    uses = {}
    for page in pages:
        uses.setdefault(page.module, set()).update(
            os.path.splitext(name)[0] for _, name in page.includes(top))
    done, way = set(), []

    def walk(module):
        if module in way:
            return way[way.index(module):] + [module]
        if module in done:
            return None
        way.append(module)
        for other in sorted(uses.get(module, set()) - {module}):
            cycle = walk(other)
            if cycle:
                return cycle
        done.add(way.pop())
        return None
    for module in sorted(uses):
        cycle = walk(module)
        if cycle:
            return cycle
    return None


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


def source_names(top):
    """Ours: what bison and flex make of a .y or .l is not."""
    for folder in ("", *(os.path.relpath(d, top) for d in sorted(
            glob.glob(top + "/*/") + glob.glob(top + "/*/*/")))):
        if folder.partition("/")[0] in ("tests", "build", "docs", "packaging"):
            continue
        names = sorted(os.listdir(os.path.join(top, folder)))
        for name in names:
            base, ext = os.path.splitext(name)
            is_made = ext in (".c", ".h") and (
                base + ".y" in names or base + ".l" in names)
            if ext in (".c", ".h", ".l", ".y") and not is_made:
                yield os.path.join(folder, name)


def test_names(top):
    for name in sorted(glob.glob(top + "/tests/**/*.[ch]", recursive=True)):
        yield os.path.relpath(name, top)


def main(argv):
    top = os.path.abspath(argv[1] if len(argv) > 1 else
                          os.path.join(os.path.dirname(__file__), "../.."))
    hits, pages = [], [Page(top, name) for name in source_names(top)]
    for page in pages:
        def say(line, why, page=page):
            hits.append("%s:%d: %s" % (page.name, line, why))
        if rank(page.layer) is None and page.layer not in PROGRAMS:
            say(1, "%s is in no layer (tests/lint/layers.py)" % page.layer)
            continue
        check_page(page, say)
        check_interfaces(page, say)
        check_includes(page, top, say)
        check_scope(page, say)
        check_header_alone(page, top, say)
    for name in test_names(top):
        check_calls(Page(top, name), BANNED, lambda line, why, name=name:
                    hits.append("%s:%d: %s" % (name, line, why)))
    cycle = check_cycles(pages, top)
    if cycle:
        hits.append("%s: includes in a circle" % " > ".join(cycle))
    if not pages:
        hits.append("%s:0: no sources here" % top)
    for hit in hits:
        print(hit)
    return 1 if hits else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
