"""intake.py - servers that take mail by SMTP, and the measurements of them.

Runs in the world of each system, for agent.py.  The client is smtp-source of
the Postfix package.  Each server keeps what it acknowledged, in files, and
sends nothing on.
"""
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import time

import memory
import systems
from systems import Trouble, folder, tool, write

PORT = 2525
ROOT = "/var/spool/intake"
BYTES = 4096
SETTLE_S = 1                    # what was deleted before is freed by then
OWN = "/dev/own"                # a disk for a file system of its own
PATIENCE = 120
CACHE = os.environ.get("BENCH_CACHE", "/var/cache/dma-bench")
# sync_file_range() starts writes or waits for them, and commits nothing.
SYNCS = ("fsync", "fdatasync", "syncfs", "sync")


def postfix_tool(name):
    return os.path.join(CACHE, "postfix/usr/sbin", name)


def postfix_env():
    """Its tools run from the cache, where Postfix is not installed."""
    base = os.path.join(CACHE, "postfix/usr/lib")
    libraries = [os.path.join(base, x) for x in
                 ["postfix", *os.listdir(base)] if os.path.isdir(
                     os.path.join(base, x))]
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LD_LIBRARY_PATH": ":".join(libraries)}


class Server:
    """Started as "durable", "files" (not durable) or "discard"."""
    spool = ROOT                # what a file system of its own is for
    queue = (ROOT,)             # where the messages are
    limits = {}                 # most connections, for those with a limit
    user = "root"

    def __init__(self, agent):
        self.agent = agent
        self.process = None

    def setup(self, mode):
        """Writes the configuration, and makes ROOT."""
        folder(ROOT, 0o750, self.user)

    def argv(self):
        raise NotImplementedError

    def environment(self):
        return None

    def start(self, mode, trace=()):
        self.clear()
        self.setup(mode)
        self.process = subprocess.Popen(
            [*trace, *self.argv()], stdin=subprocess.DEVNULL, cwd="/tmp",
            env=self.environment(), stdout=open("/tmp/server.log", "wb"),
            stderr=subprocess.STDOUT)
        self.wait_ready()
        self.started()

    def started(self):
        """What remains to be done before clients may come."""

    def wait_ready(self):
        end = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", PORT), 5) as s:
                    if s.recv(100).startswith(b"220"):
                        return
            except OSError:
                pass
            if time.monotonic() > end:
                raise Trouble("does not listen: " + self.last_words())
            time.sleep(0.02)

    def last_words(self):
        with open("/tmp/server.log", errors="replace") as f:
            return f.read()[-300:]

    def stop(self):
        if self.process is None:
            return
        self.end()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def end(self):
        self.process.terminate()

    def stored(self):
        return sum(len(files) for path in self.queue
                   for _, _, files in os.walk(path))

    def clear(self):
        for path in self.queue:
            for base, _, files in os.walk(path, topdown=False):
                for name in files:
                    os.unlink(os.path.join(base, name))
                if base != path:
                    self.remove_folder(base)

    def remove_folder(self, path):
        """Only those that were made for messages."""


class Ours(Server):
    user = "_dma-smtpd"

    def setup(self, mode):
        systems.system_user(self.user, ROOT)
        folder(ROOT, 0o750, self.user, self.user)
        write("/etc/dma/dma-smtpd.conf", "LISTEN 127.0.0.1:%d\nROOT %s\n"
              "DURABLE %s\nMAX_CONNECTIONS_PER_ADDRESS 20000\n" % (
                  PORT, ROOT, "full" if mode == "durable" else "none"))
        os.makedirs("/run/dma", exist_ok=True)

    def argv(self):
        return ["/usr/sbin/dma-smtpd", "-f"]

    def stored(self):
        return sum(name.endswith(".msg") for _, _, files in os.walk(ROOT)
                   for name in files)

    def remove_folder(self, path):
        if not path.endswith("lost+found"):
            os.rmdir(path)


class Postfix(Server):
    """Messages stay in the hold queue, which costs the least."""
    spool = "/var/spool/postfix"
    queue = tuple("/var/spool/postfix/" + x for x in
                  ("hold", "incoming", "active", "deferred", "maildrop"))
    limits = {"connections": 100}       # each is a process

    def setup(self, mode):
        if mode != "durable":
            raise Trouble("is always durable")
        self.agent.system.configure("local")
        with open("/etc/postfix/main.cf", "a") as f:
            f.write("smtpd_client_restrictions = "
                    "check_client_access static:hold\n"
                    "in_flow_delay = 0\ndefault_process_limit = 150\n"
                    "smtpd_recipient_restrictions =\n"
                    "smtpd_relay_restrictions = permit_mynetworks, reject\n"
                    "smtpd_client_connection_count_limit = 0\n")
        line = "127.0.0.1:%d inet n - n - - smtpd\n" % PORT
        with open("/etc/postfix/master.cf", "r+") as f:
            if line not in f.read():
                f.write(line)
        for name in ("main.cf", "master.cf"):
            os.utime("/etc/postfix/" + name, (time.time() - 3600,) * 2)

    def argv(self):
        return ["/usr/sbin/postfix", "start-fg"]

    def end(self):
        subprocess.run(["/usr/sbin/postfix", "stop"], **systems.QUIET)


