"""world.py - the throw-away machine as tests see it.

Everything here runs as root inside of world.sh: files, users, processes and
network are private, so the paths are the real ones.
"""
import email
import email.policy
import glob
import grp
import os
import pwd
import re
import shutil
import signal
import subprocess
import time

import acceptor
from queue_files import checksum
from smtp_peer import Script

SPOOL = "/var/spool/dma"
MAIL = "/var/mail"
ETC = "/etc/dma"
LOG = "/var/log/dma.log"
SENDMAIL = "/usr/sbin/sendmail"
BINARY = "/usr/sbin/dma"
SPOOL_USER = "_dma"
USERS = ("alice", "bob", "carol")
FOLDERS = ("queue", "tmp", "corrupt", "dead")
PATIENCE = 4            # how much longer a busy machine may take than is said
HOST = "host.test"

DEFAULT_CONF = {"MAILNAME": HOST, "LOG": "file " + LOG}


class Message:
    """One message of a mailbox."""
    def __init__(self, raw):
        self.raw = raw              # from From_ up to the blank line after
        first, _, rest = raw.partition(b"\n")
        self.from_line = first.decode("latin-1")
        self.text = re.sub(rb"(?m)^>(>*From )", rb"\1", rest)
        self.header_bytes, _, self.body = self.text.partition(b"\n\n")
        self.header = email.message_from_bytes(
            self.header_bytes + b"\n\n", policy=email.policy.compat32)

    def __getitem__(self, name):
        return self.header[name]

    def get_all(self, name):
        return self.header.get_all(name, [])


def messages(data):
    """Takes an mbox apart as mboxrd readers do."""
    assert not data or data.startswith(b"From "), data[:80]
    assert not data or data.endswith(b"\n\n"), data[-80:]
    parts = re.split(rb"(?:\A|(?<=\n\n))(?=From )", data)
    return [Message(p[:-1]) for p in parts if p]


