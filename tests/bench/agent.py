"""agent.py - takes the measurements of one system, in that system's world.

Reads one JSON object a line from standard input, {"do": ..., ...}, and answers
each with one: {"metric": number, ...} or {"error": text}.
Every process that a system leaves behind becomes a child of this one, so that
nothing of its CPU time is missed.
"""
import collections
import ctypes
import json
import os
import pwd
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time

import backlog
import intake
import memory
import single
import systems
from systems import Trouble, tool

USERS = 10                      # mailboxes u0 ... u9
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PR_SET_CHILD_SUBREAPER = 36
MESSAGE = ("From: <alice@host.test>\nTo: <bench@smart.test>\n"
           "Subject: bench\n\n" + ("x" * 71 + "\n") * 56)
MANY = 10000                    # such a queue is copied, not submitted
PATIENCE = 60                   # seconds for what is slow
SYNCS = ("fsync", "fdatasync", "syncfs", "sync_file_range", "sync")


# Of the other modules: each is given the agent and the rest of the order.
MEASURES = {"backlog": backlog.backlog, "fair": backlog.fair,
            "memory": memory.memory, "large": single.large,
            "nothing": single.nothing}


def patience(messages):
    """Seconds for so many."""
    return max(PATIENCE, messages / 100)


def stat(pid):
    """Parent, CPU seconds with waited-for children, resident bytes."""
    with open("/proc/%d/stat" % pid) as f:
        words = f.read().rpartition(")")[2].split()
    return (int(words[1]), sum(map(int, words[11:15])) / TICK,
            int(words[21]) * PAGE)


def tree(root, without):
    """{pid: (cpu, rss)} of all that descends from root."""
    children = collections.defaultdict(list)
    facts = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent, cpu, rss = stat(int(name))
            except OSError:
                continue
            facts[int(name)] = (cpu, rss)
            children[parent].append(int(name))
    found, todo = {}, [root]
    while todo:
        for pid in children[todo.pop()]:
            if pid not in without:
                found[pid] = facts[pid]
                todo.append(pid)
    return found


class Sampler(threading.Thread):
    """The most processes that outlive their callers, and their memory."""
    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent = agent
        agent.samplers.append(self)
        self.processes = self.memory = 0
        self.over = threading.Event()
        self.start()

    def run(self):
        pause = 0.02
        while not self.over.wait(pause):
            began = time.monotonic()
            found = self.agent.left()
            self.processes = max(self.processes, len(found))
            self.memory = max(self.memory, sum(x[1] for x in found.values()))
            pause = max(0.02, 10 * (time.monotonic() - began))

    def stop(self):
        self.over.set()
        self.join()


class Taken:
    """What the sink wrote down."""
    def __init__(self, path):
        self.file = open(path, "rb")
        self.rest = b""
        self.seen = collections.Counter()
        self.last = 0.0

    def read(self):
        """Gives how many (message, recipient) pairs there are by now."""
        lines = (self.rest + self.file.read()).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            when, ident, *rcpts = line.split(b" ")
            self.last = max(self.last, float(when))
            self.seen.update((ident, r) for r in rcpts)
        return len(self.seen)

    def has(self, ident):
        return any(int(i) == ident for i, _ in self.seen)


