"""stage.py - a machine where programs call sendmail: each is set off, and what
of its mail arrives is compared with what should."""
import dataclasses
import email
import email.policy
import os
import re
import signal
import subprocess
import textwrap
import time
from email.header import decode_header, make_header

import calls as recorder
import world as worlds

# Mail for any of these goes to a mailbox and to another host.
BOTH = ("bob", "ann@far.test")
ALIASES = """both: bob, ann@far.test
root: both
alice: both
logcheck: root
"""

# A text that is hard on whoever looks for a dot, for the start of a message,
# or for ASCII.
TEXT = "above\n.\n.dot\n..two\nFrom here on\nJos\u00e9 = 1\nend\n"


@dataclasses.dataclass(frozen=True)
class Caller:
    """A program, and what is to become of its mail.

    script is run by the shell as user, in their home, where "text" has TEXT;
    or it is a function of a Stage.  %(word)s is another word each time.
    """
    name: str
    package: str
    script: object
    fields: str                 # lines "Name: value" of what arrives
    user: str = "alice"
    sender: str = "alice@host.test"
    to: tuple = BOTH            # who gets it
    body: str = TEXT            # lines that arrive
    files: dict = dataclasses.field(default_factory=dict)   # in the home
    calls: int = 1              # of sendmail
    is_optional: bool = False   # tried only if it is installed

    def is_installed(self):
        return os.path.exists("/usr/share/doc/" + self.package) or \
            os.path.exists("/unpacked/" + self.package)


class Stage:
    def __init__(self, world, peer):
        self.world, self.peer = world, peer
        self.word = "word%d" % time.monotonic_ns()
        world.smarthost(peer)
        world.write_aliases(ALIASES)
        world.run(["usermod", "-c", "Alice Ash", "alice"])
        recorder.record()

    def play(self, caller):
        """Sets it off; gives its calls once all mail of it has arrived."""
        home = "/root" if caller.user == "root" else "/home/" + caller.user
        for name, text in caller.files.items():
            self.write(caller.user, home, name, self.fill(text))
        self.write(caller.user, home, "text", TEXT)
        if callable(caller.script):
            caller.script(self)
        else:
            self.shell("cd %s\n%s" % (home, self.fill(textwrap.dedent(
                caller.script))), caller.user)
        wait = self.world.wait_until
        wait(lambda: len(recorder.recorded()) >= caller.calls, 30, "a call")
        wait(lambda: not recorder.is_recording(), 30, "the calls' end")
        self.world.wait_quiet(30)
        return recorder.recorded()

    def fill(self, text):
        return text % {"word": self.word}

    def write(self, user, home, name, text):
        path = os.path.join(home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o600 if name.startswith(".") else 0o644)
        if user != "root":
            subprocess.run(["chown", "-R", user + ":", home], check=True)

    def shell(self, script, user):
        done = self.world.run(
            ["sh", "-ec", "export LC_ALL=C.UTF-8\n" + script],
            user=None if user == "root" else user)
        assert done.returncode == 0, (done.stdout, done.stderr)

    def daemon(self, argv):
        """Runs a daemon until mail of it is queued."""
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/bin", "LANG": "C.UTF-8"})
        try:
            self.world.wait_until(
                lambda: self.world.log_lines("status=queued"), 60,
                "mail from " + argv[0])
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)

    def arrived(self):
        """(recipient, sender, text with LF) of each copy."""
        found = []
        for user in worlds.USERS:
            for m in self.world.mailbox(user):
                found.append((user, m["Return-Path"][1:-1], m.text))
        for t in self.peer.taken:
            assert not re.search(rb"(?<!\r)\n|\r(?!\n)", t.data)
            for rcpt in t.accepted:
                found.append((rcpt, t.sender, t.data.replace(b"\r\n", b"\n")))
        return found

    def faults(self, caller, calls):
        """All that is not as it should be, in words."""
        if len(calls) != caller.calls:
            yield "%d calls" % len(calls)
        for call in calls:
            if call.errors or call.output and not call.is_smtp:
                yield "printed: %r" % (call.output + call.errors)
        copies = self.arrived()
        got = sorted(rcpt for rcpt, _, _ in copies)
        if got != sorted(caller.to * caller.calls):
            yield "recipients: %s" % got
        for rcpt, sender, text in copies:
            if sender != caller.sender:
                yield "%s: sender <%s>" % (rcpt, sender)
            for fault in self.faults_of_text(caller, text):
                yield "%s: %s" % (rcpt, fault)

    def faults_of_text(self, caller, text):
        fields = [(name.lower(), str(make_header(decode_header(value))))
                  for name, value in recorder.fields_of(text)]
        names = [name for name, _ in fields]
        for name in "from", "date", "message-id":
            if names.count(name) != 1:
                yield "%d of %s" % (names.count(name), name)
        if "bcc" in names:
            yield "a Bcc"
        for line in textwrap.dedent(caller.fields).strip().split("\n"):
            name, _, value = self.fill(line).partition(": ")
            values = [v for n, v in fields if n == name.lower()]
            if values != [value]:
                yield "%s: %s" % (name, values)
        if "\n" + caller.body not in shown(text):
            yield "text: %r" % shown(text)


def shown(text):
    """What a mail program shows of the body of that message."""
    m = email.message_from_bytes(text, policy=email.policy.default)
    part = m.get_body(("plain",)) or m
    return "\n" + (part.get_payload(decode=True) or b"").decode(
        part.get_content_charset("utf-8"), "replace").replace("\r\n", "\n")