class World:
    """Gives each test the same machine: users, no mail, no configuration
    beyond default_conf."""

    default_conf = DEFAULT_CONF

    def __init__(self):
        self.left = ()          # spool folders that the test leaves filled
        self.reset()

    # -- the machine -----------------------------------------------------

    def reset(self):
        self.stop()
        for folder in FOLDERS:
            for path in glob.glob("%s/%s/*" % (SPOOL, folder)):
                os.unlink(path)
        # As before the first runner: files of both versions are written.
        if os.path.exists(SPOOL + "/version-2"):
            os.unlink(SPOOL + "/version-2")
        for path in glob.glob(MAIL + "/*") + glob.glob(MAIL + "/.*"):
            os.unlink(path)
        for name in USERS:
            self.add_user(name)
        self._fresh("/etc/aliases", b"", 0o644)
        self.write_conf({})
        self.write_auth("")
        spooler = pwd.getpwnam(SPOOL_USER)
        self._fresh(LOG, b"", 0o640, spooler.pw_uid, spooler.pw_gid)

    def add_user(self, name, shell="/bin/sh", home=None):
        """A user with an empty home of mode 0755."""
        home = home or "/home/" + name
        try:
            pwd.getpwnam(name)
        except KeyError:
            subprocess.run(["useradd", "-M", "-U", "-d", home, "-s", shell,
                            name], check=True)
        shutil.rmtree(home, ignore_errors=True)
        os.mkdir(home)
        user = pwd.getpwnam(name)
        os.chown(home, user.pw_uid, user.pw_gid)
        os.chmod(home, 0o755)
        return user

    def remove_user(self, name):
        home = pwd.getpwnam(name).pw_dir
        subprocess.run(["userdel", "-f", name], check=True,
                       stderr=subprocess.DEVNULL)
        # userdel -r fails now and then where a home was on a dead disk.
        shutil.rmtree(home, ignore_errors=True)

    def _fresh(self, path, data, mode, uid=0, gid=0):
        if os.path.lexists(path):
            os.unlink(path)
        if isinstance(data, str):
            data = data.encode()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, data) if data else None
        os.close(fd)
        os.chown(path, uid, gid)
        os.chmod(path, mode)

    def write_conf(self, keys):
        """dma.conf from a dict (over default_conf; None takes a key out, ""
        is a key alone) or from text as it stands."""
        if not isinstance(keys, str):
            merged = {**self.default_conf, **keys}
            merged = {k: v for k, v in merged.items() if v is not None}
            keys = "".join("%s %s\n" % kv if kv[1] != "" else kv[0] + "\n"
                           for kv in merged.items())
        self._fresh(ETC + "/dma.conf", keys, 0o644)

    def smarthost(self, server, **keys):
        """All mail for elsewhere goes to that server, which is given back."""
        self.write_conf({"SMARTHOST": "smart.test:%d" % server.port, **keys})
        return server

    def write_auth(self, text):
        self._fresh(ETC + "/auth.conf", text, 0o640, 0,
                    grp.getgrnam(SPOOL_USER).gr_gid)

    def write_from_map(self, text):
        self._fresh(ETC + "/from", text, 0o644)

    def write_aliases(self, text):
        self._fresh("/etc/aliases", text, 0o644)

    def write_home(self, user, name, text, mode=0o644):
        """A file in somebody's home, theirs."""
        who = pwd.getpwnam(user)
        path = os.path.join(who.pw_dir, name)
        self._fresh(path, text, mode, who.pw_uid, who.pw_gid)
        return path

    def forward(self, user, text, mode=0o644):
        return self.write_home(user, ".forward", text, mode)

    def read_home(self, user, name):
        try:
            with open(os.path.join(pwd.getpwnam(user).pw_dir, name),
                      "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    # -- programs ----------------------------------------------------------

    def run(self, argv, user=None, input=b"", limit=60, **more):
        """Runs argv as user (root when None); the result has bytes."""
        if isinstance(input, str):
            input = input.encode()
        return subprocess.run(argv, input=input, timeout=limit * PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              **self.identity(user), **more)

    def identity(self, user, before=None):
        """Arguments of subprocess that make the child that user, logged in;
        it calls before() first."""
        if user is None:
            return {"env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                    "cwd": "/"}
        who = pwd.getpwnam(user)
        first = [call for call in (
            before, acceptor.is_for_all() and acceptor.no_new_privs) if call]
        return {
            **({"preexec_fn": lambda: [call() for call in first]} if first
               else {}), "user": who.pw_uid, "group": who.pw_gid,
            "extra_groups": os.getgrouplist(user, who.pw_gid),
            "cwd": who.pw_dir if os.path.isdir(who.pw_dir) else "/",
            "env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "HOME": who.pw_dir, "USER": user, "LOGNAME": user,
                    "SHELL": who.pw_shell},
        }

    def start(self, argv, user=None, **more):
        return subprocess.Popen(argv, **{**self.identity(user), **more})

    def send(self, *args, user="alice", input=b"Subject: test\n\nhello\n",
             status=0, **more):
        """sendmail ARGS; its exit status is asserted."""
        done = self.run([SENDMAIL, *args], user=user, input=input, **more)
        assert done.returncode == status, (done.returncode, done.stderr)
        if status == 0:
            assert done.stdout == b""
        return done

    def send_with(self, variables, *args, user="alice"):
        """The same with more in the environment."""
        who = self.identity(user)
        who["env"].update(variables)
        done = subprocess.run([SENDMAIL, *args], input=b"Subject: x\n\nx\n",
                              capture_output=True, timeout=60, **who)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def flush(self, limit=60):
        done = self.run([SENDMAIL, "-q"], limit=limit)
        assert done.returncode == 0, done.stderr
        return done

    # -- what there is to see ------------------------------------------------

    def mailbox(self, user):
        try:
            with open(os.path.join(MAIL, user), "rb") as f:
                return messages(f.read())
        except FileNotFoundError:
            return []

    def mailbox_is_still(self, user):
        """Nobody is at work on that mailbox, as far as its locks tell."""
        return not os.path.exists(os.path.join(MAIL, user + ".lock"))

    def wait_mail(self, user, n=1, limit=15):
        """The n messages of a mailbox, once they are there; more is wrong."""
        def there():
            if not self.mailbox_is_still(user):
                return None
            try:
                return len(self.mailbox(user)) >= n
            except AssertionError:      # read in the middle of a write
                return None
        self.wait_until(there, limit, "%d messages for %s" % (n, user))
        got = self.mailbox(user)
        assert len(got) == n, [str(x.header) for x in got]
        return got

    def queue(self):
        """Ids of the queued messages, from the spool itself."""
        if not os.path.isdir(SPOOL + "/queue"):
            return []       # nothing was ever submitted
        return sorted(os.listdir(SPOOL + "/queue"))

    def age(self, ident, seconds):
        """Makes a queued message older, or with a negative number younger
        than now; nobody may have it in hand."""
        path = "%s/queue/%s" % (SPOOL, ident)
        with open(path, "r+b") as f:
            head = f.read(1024)
            was = re.search(rb"^arrived (\d+)$", head, re.M)
            now = b"%d" % (int(was.group(1)) - seconds)
            assert len(now) == len(was.group(1))
            head = head[:was.start(1)] + now + head[was.end(1):]
            lines, check, rest = head.partition(b"check ")
            if check:           # of version 2
                head = lines + check + b"%08x" % (
                    checksum(lines) & 0xffffffff) + rest[8:]
            f.seek(0)
            f.write(head)

    def spool_litter(self):
        """Files in the folders that shall be empty when all is delivered."""
        return ["%s/%s" % (folder, name) for folder in FOLDERS
                if os.path.isdir("%s/%s" % (SPOOL, folder))
                for name in os.listdir("%s/%s" % (SPOOL, folder))]

    def mailq(self, user=None):
        done = self.run(["mailq"], user=user)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def log(self):
        with open(LOG, encoding="utf-8", errors="surrogateescape") as f:
            return f.read()

    def log_lines(self, *words):
        return [line for line in self.log().splitlines()
                if all(w in line for w in words)]

    def processes(self):
        """Pids of all that run our programs, zombies left out."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                exe = os.readlink("/proc/%s/exe" % pid)
            except OSError:
                exe = self._exiting(pid)
            if exe.split(" ")[0].rsplit("/", 1)[-1] in ("dma", "dma-remote"):
                found.append(int(pid))
        return found

    def _exiting(self, pid):
        """The name of a process that has no memory any more, and perhaps
        still its descriptors: a lock, or the wake socket."""
        try:
            with open("/proc/%s/stat" % pid) as f:
                name, _, rest = f.read().partition("(")[2].rpartition(")")
        except OSError:
            return ""
        # Nor does one count that its tracer has stopped at its end.
        return "" if rest.split()[0] in "ZXt" else name

    def status_of(self, pid, key):
        """A line of /proc/PID/status as a list of words."""
        with open("/proc/%d/status" % pid) as f:
            for line in f:
                if line.startswith(key + ":"):
                    return line.split()[1:]
        return []

    def is_sanitized(self):
        """Built with sanitizers, which need memory of their own."""
        with open(BINARY, "rb") as f:
            return b"__asan_init" in f.read()

    def process_table(self):
        """What our programs do, for people."""
        lines = []
        for pid in self.processes():
            try:
                with open("/proc/%d/wchan" % pid) as f:
                    where = f.read()
                lines.append("%d parent %s uid %s %s in %s traced by %s" % (
                    pid, *(" ".join(self.status_of(pid, key)[:2])
                           for key in ("PPid", "Uid", "State")), where,
                    self.status_of(pid, "TracerPid")[0]))
            except OSError:
                continue
        return "\n".join(lines)

    # -- time ------------------------------------------------------------------

    def wait_until(self, condition, limit=15, what=None):
        """Polls until the condition holds; its value is given.  It does not
        hold while a file or process that it looks at is gone."""
        end = time.monotonic() + limit * PATIENCE
        while True:
            try:
                value = condition()
            except (FileNotFoundError, ProcessLookupError) as e:
                value, what = None, what or e
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(
                    "not within %gs: %s\nqueue %s\n%s\nlog:\n%s" % (
                        limit * PATIENCE, what or "condition", self.spool_litter(),
                        self.process_table(), self.log()[-4000:]))
            time.sleep(0.02)

    def wait_quiet(self, limit=15):
        """Nothing queued, and nobody of ours at work any more."""
        self.wait_until(lambda: not self.queue(), limit, "empty queue")
        self.wait_until(lambda: not self.processes(), limit,
                        "the end of our processes")

    def wait_tried(self, ident_or_text, limit=15):
        """Some attempt was deferred and says so in the log."""
        self.wait_until(
            lambda: self.log_lines("deferred", ident_or_text), limit,
            "a deferral with %r in the log" % ident_or_text)

    def wait_listed(self, words, limit=15):
        """mailq says that; it may come a little after the log's line."""
        self.wait_until(lambda: words in self.mailq(), limit,
                        "%r in mailq" % words)

    def stop(self):
        """Ends our programs, whatever they are doing."""
        end = time.monotonic() + 10
        while True:
            pids = self.processes()
            if not pids:
                return
            assert time.monotonic() < end, pids
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)

    def leaves(self, *folders):
        """Says that this test ends with something in these spool folders."""
        self.left = folders

    def defer(self, peer, address="ann@far.test"):
        """Mail that its host, which is given, defers; a runner waits."""
        p = peer(Script(rcpt_rules=(("^" + address, "450 4.2.1 later"),)))
        self.smarthost(p)
        self.leaves("queue")
        self.send(address)
        self.wait_tried(address)
        return p

    def finish(self):
        """The check after each test: it left nothing behind."""
        litter = []
        try:
            if "queue" not in self.left:
                self.wait_quiet()
            litter = [x for x in self.spool_litter()
                      if x.split("/")[0] not in self.left]
            assert not litter, litter
            # A report may still be on its way into a mailbox.
            self.wait_until(lambda: not glob.glob(MAIL + "/*.lock"), 5,
                            "the end of the locks")
        finally:
            self.stop()