class Opensmtpd(Server):
    """Messages stay in its queue: the transport is paused."""
    spool = "/var/spool/smtpd"
    queue = ("/var/spool/smtpd/queue", "/var/spool/smtpd/incoming")
    limits = {"connections": 500}

    def setup(self, mode):
        if mode != "durable":
            raise Trouble("is always durable")
        write("/etc/smtpd.conf", "smtp limit max-mails 1000000\n"
              "listen on lo port %d\n"
              "action out relay host smtp://127.0.0.1:9\n"
              "match from any for any action out\n" % PORT, 0o600)

    def argv(self):
        return ["/usr/sbin/smtpd", "-d"]

    def started(self):
        subprocess.run(["smtpctl", "pause", "mta"], check=True,
                       **systems.QUIET)

    def stored(self):
        return sum(name == "message" for path in self.queue
                   for _, _, files in os.walk(path) for name in files)

    def remove_folder(self, path):
        # Of one message: 8 digits; those above them stay.
        if len(os.path.basename(path)) == 8:
            os.rmdir(path)


class Sink(Server):
    """smtp-sink: a file for each message, or none at all."""
    user = "nobody"

    def setup(self, mode):
        if mode == "durable":
            raise Trouble("is never durable")
        self.mode = mode
        folder(ROOT, 0o750, "nobody", "nogroup")

    def argv(self):
        dump = ["-d", ROOT + "/%M."] if self.mode == "files" else []
        return [postfix_tool("smtp-sink"), "-u", "nobody", "-m", "20000",
                *dump, "127.0.0.1:%d" % PORT, "4096"]

    def environment(self):
        return postfix_env()


SERVERS = {"ours": Ours, "postfix": Postfix, "opensmtpd": Opensmtpd,
           "smtp-sink": Sink}


