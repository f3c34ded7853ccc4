"""intake.py - dma-smtpd as tests see it: its processes, tree and log.

Everything here runs as root inside of world.sh, so ports, paths and processes
are private.
"""
import glob
import itertools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from client import Client, hello

PROGRAM = "/usr/sbin/dma-smtpd"
DRAIN = "/usr/sbin/dma-smtpd-drain"
USER = "_dma-smtpd"
MODULES = "/usr/lib/dma/smtpd"
HEADER = "/usr/include/smtpd_module.h"
LIMIT_S = int(os.environ.get("SMTPD_LIMIT_S", "30"))
DRAIN_S = 30            # the default of SHUTDOWN_TIMEOUT

# Confined processes can write the reports of sanitizers nowhere else.
REPORTS = {"ASAN_OPTIONS": "detect_leaks=0:log_path=stderr",
           "UBSAN_OPTIONS": "print_stacktrace=1:log_path=stderr"}

ports = itertools.count(20000)
NAME = re.compile(r"(\d{12})/([a-z0-9.-]{1,253}|_invalid)/"
                  r"(\d+)-([0-9A-Za-z]+)\.msg")


def wait_until(condition, what, limit=LIMIT_S):
    """Polls until the condition holds; its value is given."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "not within %gs: %s" % (limit, what)
        time.sleep(0.01)


class Stored:
    """A message of the tree: the lines before it, and the text as it came."""
    def __init__(self, path):
        self.path = path
        with open(path, "rb") as f:
            self.raw = f.read()
        head, received, rest = self.raw.partition(b"\r\nReceived: ")
        assert received, self.raw[:300]
        self.forward = [line[len("Forward-Path: "):]
                        for line in head.decode().split("\r\n")[:-1]
                        if line.startswith("Forward-Path: ")]
        last = head.decode().split("\r\n")[-1]
        assert last.startswith("Return-Path: "), head
        assert len(self.forward) == head.count(b"\r\n"), head
        self.sender = last[len("Return-Path: "):]
        folded = re.match(rb"(?:.|\r\n[ \t])*?\r\n(?![ \t])", rest, re.S)
        self.received = folded.group().decode()[:-2]
        self.text = rest[folded.end():]

    @property
    def to(self):
        """The bare recipients."""
        return [line.partition(">")[0][1:] for line in self.forward]


class Tree:
    """ROOT: what is in it, checked while it is read."""
    def __init__(self, root):
        self.root = root

    def paths(self):
        """Of all messages, from below the root, by name."""
        found = []
        for path, _, files in os.walk(self.root):
            found += [os.path.relpath(os.path.join(path, name), self.root)
                      for name in files if name.endswith(".msg")]
        return sorted(found)

    def files(self):
        """One path for each message, whatever links it has."""
        inodes = {}
        for path in self.paths():
            full = os.path.join(self.root, path)
            inodes.setdefault(os.stat(full).st_ino, full)
        return sorted(inodes.values())

    def messages(self):
        return [Stored(path) for path in self.files()]

    def domains(self):
        return sorted({path.split("/")[1] for path in self.paths()})

    def litter(self):
        """What is neither a message nor a directory that has one."""
        found = []
        for path, folders, files in os.walk(self.root):
            below = os.path.relpath(path, self.root)
            found += [os.path.join(below, name) for name in files
                      if not NAME.fullmatch(os.path.join(below, name))]
        return [x for x in found if not x.startswith("./lost+found")]

    def empty(self):
        for path in glob.glob(self.root + "/[0-9]*"):
            shutil.rmtree(path)


def our_processes(root=None):
    """Pids of all that run dma-smtpd (for that root), zombies left out."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if not os.readlink("/proc/%s/exe" % pid).startswith(PROGRAM):
                continue
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                if not root or root.encode() in f.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            continue
    return found