class Agent:
    def __init__(self, name):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        os.umask(0o022)
        self.helpers = []       # Popen objects that are no system's
        # As on every host; what it costs is not the system's.
        self.syslogd = subprocess.Popen(
            [tool("syslogd")], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE)
        if self.syslogd.stdout.readline() != b"ready\n":
            raise Trouble("no syslogd")
        self.samplers = []
        self.calling = set()    # the pid of the callers' program
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o755)
        self.ca = os.path.join(self.folder, "ca.pem")
        for user in ["alice"] + ["u%d" % i for i in range(USERS)]:
            subprocess.run(["useradd", "-U", "-m", "-s", "/bin/sh", user],
                           check=True, **systems.QUIET)
        self.as_alice = self.identity("alice")
        self.certificates()
        self.name = name
        self.system = systems.SYSTEMS[name](self)
        self.system.install()
        self.intake = intake.Intake(self)

    @staticmethod
    def identity(name):
        """Arguments of subprocess for that user."""
        user = pwd.getpwnam(name)
        return {"user": user.pw_uid, "group": user.pw_gid,
                "extra_groups": [], "cwd": "/",
                "env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                        "HOME": user.pw_dir, "USER": name, "LOGNAME": name}}

    def certificates(self):
        """A CA, and a certificate of smart.test signed by it."""
        def openssl(*args):
            subprocess.run(("openssl",) + args, cwd=self.folder, check=True,
                           **systems.QUIET)
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-days", "2")
        openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem",
                "-subj", "/CN=Bench CA")
        with open(os.path.join(self.folder, "ext"), "w") as f:
            f.write("subjectAltName=DNS:smart.test,IP:127.0.0.1")
        openssl("req", "-new", *[x for x in curve if x not in ("-days", "2")],
                "-keyout", "smart.key", "-out", "smart.csr",
                "-subj", "/CN=smart.test")
        openssl("x509", "-req", "-in", "smart.csr", "-CA", "ca.pem",
                "-CAkey", "ca.key", "-set_serial", "2", "-days", "2",
                "-extfile", "ext", "-out", "smart.crt")
        os.chmod(self.ca, 0o644)

    # -- processes ---------------------------------------------------------

    def kept(self):
        """Those that are no system's; callers and their children neither."""
        return {p.pid for p in [self.syslogd, *self.helpers]} | self.calling

    def left(self):
        return tree(os.getpid(), self.kept())

    def reap(self):
        """Buries whoever ended and is no helper."""
        with open("/proc/self/task/%d/children" % os.getpid()) as f:
            pids = [int(x) for x in f.read().split()]
        for pid in set(pids) - self.kept():
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass

    def wait_until(self, condition, limit, what):
        end = time.monotonic() + limit
        while not condition():
            if time.monotonic() > end:
                raise Trouble("%s: not within %gs: %s; %d queued %s" % (
                    self.name, limit, what, self.system.queued(),
                    self.system.last_words()))
            time.sleep(0.002)
            self.reap()

    def leave(self, patience):
        """Waits for those that leave by themselves."""
        end = time.monotonic() + patience
        while self.left() and time.monotonic() < end:
            time.sleep(0.005)
            self.reap()

    def end_all(self, patience=5):
        """Nobody of the system is left; most leave by themselves."""
        self.system.stop()
        end = time.monotonic() + patience
        while True:
            self.reap()
            pids = self.left()
            if not pids:
                return
            if time.monotonic() > end:
                for pid in pids:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            time.sleep(0.005)

    def helper(self, *argv, **more):
        p = subprocess.Popen(argv, **more)
        self.helpers.append(p)
        return p

    def end_helpers(self):
        for p in self.helpers:
            p.kill()
            p.wait()
        self.helpers = []

    def begin(self, command):
        """A call by alice that goes on; it is one of the system's."""
        subprocess.Popen(command, **self.as_alice, **systems.QUIET)

    def finish(self, command):
        subprocess.run(command, check=True, timeout=PATIENCE, **self.as_alice,
                       **systems.QUIET)

    def once(self, command, path="/dev/null", user="alice"):
        """One call, that reads that file: see once.c."""
        p = subprocess.Popen([tool("once"), "-i", path, *command],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, **self.identity(user))
        self.calling = {p.pid}
        try:
            out = p.communicate(timeout=150)[0]
        except subprocess.TimeoutExpired:
            p.kill()
            raise Trouble("%s does not come to an end" % command[0])
        finally:
            self.calling = set()
        if p.returncode != 0:
            raise Trouble("%s cannot be called" % command[0])
        return json.loads(out)

    def callers(self, command, messages, callers, modulus=1, trace=None):
        argv = [tool("callers"), "-n", str(messages), "-c", str(callers),
                "-k", str(modulus), *command]
        identity = self.as_alice
        if trace:
            # As root: only so do set-uid programs get their rights.
            argv = [*trace, "-u", "alice", *argv]
            identity = {"env": self.as_alice["env"], "cwd": "/"}
        errors = tempfile.TemporaryFile()
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=errors,
                             stdout=subprocess.PIPE, **identity)
        self.calling = {p.pid}
        try:
            out = p.communicate(timeout=150)[0]
        except subprocess.TimeoutExpired:
            p.kill()
            raise Trouble("the callers do not come to an end")
        finally:
            self.calling = set()
        errors.seek(0)
        if p.returncode != 0:
            raise Trouble(errors.read()[-500:].decode("latin-1"))
        said = json.loads(out)
        if said["failed"]:
            said["why"] = errors.read()[-300:].decode("latin-1")
        return said

    # -- measurements --------------------------------------------------------

    def prepare(self, scenario):
        self.end_all(0)
        self.system.clear()
        self.empty_mailboxes()
        self.system.configure(scenario)
        os.sync()

    @staticmethod
    def empty_mailboxes():
        for i in range(USERS):
            path = "/var/mail/u%d" % i
            if os.path.exists(path):
                os.unlink(path)

    class Meter:
        """CPU seconds of everything between begin and end."""
        def __init__(self, agent):
            self.agent = agent
            agent.reap()
            self.live = sum(x[0] for x in agent.left().values())
            self.began = self.children()

        @staticmethod
        def children():
            r = resource.getrusage(resource.RUSAGE_CHILDREN)
            return r.ru_utime + r.ru_stime

        def end(self):
            live = sum(x[0] for x in self.agent.left().values())
            return self.children() - self.began + live - self.live

    def do_submit(self, messages, callers, recipients=1):
        self.prepare("submit")
        names = [systems.REMOTE] if recipients == 1 else [
            "r%d@smart.test" % i for i in range(recipients)]
        meter = self.Meter(self)
        said = self.callers(self.system.command(names), messages, callers)
        time.sleep(0.02)
        self.reap()
        cpu = meter.end() - said["own_cpu"]
        files = self.system.queued()
        self.end_all(1)
        wall = said["ended"] - said["began"]
        return {"failed": said["failed"], "rate": messages / wall,
                "p50_ms": said["p50_ms"], "p99_ms": said["p99_ms"],
                "cpu_ms": cpu / messages * 1e3, "faults": said["faults"],
                "files": files / messages}

    def do_counts(self, recipients=1):
        """System calls of one submission, up to the caller's exit, and
        what it costs the processor."""
        self.prepare("submit")
        path = os.path.join(self.folder, "message")
        systems.write(path, MESSAGE)
        names = [systems.REMOTE] if recipients == 1 else [
            "r%d@smart.test" % i for i in range(recipients)]
        log = os.path.join(self.folder, "trace")
        said = self.callers(
            self.system.command(names), 1, 1,
            trace=["strace", "-f", "-qq", "-y", "-s", "0", "-o", log])
        if said["failed"]:
            raise Trouble("traced: " + said["why"])
        self.end_all(1)
        counts = self.read_trace(log)
        counts["files"] = self.system.queued()
        counts["faults"] = self.once(self.system.command(names),
                                     path)["faults"]
        counts.update(single.instructions(
            self.system, self.system.command(names), path))
        self.end_all(1)
        return counts

    @staticmethod
    def read_trace(path, skip_first=True):
        """Counts in strace's output.  The first process is our own, and so
        is what others do before they become the program."""
        calls = syncs = folders = 0
        processes, first, begun = set(), None, False
        with open(path, errors="replace") as f:
            for line in f:
                pid, _, rest = line.partition(" ")
                first = first or pid
                if pid == first and skip_first:
                    continue
                name = re.match(r"\s*(\w+)\(", rest)
                begun = begun or name and name.group(1) == "execve"
                if not name or not begun:
                    continue
                processes.add(pid)
                calls += 1
                if name.group(1) in SYNCS:
                    syncs += 1
                    target = re.search(r"<([^>]*)>", rest)
                    folders += bool(target and os.path.isdir(target.group(1)))
        return {"calls": calls, "syncs": syncs, "folder_syncs": folders,
                "processes": len(processes)}

    def messages(self, boxes):
        """Counts whole messages in mailboxes; anything mixed up is trouble."""
        seen = collections.Counter()
        for i in range(boxes):
            try:
                with open("/var/mail/u%d" % i, "rb") as f:
                    data = f.read()
            except FileNotFoundError:
                continue
            for part in re.split(rb"(?:\A|(?<=\n\n))(?=From )", data):
                if not part:
                    continue
                ident = re.search(rb"^X-Bench-Id: (\d+)$", part, re.M)
                body = part.partition(b"\n\n")[2].rstrip(b"\n")
                if not ident or body.strip(b"x\n"):
                    raise Trouble("u%d: a damaged message" % i)
                seen[int(ident.group(1))] += 1
        return seen

    def do_local(self, messages, callers, boxes):
        if self.name == "limit":
            return self.limit_local(messages, callers)
        self.prepare("local")
        self.system.start()
        sampler = Sampler(self)
        meter = self.Meter(self)
        said = self.callers(self.system.command(["u%d"]), messages, callers,
                            boxes)
        self.wait_until(lambda: not self.system.queued(), 60, "empty queue")
        wall = time.monotonic() - said["began"]
        sampler.stop()
        if not self.system.is_daemon:
            self.leave(3)
        self.reap()
        cpu = meter.end() - said["own_cpu"]
        self.end_all()
        seen = self.messages(boxes)
        return {"failed": said["failed"], "rate": messages / wall,
                "p99_ms": said["p99_ms"], "cpu_ms": cpu / messages * 1e3,
                "lost": messages - len(seen),
                "doubled": sum(seen.values()) - len(seen),
                "processes": sampler.processes}

    def limit_local(self, messages, callers):
        self.prepare("local")
        meter = self.Meter(self)
        done = subprocess.run(
            [tool("limit_mailbox"), "/var/spool/limit", str(messages * 10),
             str(callers), "4200"], stdout=subprocess.PIPE, check=True)
        said = json.loads(done.stdout)
        return {"failed": 0, "rate": said["n"] / (said["ended"] -
                                                  said["began"]),
                "cpu_ms": meter.end() / said["n"] * 1e3}

    def do_local_counts(self, messages):
        """Syncs for each message of a queue that is flushed into one
        mailbox; those of the submissions are not in it."""
        self.prepare("submit")
        command = self.system.command(["u0"])
        if self.name == "ours":         # whose DEFER is for other hosts
            command[1:1] = ["-odq"]
        said = self.callers(command, messages, 1)
        if said["failed"] or not self.system.queued():
            raise Trouble("not queued: %s" % said.get("why"))
        self.end_all(1)
        self.system.configure("local")
        log = os.path.join(self.folder, "trace")
        subprocess.run(
            ["strace", "-f", "-qq", "-y", "-s", "0", "-o", log, "-e",
             "trace=execve," + ",".join(SYNCS), "/usr/sbin/sendmail", "-q"],
            timeout=100, **systems.QUIET)
        self.wait_until(lambda: not self.system.queued(), 60, "empty queue")
        self.end_all()
        counts = self.read_trace(log, False)
        return {"syncs": counts["syncs"] / messages}

    def relay(self, rtt_ms, most=0):
        """Starts the sink and the distance before it; gives the sink."""
        sink, taken = self.sink(2526, rtt_ms,
                                *(["-m", str(most)] if most else []))
        self.helper(tool("proxy"), str(systems.PORT), "2526", str(rtt_ms))
        return sink, taken

    def relay_at(self, address, port, is_plain=True):
        """A sink without distance; plain: without TLS and AUTH."""
        return self.sink(port, 0, "-a", address,
                         *(["-p"] if is_plain else []))[1]

    def sink(self, port, rtt_ms, *options):
        log = os.path.join(self.folder, "taken")
        sink = self.helper(
            tool("sink"), *options, str(port),
            os.path.join(self.folder, "smart.crt"),
            os.path.join(self.folder, "smart.key"), str(rtt_ms), log,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if sink.stdout.readline() != b"ready\n":
            raise Trouble("no relay at port %d" % port)
        return sink, Taken(log)

    def do_floor(self, files):
        """What the disk and the processor do just now."""
        path = "/var/spool/limit/floor"
        subprocess.run(["rm", "-rf", path], check=True)
        os.makedirs(path)
        done = subprocess.run([tool("limit_disk"), path, str(files)],
                              stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    def do_flush(self, messages, rtt_ms, most=0):
        """A queue that waited goes out; most: connections at the relay."""
        if self.name == "limit":
            return self.do_remote(messages, 1, 1, rtt_ms)
        if self.name == "ours" and messages >= MANY:
            backlog.fill(self, messages, is_deferred=False)
        else:
            self.prepare("submit")
            self.callers(self.system.command([systems.REMOTE]), messages, 8)
            self.end_all(1)
        self.system.configure("remote")
        sink, taken = self.relay(rtt_ms, most)
        time.sleep(0.05)
        sampler = Sampler(self)
        meter = self.Meter(self)
        began = time.monotonic()
        self.system.start()
        subprocess.run(self.system.flush(), timeout=patience(messages),
                       **systems.QUIET)
        return self.remote_result(sink, taken, sampler, meter, messages,
                                  {"began": began, "failed": 0,
                                   "own_cpu": 0}, rtt_ms)

    def do_remote(self, messages, callers, recipients, rtt_ms):
        self.prepare("remote")
        sink, taken = self.relay(rtt_ms)
        time.sleep(0.05)
        self.system.start()
        names = [systems.REMOTE] if recipients == 1 else [
            "r%d@smart.test" % i for i in range(recipients)]
        want = messages * recipients
        sampler = Sampler(self)
        meter = self.Meter(self)
        if self.name == "limit":
            done = subprocess.run(
                [tool("limit_smtp"), str(systems.PORT), self.ca, "20",
                 str(messages), str(recipients)], stdout=subprocess.PIPE,
                check=True)
            said = json.loads(done.stdout)
        else:
            said = self.callers(self.system.command(names), messages, callers)
        return self.remote_result(sink, taken, sampler, meter, want, said,
                                  rtt_ms)

    def remote_result(self, sink, taken, sampler, meter, want, said, rtt_ms):
        try:
            self.wait_until(lambda: taken.read() >= want, patience(want),
                            "all taken")
            self.wait_until(lambda: not self.system.queued(), 20,
                            "empty queue")
        finally:
            sampler.stop()
        if not self.system.is_daemon:
            # They leave by themselves, and their QUIT counts, too.
            self.leave(3)
        self.reap()
        cpu = meter.end() - said["own_cpu"]
        self.end_all()
        time.sleep(rtt_ms / 1e3)
        counts = json.loads(sink.communicate(b"", timeout=10)[0])
        return {"failed": said["failed"], "seconds": taken.last -
                said["began"], "cpu_ms": cpu * 1e3,
                "lost": want - len(taken.seen),
                "doubled": sum(taken.seen.values()) - len(taken.seen),
                "processes": sampler.processes,
                "memory_mb": sampler.memory / 1e6,
                **{key: counts[key] for key in (
                    "connections", "most_at_once", "handshakes", "resumed",
                    "transactions", "flights", "bytes")}}

    def do_intake(self, measure, **order):
        """Mail that comes by SMTP: see intake.py."""
        try:
            return getattr(self.intake, measure)(**order)
        finally:
            self.end_all(0)

    # -- the loop ------------------------------------------------------------

    def answer(self, line):
        order = json.loads(line)
        name = order.pop("do")
        try:
            if name in MEASURES:
                return MEASURES[name](self, **order)
            return getattr(self, "do_" + name)(**order)
        except (Trouble, OSError, subprocess.SubprocessError, AssertionError,
                LookupError, ValueError) as e:
            return {"error": "%s: %s" % (type(e).__name__, e)}
        finally:
            for s in self.samplers:
                s.stop()
            self.samplers = []
            self.end_helpers()


def main():
    # Only answers go to standard output.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    agent = Agent(sys.argv[1])
    print("{}", file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(agent.answer(line)), file=out, flush=True)
    agent.end_all(0)


main()