class Intake:
    """The measurements, of one agent."""
    def __init__(self, agent):
        self.agent = agent
        # 10000 clients, and the servers that are given no more than that.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        make = SERVERS.get(agent.name)
        self.server = make(agent) if make else None

    def send(self, messages, sessions, is_kept):
        """Seconds, and the CPU seconds of the client alone."""
        argv = [postfix_tool("smtp-source"), "-s", str(sessions), "-m",
                str(messages), "-l", str(BYTES), "-f", systems.SENDER, "-t",
                "bench@example.test", *(["-d"] if is_kept else []),
                "127.0.0.1:%d" % PORT]
        with open("/tmp/source.log", "w+b") as errors:
            began = time.monotonic()
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                 stdout=errors, stderr=errors,
                                 env=postfix_env())
            self.agent.calling = {p.pid}
            _, status, usage = os.wait4(p.pid, 0)
            wall = time.monotonic() - began
            p.returncode = os.waitstatus_to_exitcode(status)
            self.agent.calling = set()
            errors.seek(0)
            words = errors.read()[-300:].decode("latin-1")
        if p.returncode != 0 or "fatal" in words:
            raise Trouble("smtp-source: %d %s" % (p.returncode, words))
        return wall, usage.ru_utime + usage.ru_stime

    @contextlib.contextmanager
    def file_system(self, has_own):
        """With has_own, the spool is on one that nobody else's syncs burden,
        as the intake finds out."""
        if not has_own:
            yield
            return
        spool = self.server.spool if self.server else ROOT
        there = "/var/spool/intake.new"
        for path in (spool, there):
            os.makedirs(path, exist_ok=True)
        # The world's /dev is its own.
        if not os.path.exists(OWN):
            os.mknod(OWN, stat.S_IFBLK | 0o600, os.makedev(
                *map(int, os.environ["BENCH_DISK"].split(":"))))
        for argv in (["mkfs.ext4", "-q", "-F", "-E",
                      "lazy_itable_init=0,lazy_journal_init=0", OWN],
                     ["mount", OWN, there],
                     ["cp", "-a", spool + "/.", there],
                     ["mount", "--move", there, spool]):
            subprocess.run(argv, check=True, **systems.QUIET)
        try:
            yield
        finally:
            self.agent.end_all(0)       # also what a tracer leaves
            subprocess.run(["umount", spool], check=True)

    def rate(self, messages, sessions, mode="durable", is_kept=True,
             has_own=False):
        with self.file_system(has_own):
            if self.server is None:
                return self.limit(messages, sessions)
            return self.rate_here(messages, sessions, mode, is_kept)

    def rate_here(self, messages, sessions, mode, is_kept):
        self.server.start(mode)
        try:
            time.sleep(SETTLE_S)
            meter = self.agent.Meter(self.agent)
            wall, own = self.send(messages, sessions, is_kept)
            cpu = meter.end() - own
            processes = len(self.agent.left())
            stored = self.server.stored()
        finally:
            self.server.stop()
        answer = {"rate": messages / wall, "cpu_ms": cpu / messages * 1e3,
                  "client_ms": own / messages * 1e3, "processes": processes}
        if mode != "discard":
            answer["lost"] = messages - stored
        return answer

    def limit(self, messages, sessions):
        """The best of what the disk allows."""
        best = {}
        for how in ("threads", "fsync", "syncfs"):
            path = os.path.join(ROOT, how)
            subprocess.run(["rm", "-rf", path], check=True)
            os.makedirs(path)
            time.sleep(SETTLE_S)
            meter = self.agent.Meter(self.agent)
            done = subprocess.run(
                [tool("limit_intake"), path, how, str(messages),
                 str(sessions), str(BYTES + 512)], check=True,
                stdout=subprocess.PIPE)
            said = json.loads(done.stdout)
            rate = said["n"] / (said["ended"] - said["began"])
            best[how] = rate
            if rate == max(best.values()):
                best["cpu_ms"] = meter.end() / said["n"] * 1e3
            subprocess.run(["rm", "-rf", path], check=True)
        rates = {k: v for k, v in best.items() if k != "cpu_ms"}
        self.agent.reap()
        return {"rate": max(rates.values()), "cpu_ms": best["cpu_ms"],
                **{"rate_" + k: v for k, v in rates.items()}}

    def counts(self, messages, sessions, has_own=False):
        """Sync calls for each message: counted by the kernel, or seen by
        strace, which slows them down."""
        with self.file_system(has_own):
            return self.count_by_perf(messages, sessions) or \
                self.count_by_strace(messages, sessions)

    def count_by_perf(self, messages, sessions):
        """None where there are no tracepoints."""
        tracing = os.path.join(self.agent.folder, "tracing")
        os.makedirs(tracing, exist_ok=True)
        if not shutil.which("perf") or subprocess.run(
                ["mount", "-t", "tracefs", "none", tracing],
                **systems.QUIET).returncode:
            return None
        log = os.path.join(self.agent.folder, "counts")
        self.server.start("durable")
        try:
            # Children that are born meanwhile count, too.
            perf = subprocess.Popen(
                ["perf", "stat", "-x", ",", "-o", log, "-e", ",".join(
                    "syscalls:sys_enter_" + name for name in SYNCS), "-p",
                 ",".join(map(str, self.agent.left()))], **systems.QUIET)
            time.sleep(SETTLE_S)
            try:
                self.send(messages, sessions, True)
            finally:
                perf.send_signal(signal.SIGINT)
                perf.wait(10)
        finally:
            self.server.stop()
            subprocess.run(["umount", tracing], check=True)
        with open(log) as f:
            counts = re.findall(r"^(\d+),", f.read(), re.M)
        return {"syncs": sum(map(int, counts)) / messages} if counts else None

    def count_by_strace(self, messages, sessions):
        log = os.path.join(self.agent.folder, "trace")
        self.server.start("durable", [
            "strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "0", "-o",
            log, "-e", "trace=execve," + ",".join(SYNCS)])
        try:
            self.send(messages, sessions, True)
        finally:
            self.server.stop()
        counts = self.agent.read_trace(log, False)
        return {"syncs": counts["syncs"] / messages}

    def memory(self, messages, turns):
        return memory.intake_memory(self, messages, turns)

    # -- idle clients ------------------------------------------------------

    def pss(self):
        """Bytes, of all processes of the server; shared pages by share."""
        total = 0
        for pid in self.agent.left():
            try:
                with open("/proc/%d/smaps_rollup" % pid) as f:
                    total += sum(int(line.split()[1]) for line in f
                                 if line.startswith("Pss:")) * 1024
            except OSError:
                continue
        return total

    def idle(self, connections):
        """Clients that said EHLO and wait."""
        n = min(connections, self.server.limits.get("connections",
                                                    connections))
        self.server.start("discard" if self.agent.name == "smtp-sink"
                          else "durable")
        sockets = []
        try:
            before = self.pss()
            self.greet(n, sockets)
            after = self.pss()
            processes = len(self.agent.left())
        finally:
            for s in sockets:
                s.close()
            self.server.stop()
        return {"kb_per_session": (after - before) / n / 1024,
                "memory_mb": after / 1e6, "clients": n,
                "processes": processes}

    def greet(self, n, sockets):
        """Some at a time: a backlog is short."""
        while len(sockets) < n:
            some = [socket.create_connection(("127.0.0.1", PORT), PATIENCE)
                    for _ in range(min(50, n - len(sockets)))]
            sockets += some
            for words in (b"", b"EHLO client.test\r\n"):
                for s in some:
                    s.sendall(words)
                for s in some:
                    self.read_reply(s)

    @staticmethod
    def read_reply(s):
        got = b""
        while not got.endswith(b"\r\n") or got.splitlines()[-1][3:4] == b"-":
            more = s.recv(4096)
            if not more:
                raise Trouble("closed: %r" % got)
            got += more
        if got[:1] != b"2":
            raise Trouble("refused: %r" % got)