def parent_of(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return int(f.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


def has_socket(pid, inodes):
    try:
        return any(os.readlink("/proc/%d/fd/%s" % (pid, fd))[8:-1] in inodes
                   for fd in os.listdir("/proc/%d/fd" % pid))
    except OSError:
        return False


class Intake:
    """One dma-smtpd in the foreground.  keys: the configuration, as
    {key: value or list of values} or text; is_root: started by root, who
    drops it, or else by alice."""
    def __init__(self, folder, keys=None, is_root=True, args=(), listen=None,
                 wrap=(), port=None, **more):
        self.folder = folder
        self.user = USER if is_root else "alice"
        self.root = folder + "/root"
        self.conf = folder + "/dma-smtpd.conf"
        self.status = folder + "/run/status"
        self.port = port or next(ports)
        self.is_sanitized = is_sanitized()
        self._stderr = folder + "/stderr"
        self._make_folders()
        self.tree = Tree(self.root)
        self.write_conf(keys or {})
        self._argv = [
            *wrap, PROGRAM, "-f", "-d", self.root, "-c", self.conf, *args]
        if listen is not False:
            for where in listen or ("127.0.0.1:%d" % self.port,):
                self._argv += ["-l", where]
        self._is_wrapped = bool(wrap)
        self._more = more
        self.process = self._told = None
        self.expects_litter = False

    def _make_folders(self):
        owner = pwd.getpwnam(self.user)
        os.chmod(self.folder, 0o755)
        for name in (self.root, self.folder + "/run"):
            if not os.path.isdir(name):
                os.mkdir(name, 0o750)
                os.chown(name, owner.pw_uid, owner.pw_gid)

    def write_conf(self, keys):
        """A status socket of its own is always there, unless it is said."""
        if not isinstance(keys, str):
            keys = {"STATUS_SOCKET": self.status, **keys}
            keys = "".join(
                "%s %s\n" % (key, value)
                for key, values in keys.items() if values is not None
                for value in (values if isinstance(values, (list, tuple))
                              else (values,)))
        with open(self.conf, "w") as f:
            f.write(keys)

    # -- its life ------------------------------------------------------------

    def start(self, wait=True):
        who = pwd.getpwnam(self.user)
        other = {} if self.user == USER else {
            "user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
        self._told = self._notify_socket()
        env = {**REPORTS, **self._more.get("env", os.environ),
               "NOTIFY_SOCKET": self._told.getsockname()}
        with open(self._stderr, "ab") as err:
            self.process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=err, cwd="/",
                **{**other, **self._more, "env": env})
        if wait:
            self.wait_ready()
        return self

    def _notify_socket(self):
        """As systemd's: the program reports there when it serves."""
        path = self.folder + "/notify"
        if os.path.exists(path):
            os.unlink(path)
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told.bind(path)
        os.chmod(path, 0o777)
        told.setblocking(False)
        return told

    def _is_ready(self):
        try:
            return b"READY=1" in self._told.recv(4096).split(b"\n")
        except BlockingIOError:
            return False

    def wait_ready(self):
        """No connection is made for this."""
        self.wait_until(self._is_ready, "readiness")
        assert self.is_listening()

    def listeners(self):
        """The inodes of sockets that listen at the port."""
        port, found = ":%04X" % self.port, set()
        for name in ("/proc/net/tcp", "/proc/net/tcp6"):
            with open(name) as f:
                for line in f:
                    words = line.split()
                    if words[1].endswith(port) and words[3] == "0A":
                        found.add(words[9])
        return found

    def is_listening(self):
        return bool(self.listeners())

    def wait_until(self, condition, what, limit=LIMIT_S):
        def alive_or_there():
            value = condition()
            assert value or self.process.poll() is None, \
                "ended with %d: %s" % (self.process.returncode, self.log())
            return value
        try:
            return wait_until(alive_or_there, what, limit)
        except AssertionError as e:
            raise AssertionError("%s\nprocesses: %s\nlog:\n%s" % (
                e, self.table(), self.log())) from None

    def signal(self, number):
        try:
            os.kill(self.pid(), number)
        except ProcessLookupError:
            pass

    def stop(self, number=15, status=0):
        """An orderly end; gives the log."""
        self.signal(number)
        self.wait_end(status)
        return self.log()

    def wait_end(self, status=0, limit=LIMIT_S + 15):
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError("does not end:\n" + self.log()) from None
        assert self.process.returncode == status, (
            self.process.returncode, self.log())

    def hup(self):
        """A new configuration; when this is back, new children serve, and no
        old one takes connections."""
        before = self.children()
        self.signal(signal.SIGHUP)
        self.wait_until(
            lambda: set(self.children()) - set(before) and not any(
                has_socket(pid, self.listeners()) for pid in before),
            "new children")

    def log(self):
        if not os.path.exists(self._stderr):
            return ""       # it was never started
        with open(self._stderr, encoding="utf-8", errors="replace") as f:
            return f.read()

    def lines(self, *words):
        return [line for line in self.log().splitlines()
                if all(word in line for word in words)]

    # -- its processes ---------------------------------------------------------

    def pid(self):
        """The parent, which may have been started by another program."""
        if not self._is_wrapped:
            return self.process.pid
        mine = [p for p in our_processes(self.root)
                if parent_of(p) == self.process.pid]
        return mine[0] if mine else self.process.pid

    def generations(self):
        mine = self.pid()
        return [p for p in our_processes() if parent_of(p) == mine]

    def children(self):
        """Processes that serve or drain."""
        heads = set(self.generations())
        return [p for p in our_processes() if parent_of(p) in heads]

    def serving(self):
        """Children of the newest generation."""
        heads = self.generations()
        return [p for p in our_processes()
                if heads and parent_of(p) == max(heads)]

    def table(self):
        """pid, parent and state of each, for people."""
        found = []
        for pid in our_processes(self.root):
            with open("/proc/%d/stat" % pid) as f:
                state = f.read().rpartition(")")[2].split()[0]
            found.append("%d(%s of %s%s)" % (
                pid, state, parent_of(pid), ", listens" if has_socket(
                    pid, self.listeners()) else ""))
        return " ".join(found)

    # -- clients ---------------------------------------------------------------

    def client(self, **more):
        return Client(self.port, **more)

    def hello(self, **more):
        return hello(self.port, **more)

    def send(self, *to, **more):
        """One message over a connection of its own."""
        with self.hello() as c:
            reply = c.message(*to, **more)
            c.quit()
        return reply

    def only(self):
        """The one message of the tree."""
        message, = self.tree.messages()
        return message

    def query(self, request=b""):
        """What the status socket says."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(LIMIT_S)
            s.connect(self.status)
            if request:
                s.sendall(request)
            pieces = []
            while True:
                piece = s.recv(65536)
                if not piece:
                    return b"".join(pieces).decode()
                pieces.append(piece)

    def counters(self):
        """The plain text as numbers."""
        found = {}
        for line in self.query().splitlines():
            words = line.split()
            if len(words) == 2 and re.fullmatch(r"[\d.]+", words[1]):
                found[words[0]] = float(words[1])
        return found

    # -- the check after each test -----------------------------------------------

    def finish(self):
        problems = []
        if self._told is not None:
            self._told.close()
        if self.process is not None and self.process.poll() is None:
            # Twice: it need not wait for sessions that tests left.
            self.signal(signal.SIGTERM)
            time.sleep(0.01)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                problems.append("does not end")
                os.kill(self.pid(), signal.SIGKILL)
        end = time.monotonic() + 10
        while our_processes(self.root) and time.monotonic() < end:
            time.sleep(0.01)
        for pid in our_processes(self.root):
            problems.append("process %d is left" % pid)
            os.kill(pid, signal.SIGKILL)
        litter = self.tree.litter()
        if litter and not self.expects_litter:
            problems.append("left in the tree: %s" % litter)
        if re.search("(ERROR|WARNING): .*Sanitizer: |runtime error:", self.log()):
            problems.append("a sanitizer's report")
        assert not problems, "%s\nlog:\n%s" % (problems, self.log()[-8000:])


def is_sanitized():
    with open(PROGRAM, "rb") as f:
        return b"__asan_init" in f.read()


def check_conf(text, folder, user=None):
    """dma-smtpd -t with that configuration: status and stderr."""
    path = folder + "/checked.conf"
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o644)
    done = subprocess.run([PROGRAM, "-t", "-c", path], capture_output=True,
                          timeout=60)
    return done.returncode, done.stderr.decode()


def new_folder():
    """On the real file system of the world."""
    folder = tempfile.mkdtemp(prefix="intake.", dir="/home")
    os.chmod(folder, 0o755)
    return folder
