"""calls.py - calls of sendmail as recorder.c writes them down, and what is
unusual about one, in words."""
import glob
import os
import pwd
import re
import shlex
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
CALLS = "/tmp/calls"
RECORDER = "/tmp/recorder"
NAMES = "/usr/sbin/sendmail", "/usr/lib/sendmail"
EXPECTED = "From", "To", "Date", "Message-ID", "Subject"


class Call:
    """One call."""
    def __init__(self, path):
        def read(name):
            try:
                with open(os.path.join(path, name), "rb") as f:
                    return f.read()
            except FileNotFoundError:
                return b""

        def strings(name):
            return read(name).decode(errors="replace").split("\0")[:-1]
        self.argv = strings("argv")
        self.environment = dict(x.partition("=")[::2]
                                for x in strings("environ"))
        self.state = [x.split() for x in read("state").decode().splitlines()]
        self.input, self.output, self.errors = (read(n) for n in "012")
        self.is_smtp = "-bs" in self.argv

    def fds(self):
        """What each open descriptor is."""
        return {int(x[1]): x[2] for x in self.state if x[0] == "fd"}

    def ignored(self):
        return [x[1] for x in self.state if x[0] == "ignored"]

    def user(self):
        uid, = (int(x[1]) for x in self.state if x[0] == "uid")
        return pwd.getpwuid(uid).pw_name


def record():
    """Puts the recorder where sendmail is looked for."""
    if not os.path.exists(RECORDER):
        subprocess.run(["cc", "-std=c11", "-O1", "-o", RECORDER,
                        HERE + "/recorder.c"], check=True)
    for name in NAMES:
        os.unlink(name)
        shutil.copy(RECORDER, name)
    shutil.rmtree(CALLS, ignore_errors=True)
    os.mkdir(CALLS)
    os.chmod(CALLS, 0o1777)


def end_record():
    for name in NAMES:
        os.unlink(name)
        os.symlink("/usr/sbin/dma", name)


def recorded():
    return [Call(path) for path in sorted(glob.glob(CALLS + "/*"))]


def is_recording():
    """Something that passes to or from a call is still being copied."""
    for path in glob.glob("/proc/[0-9]*/exe"):
        try:
            if os.readlink(path).startswith(NAMES):
                return True
        except OSError:
            pass
    return False


def fields_of(text):
    """The header of a message in bytes with LF: [(name, value unfolded)]."""
    head = text.partition(b"\n\n")[0].decode("utf-8", "replace")
    lines = re.sub(r"\n(?=[ \t])", "", head).split("\n")
    return [(name, value) for name, _, value in
            (line.partition(": ") for line in lines)]


# -- in words ------------------------------------------------------------------

def arguments(call):
    return " ".join(shlex.quote(x) for x in call.argv[1:])


def surroundings(call):
    """Descriptors, signals and environment."""
    found, fds = [], call.fds()
    for fd, name in enumerate(("input", "output", "errors")):
        if fd not in fds:
            found.append(name + " closed")
        elif fds[fd] == "null":
            found.append(name + " /dev/null")
        elif fd == 0 and fds[fd] != "pipe":
            found.append("input: " + fds[fd].replace("-", " "))
    more = [str(fd) for fd in fds if fd > 2]
    if more:
        found.append("open: " + " ".join(more))
    if call.ignored():
        found.append("ignored: " + " ".join(call.ignored()))
    missing = [name for name in ("PATH", "HOME", "USER", "LOGNAME")
               if name not in call.environment]
    if missing:
        found.append("no " + ", ".join(missing))
    return "; ".join(found)


def line_ends(data):
    crlf, both = data.count(b"\r\n"), data.count(b"\n")
    if both == 0:
        return ""
    return {0: "LF", both: "CRLF"}.get(crlf, "CRLF and LF")


def message(call):
    """The message on its input, or what it said in SMTP."""
    if call.is_smtp:
        said = re.findall(rb"(?m)^((?:EHLO|HELO|MAIL FROM|RCPT TO|DATA|RSET|"
                          rb"QUIT)\b.*?)\r?$", call.input)
        return "SMTP, %s: %s" % (line_ends(call.input), ", ".join(
            dict.fromkeys(x.decode() for x in said)))
    raw_head, blank, body = re.match(
        rb"(?s)(.*?\n)(\r?\n)(.*)\Z", call.input).groups()
    ends = line_ends(raw_head + blank), line_ends(body)
    found = [ends[0] if ends[1] in (ends[0], "")
             else "header %s, body %s" % ends]
    text = call.input.replace(b"\r\n", b"\n")
    names = [name.lower() for name, _ in fields_of(text)]
    if text.startswith(b"From "):
        found.append("From_ line")
    missing = [x for x in EXPECTED if x.lower() not in names]
    if missing:
        found.append("no " + ", ".join(missing))
    found += ["a " + x for x in ("Bcc", "Return-Path") if x.lower() in names]
    if re.search(rb"[\x80-\xff]", text) and "mime-version" not in names:
        found.append("8-bit, no MIME")
    if not text.endswith(b"\n"):
        found.append("no final newline")
    return "; ".join(found)


def added(call, text):
    """The fields that it has now and had not on input."""
    names = [name.lower() for name, _ in fields_of(
        call.input.replace(b"\r\n", b"\n"))]
    return [name for name, _ in fields_of(text)
            if name in EXPECTED and name.lower() not in names]
