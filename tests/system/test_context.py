"""The runner belongs to the host, not to the caller that had it started.

A strange caller sends first, then an ordinary one.  Whoever started the runner
that served them, both messages reach a command of another user, and that
reports what it has inherited: always what it has on a host without strangers.
"""
import json
import os
import pwd
import signal
import subprocess
import tempfile

import pytest

from world import BINARY, SENDMAIL, SPOOL

# What a process can inherit, as far as it can see that itself.
REPORT = """
import ctypes, json, os, resource, signal, socket, sys
libc = ctypes.CDLL(None)
def read(name):
    try:
        with open("/proc/self/" + name) as f:
            return f.read()
    except OSError:
        return None
def link(name):
    try:
        return os.readlink("/proc/self/" + name)
    except OSError:
        return None
def prctl(*args):
    return libc.prctl(*(list(args) + [0] * 4)[:5])
def tsc():
    n = ctypes.c_int()
    return libc.prctl(25, ctypes.byref(n), 0, 0, 0), n.value
status = dict(x.split(":", 1) for x in read("status").splitlines())
root = os.stat("/")
policy = ctypes.c_int()
libc.syscall({"aarch64": 236}.get(os.uname().machine, 239),
             ctypes.byref(policy), None, 0, None, 0)
r = {"ns " + x: link("ns/" + x) for x in os.listdir("/proc/self/ns")}
r.update({x: read(x) for x in ("cgroup", "coredump_filter", "oom_score_adj",
                               "loginuid", "timens_offsets")})
r.update({x: status.get(x) for x in (
    "Umask", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
    "NoNewPrivs", "Seccomp", "Seccomp_filters", "Cpus_allowed",
    "Mems_allowed", "SigBlk", "SigIgn", "Speculation_Store_Bypass",
    "SpeculationIndirectBranch")})
r.update({x: getattr(resource, x) and resource.getrlimit(
    getattr(resource, x)) for x in dir(resource) if x.startswith("RLIMIT_")})
r["slack"] = prctl(30)
r["personality"] = libc.personality(ctypes.c_ulong(0xffffffff))
r["policy"] = os.sched_getscheduler(0)
r["nice"] = os.nice(0)
r["ioprio"] = libc.syscall({"aarch64": 31}.get(os.uname().machine, 252), 1, 0)
r["thp"], r["tsc"], r["mdwe"] = prctl(42), tsc(), prctl(66)
r["securebits"], r["mce"], r["ksm"] = prctl(27), prctl(34), prctl(68)
r["terminal"] = read("stat").rsplit(")", 1)[1].split()[4]
r["mempolicy"] = policy.value
r["root"], r["cwd"] = (root.st_dev, root.st_ino), os.getcwd()
r["environment"] = sorted((k, v) for k, v in os.environ.items()
                          if k not in ("QUEUE_ID", "SENDER"))
r["host"] = socket.gethostname()
r["home"] = os.listdir("/home") == []
call = libc.syscall
ctl = 219 if os.uname().machine == "aarch64" else 250
r["key"] = call(ctl, 10, -3, b"user", b"dma-stranger", 0) > 0
r["files"] = [link("fd/%d" % x) for x in range(3, 64) if link("fd/%d" % x)]
print(json.dumps(r))
sys.stdout.flush()
"""

# Before each of the strangers: root, in a process of its own.
PRELUDE = """
import ctypes, os, resource, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
NEW = {"mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000,
       "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000,
       "net": 0x40000000, "time": 0x80}
def must(ret):
    if ret < 0:
        print(os.strerror(ctypes.get_errno()), file=sys.stderr)
        os._exit(77)
    return ret
def prctl(*args):
    return must(libc.prctl(*[ctypes.c_ulong(x) for x in
                             (list(args) + [0] * 4)[:5]]))
def unshare(*names):
    must(libc.unshare(sum(NEW[x] for x in names)))
def run(*argv):
    import subprocess
    if subprocess.run(argv).returncode:
        os._exit(77)
def syscall(*args):
    return must(libc.syscall(*args))
def write(path, text):
    try:
        with open(path, "w") as f:
            f.write(text)
    except OSError as e:
        print(e, file=sys.stderr)
        os._exit(77)
def caps():
    head = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    must(libc.capget(head, data))
    return head, data
def become(user):
    import pwd
    who = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(*[who.pw_gid] * 3)
    os.setresuid(*[who.pw_uid] * 3)
def send(user, *args):
    become(user)
    os.execve("/usr/sbin/sendmail", ["sendmail", *args], {"TZ": "Foo-13:37"})
"""

# Each is undone by the runner: it starts, and reports what the host has.
UNDONE = {
    "network namespace": "unshare('net')",
    "UTS namespace": "unshare('uts'); run('hostname', 'stranger.test')",
    "IPC namespace": "unshare('ipc')",
    "cgroup namespace": "unshare('cgroup')",
    "time namespace": "unshare('time')\nwrite('/proc/self/timens_offsets', "
                      "'monotonic 86400 0')\nif os.fork():\n    os.wait()\n"
                      "    os._exit(0)",
    "mount namespace, home is empty":
        "unshare('mnt'); run('mount', '--make-rprivate', '/')\n"
        "run('mount', '-t', 'tmpfs', 'none', '/home')",
    "mount namespace, mail is read-only":
        "unshare('mnt'); run('mount', '--make-rprivate', '/')\n"
        "run('mount', '--bind', '/var/mail', '/var/mail')\n"
        "run('mount', '-o', 'remount,bind,ro', '/var/mail')",
    "mount namespace, /proc is a copy":
        "unshare('mnt'); run('mount', '--make-rprivate', '/')\n"
        "run('mount', '-t', 'tmpfs', 'none', '/home')\n"
        "run('mkdir', '/home/1')\n"
        "run('cp', '-r', '--no-dereference', '/proc/self/ns', '/home/1/ns')\n"
        "run('mount', '--bind', '/home', '/proc')",
    "mount namespace, /proc of a container": """
import time
unshare('mnt'); run('mount', '--make-rprivate', '/')
done, say = os.pipe()
if os.fork() == 0:
    unshare('pid')
    if os.fork() == 0:
        run('mount', '-t', 'proc', 'none', '/proc')
        os.write(say, b"x")
        os.closerange(0, 100)
        time.sleep(5)
    os._exit(0)
os.close(say)
if os.read(done, 1) != b"x":
    os._exit(77)
""",
    "mount namespace, no /proc":
        "unshare('mnt'); run('mount', '--make-rprivate', '/')\n"
        "run('mount', '-t', 'tmpfs', 'none', '/proc')",
    "all namespaces": "unshare('net', 'uts', 'ipc', 'cgroup', 'mnt')",
    "another root": "run('mkdir', '-p', '/tmp/jail'); unshare('mnt')\n"
                    "run('mount', '--make-rprivate', '/')\n"
                    "run('mount', '--rbind', '/', '/tmp/jail')\n"
                    "run('mount', '-t', 'tmpfs', 'none', '/tmp/jail/home')\n"
                    "os.chroot('/tmp/jail'); os.chdir('/')",
    "keyring": "ctl, add = ((219, 217) if os.uname().machine == 'aarch64' "
               "else (250, 248))\nsyscall(ctl, 1, None)\n"
               "syscall(add, b'user', b'dma-stranger', b'x', 1, -3)",
    "timer slack": "prctl(29, 1 << 62)",
    "personality": "libc.personality(ctypes.c_ulong(0x4020000))",
    "huge pages": "prctl(41, 1)",
    "subreaper": "prctl(36, 1)",
    "machine checks": "prctl(33, 1, 1)",
    "memory merge": "prctl(67, 1)",
    "core dump filter": "write('/proc/self/coredump_filter', '0')",
    "OOM score": "write('/proc/self/oom_score_adj', '500')",
    "audit login id": "write('/proc/self/loginuid', '1234')",
    "nice": "os.nice(10)",
    "idle scheduling": "os.sched_setscheduler(0, 5, os.sched_param(0))",
    "batch scheduling": "os.sched_setscheduler(0, 3, os.sched_param(0))",
    "real-time scheduling": "os.sched_setscheduler(0, 2, os.sched_param(1))",
    "I/O priority": "syscall({'aarch64': 30}.get(os.uname().machine, 251), "
                    "1, 0, 3 << 13)",
    "one processor": "os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})",
    "memory policy": "syscall({'aarch64': 237}.get(os.uname().machine, 238), "
                     "3, ctypes.byref(ctypes.c_ulong(1)), 64)",
    "inheritable capabilities":
        "head, data = caps(); data[2] = data[1]; data[5] = data[4]\n"
        "must(libc.capset(head, data))",
    "ambient capabilities":
        "head, data = caps(); data[2] = data[1]; data[5] = data[4]\n"
        "must(libc.capset(head, data)); prctl(8, 1)\nprctl(47, 2, 13)",
    "securebits": "prctl(28, 1 << 6)",
    "umask": "os.umask(0)",
    "limits": "for x in ('CPU', 'FSIZE', 'RTPRIO', 'NICE', 'MSGQUEUE',\n"
              "          'SIGPENDING', 'RSS', 'CORE'):\n"
              "    which = getattr(resource, 'RLIMIT_' + x)\n"
              "    most = resource.getrlimit(which)[1]\n"
              "    some = 1000000 if most == -1 else min(most, 1000000)\n"
              "    resource.setrlimit(which, (some, most))",
    "signals": "signal.pthread_sigmask(signal.SIG_BLOCK, "
               "signal.valid_signals())\n"
               "for x in (1, 2, 3, 10, 12, 14, 15, 17):\n"
               "    signal.signal(x, signal.SIG_IGN)",
    "terminal": "import fcntl, pty, termios; master, end = pty.openpty()\n"
                "child = os.fork()\nif child:\n"
                "    os._exit(os.waitstatus_to_exitcode("
                "os.waitpid(child, 0)[1]))\n"
                "os.setsid(); fcntl.ioctl(end, termios.TIOCSCTTY, 0)",
    "speculation": "prctl(53, 0, 4)",
}

SECCOMP = """        # of fsopen and landlock_create_ruleset
import struct
code = b"".join(struct.pack("HBBI", *x) for x in (
    (0x20, 0, 0, 0), (0x15, 1, 0, 430), (0x15, 0, 1, 444),
    (0x06, 0, 0, ACTION), (0x06, 0, 0, 0x7fff0000)))
held = ctypes.create_string_buffer(code)
class Program(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("code", ctypes.c_void_p)]
program = Program(len(code) // 8, ctypes.cast(held, ctypes.c_void_p))
must(libc.prctl(22, ctypes.c_ulong(2), ctypes.byref(program), 0, 0))
"""

LANDLOCK = """
attr = (ctypes.c_uint64 * 1)(1 << 9)        # make sockets
fd = syscall(444, attr, 8, 0)
syscall(446, fd, 0)
"""

# Nothing undoes these: what the log calls them.
FIXED = {
    "seccomp": (SECCOMP.replace("ACTION", "0x00050001"), "seccomp filter"),
    "deadly seccomp": (SECCOMP.replace("ACTION", "0x80000000"),
                       "seccomp filter"),
    "mdwe": ("prctl(65, 1)", "memory-deny-write-execute"),
    "bounding set": ("prctl(24, 13)", "capability bounding set"),
    "locked securebits": ("prctl(28, 3 << 6)", "securebits"),
    "no_new_privs": ("prctl(38, 1)", "no_new_privs"),
    "landlock": (LANDLOCK, "namespace"),
    "pid": ("unshare('pid')", "PID namespace"),
    "user": ("""
go, say = os.pipe()
me = os.getpid()
if os.fork() == 0:
    os.read(go, 1)
    for name in ("uid_map", "gid_map"):
        write("/proc/%d/%s" % (me, name), "0 0 65536")
    os._exit(0)
unshare('user')
os.write(say, b"x")
if os.wait()[1]:
    os._exit(77)
""", "namespace"),
    "child of pid": ("""
import time
unshare('pid')
if os.fork():
    os.wait()
    os._exit(0)
if os.fork():
    os.wait()
    time.sleep(1)
    os._exit(0)
""", "PID namespace"),
}


@pytest.fixture(autouse=True)
def reporter(world):
    """Each message for bob adds a line to what he has inherited."""
    world.write_home("bob", "report.py", REPORT)
    world.forward("bob", "|/usr/bin/python3 /home/bob/report.py "
                  ">> /home/bob/reports\n")


def stranger(world, prelude, *args, user="alice", body=b"Subject: a\n\nb\n"):
    """sendmail as that user after the prelude, which root runs."""
    code = "%s\n%s\nsend(%r, *%r)\n" % (PRELUDE, prelude, user, args)
    done = world.run(["/usr/bin/python3", "-c", code], input=body)
    if done.returncode == 77:
        pytest.skip("not possible here: " + done.stderr.decode().strip())
    return done


def reports(world, n):
    world.wait_until(lambda: world.read_home("bob", "reports").count(b"\n")
                     >= n, 20, "%d reports" % n)
    world.wait_quiet()
    return [json.loads(x) for x in
            world.read_home("bob", "reports").splitlines()]


def ordinary(world):
    """The same without a stranger."""
    world.send("bob")
    got, = reports(world, 1)
    os.unlink("/home/bob/reports")
    return got


def difference(a, b):
    return {k: (a.get(k), b.get(k)) for k in {*a, *b} if a.get(k) != b.get(k)}


def test_an_ordinary_caller_gives_what_init_has(world):
    got = ordinary(world)
    for name in os.listdir("/proc/1/ns"):
        assert got["ns " + name] == os.readlink("/proc/1/ns/" + name)
    with open("/proc/1/cgroup") as f:
        assert got["cgroup"] == f.read()
    assert got["slack"] == 50000 and got["personality"] == 0
    assert int(got["CapInh"], 16) == int(got["CapPrm"], 16) == 0


def without_sanitizers():
    if os.environ.get("DMA_SANITIZED"):
        pytest.skip("a sanitizer reads /proc, and its memory cannot be merged")


@pytest.mark.parametrize("user", ("alice", "root"))
@pytest.mark.parametrize("name", UNDONE)
def test_t8_nothing_of_the_caller_is_inherited(world, name, user):
    if "/proc" in name or name == "memory merge":
        without_sanitizers()
    want = ordinary(world)
    done = stranger(world, UNDONE[name], "bob", user=user)
    assert (done.returncode, done.stderr) == (0, b"")
    got, = reports(world, 1)        # by the runner that the stranger started
    assert difference(got, want) == {}, world.log()
    world.send("bob")
    _, got = reports(world, 2)
    assert difference(got, want) == {}, world.log()


@pytest.mark.parametrize("name", FIXED)
def test_y5_what_cannot_be_undone_starts_no_runner(world, name):
    want = ordinary(world)
    prelude, word = FIXED[name]
    world.leaves("queue")
    done = stranger(world, prelude, "bob", user="root")
    assert (done.returncode, done.stderr) == (0, b"")
    world.wait_until(lambda: world.log_lines("cannot start the runner", word),
                     20, "the reason in the log: " + world.log())
    assert world.read_home("bob", "reports") == b"" and world.queue()
    world.send("bob")
    for got in reports(world, 2):
        assert difference(got, want) == {}
    assert world.queue() == []


@pytest.mark.parametrize("name", ("seccomp", "mdwe", "no_new_privs"))
def test_a_queue_run_says_that_there_can_be_no_runner(world, name):
    """And asks the runner that there is."""
    prelude, _ = FIXED[name]
    world.send("-odq", "carol")
    done = stranger(world, prelude, "-q", user="root")
    assert done.returncode == 75
    assert b"no runner is active" in done.stderr
    assert world.queue()
    world.forward("bob", "|sleep 3\n")
    world.send("bob")
    world.wait_until(lambda: len(world.processes()) > 1)
    assert stranger(world, prelude, "-q", user="root").returncode == 0
    world.wait_mail("carol")


def test_a_call_that_waits_says_that_there_can_be_no_runner(world):
    world.leaves("queue")
    done = stranger(world, FIXED["mdwe"][0], "-D", "carol", user="root")
    assert done.returncode == 0     # it is in the queue
    assert b"memory-deny-write-execute" in done.stderr
    assert len(world.queue()) == 1
    world.flush()


def test_a_runner_without_a_spool_says_why(world):
    os.rename(SPOOL, SPOOL + ".away")
    try:
        for user in (None, "_dma"):
            done = world.run([BINARY, "--runner"], user=user)
            assert done.returncode > 0
            if user is None:
                assert SPOOL.encode() in done.stderr
    finally:
        os.rename(SPOOL + ".away", SPOOL)


# ---- control groups ----

@pytest.fixture
def groups():
    """A cgroup2 tree of our own to look at, and a group for a stranger."""
    where = "/tmp/cgroup2"
    os.makedirs(where, exist_ok=True)
    done = subprocess.run(["mount", "-t", "cgroup2", "none", where],
                          stderr=subprocess.PIPE)
    if done.returncode:
        pytest.skip("no cgroup2 here: " + done.stderr.decode())
    base = open("/proc/self/cgroup").read().split("0::")[1].strip()
    try:        # these are not the world's own: others may test beside it
        path = tempfile.mkdtemp(prefix="dma-test-", dir=where + "/" + base)
    except OSError as e:
        subprocess.run(["umount", where])
        pytest.skip("no group can be made here: %s" % e)
    yield path
    for name in ("cgroup.freeze", "cgroup.kill"):
        try:
            with open(path + "/" + name, "w") as f:
                f.write("0" if name == "cgroup.freeze" else "1")
        except OSError:
            pass
    for _ in range(100):
        try:
            os.rmdir(path)
            break
        except OSError:
            subprocess.run(["sleep", "0.1"])
    subprocess.run(["umount", where])


def in_group(path, *more):
    return "write(%r, '0')\n%s" % (path + "/cgroup.procs", "\n".join(more))


@pytest.mark.parametrize("user", ("alice", "root"))
def test_t1_the_caller_s_group_is_left(world, groups, user):
    want = ordinary(world)
    done = stranger(world, in_group(groups), "bob", user=user)
    assert done.returncode == 0
    got, = reports(world, 1)
    assert difference(got, want) == {}


@pytest.mark.parametrize("control", ("cgroup.freeze", "cgroup.kill"))
def test_t1_the_owner_of_a_group_stops_nobody_else(world, groups, control):
    """Frozen or killed while the runner that was started from it has mail in
    hand: that is delivered, and mail of others too."""
    world.forward("carol", "|sh -c 'echo >> /home/carol/begun; sleep 2; "
                           "echo >> /home/carol/ended'\n")
    done = stranger(world, in_group(groups), "carol")
    assert done.returncode == 0
    world.wait_until(lambda: world.read_home("carol", "begun"))
    with open(groups + "/" + control, "w") as f:
        f.write("1")
    world.send("bob")
    reports(world, 1)
    assert world.read_home("carol", "begun") == b"\n"
    assert world.read_home("carol", "ended") == b"\n"
    world.flush()


def test_t1_a_frozen_front_end_stops_nobody_else(world, groups):
    """A call that waits (-D) is frozen with its group."""
    world.forward("carol", "|sleep 2\n")
    code = "%s\n%s\nsend('alice', '-D', 'carol')" % (PRELUDE,
                                                     in_group(groups))
    held = world.start(["/usr/bin/python3", "-c", code],
                       stdin=subprocess.PIPE)
    held.stdin.write(b"Subject: a\n\nb\n")
    held.stdin.close()
    world.wait_until(world.queue)
    with open(groups + "/cgroup.freeze", "w") as f:
        f.write("1")
    world.send("bob")
    world.wait_until(lambda: world.read_home("bob", "reports"))
    world.flush()
    assert held.poll() is None
    with open(groups + "/cgroup.freeze", "w") as f:
        f.write("0")
    assert held.wait(20) == 0


# ---- the caller's own call ----

def test_a_user_namespace_of_the_caller_gives_no_root(world):
    """Where uid 0 is alice, set-uid does not count."""
    done = world.run(["unshare", "-rnm", SENDMAIL, "bob"], user="alice",
                     input=b"Subject: a\n\nb\n")
    if b"unshare" in done.stderr:
        pytest.skip("not possible here: " + done.stderr.decode())
    assert done.returncode in (71, 77) and done.stderr
    assert world.queue() == []


@pytest.mark.parametrize("sig", (signal.SIGHUP, signal.SIGINT,
                                 signal.SIGTERM))
@pytest.mark.parametrize("is_ignored", (True, False))
def test_a_signal_that_the_caller_ignores(world, sig, is_ignored):
    """As under nohup, or in the background: the message is taken; else it is
    refused as a whole."""
    who = world.identity("alice")
    p = subprocess.Popen(
        [SENDMAIL, "carol"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        restore_signals=False, preexec_fn=lambda: signal.signal(
            sig, signal.SIG_IGN if is_ignored else signal.SIG_DFL), **who)
    p.stdin.write(b"Subject: long\n\nbegin\n")
    p.stdin.flush()
    world.wait_until(lambda: p.pid in world.processes() and
                     world.status_of(p.pid, "Uid")[1] ==
                     str(pwd.getpwnam("_dma").pw_uid))
    subprocess.run(["sleep", "0.2"])    # past its start, at its input
    p.send_signal(sig)
    try:
        p.stdin.write(b"end\n")
        p.stdin.close()
    except BrokenPipeError:
        assert not is_ignored
    status = p.wait(20)
    p.stderr.close()
    if is_ignored:
        assert status == 0
        assert world.wait_mail("carol")[0].body.endswith(b"end\n")
    else:
        assert status == -sig
        assert world.queue() == [] and world.mailbox("carol") == []


# ---- what users see of it ----

EMPTY_HOME = UNDONE["mount namespace, home is empty"]
READ_ONLY = UNDONE["mount namespace, mail is read-only"]


def test_c1_first_mail_from_a_network_of_its_own(world, peer):
    """Not even the caller's mail needs the caller's network."""
    p = peer()
    world.smarthost(p)
    done = stranger(world, "unshare('net')", "ann@far.test")
    assert done.returncode == 0
    world.send("eve@far.test", user="carol")
    world.wait_quiet()
    assert sorted(x for c in p.connections for t in c.transactions
                  for x, _ in t.rcpts) == ["ann@far.test", "eve@far.test"]


def test_c2_first_mail_from_where_home_is_empty(world):
    world.forward("carol", "bob, \\carol\n")
    done = stranger(world, EMPTY_HOME, "carol")
    assert done.returncode == 0
    reports(world, 1)
    world.send("carol")
    reports(world, 2)
    assert len(world.wait_mail("carol", 2)) == 2


def test_t4_first_mail_from_where_mail_is_read_only(world):
    done = stranger(world, READ_ONLY, "carol")
    assert done.returncode == 0
    world.send("carol")
    world.wait_mail("carol", 2)


def test_t13_zone_of_the_caller(world):
    """PRELUDE sets TZ; the dates of the report are the host's."""
    world.forward("carol", "|exit 1\n")
    done = stranger(world, "", "carol", user="alice")
    assert done.returncode == 0
    report, = world.wait_mail("alice")
    want = subprocess.run(["date", "+%z"], env={}, stdout=subprocess.PIPE,
                          check=True).stdout.decode().strip()
    assert report["Date"].split()[5] == want


# ---- places of their own ----

JAIL = """
run("rm", "-rf", "/tmp/jail"); run("mkdir", "-p", "/tmp/jail")
unshare("mnt"); run("mount", "--make-rprivate", "/")
run("mount", "--bind", "/", "/tmp/jail")
for name in ("/dev", "/run", "/home", "/proc"):
    run("mount", "-t", "tmpfs", "none", "/tmp/jail" + name)
"""
OWN_SPOOL = """
import pwd
who = pwd.getpwnam("_dma")
run("mount", "-t", "tmpfs", "-o", "mode=755", "none", "/tmp/jail/var/spool")
for name in ("", "/queue", "/tmp", "/corrupt", "/dead"):
    os.mkdir("/tmp/jail" + SPOOL + name, 0o700)
    os.chown("/tmp/jail" + SPOOL + name, who.pw_uid, who.pw_gid)
run("mount", "-t", "tmpfs", "-o", "mode=2775,gid=8", "none",
    "/tmp/jail/var/mail")
""".replace("SPOOL", repr(SPOOL))
SAME_SPOOL = "run('mount', '--bind', '/var/spool', '/tmp/jail/var/spool')\n"
ENTER = "os.chroot('/tmp/jail'); os.chdir('/')\n"


def test_c20_a_chroot_without_dev_and_proc_but_with_the_spool(world):
    """The runner leaves it: it serves everybody."""
    without_sanitizers()
    want = ordinary(world)
    done = stranger(world, JAIL + SAME_SPOOL + ENTER, "bob")
    assert (done.returncode, done.stderr) == (0, b"")
    got, = reports(world, 1)
    assert difference(got, want) == {}


def test_c20_a_chroot_without_dev_and_proc_has_a_runner_of_its_own(world):
    """Its spool is its own, so it has to be emptied from in there."""
    without_sanitizers()
    code = """
if os.fork() == 0:
    send("alice", "carol")
os.wait()
import time
for _ in range(150):
    if os.path.exists("/var/mail/carol") and not os.listdir(QUEUE):
        break
    time.sleep(0.1)
print(open("/var/mail/carol").read(), flush=True)
os._exit(0)
""".replace("QUEUE", repr(SPOOL + "/queue"))
    done = stranger(world, JAIL + OWN_SPOOL + ENTER + code)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\n\nb\n" in done.stdout
    assert world.mailbox("carol") == [] and world.queue() == []


CONTAINER = """
unshare("mnt"); run("mount", "--make-rprivate", "/"); unshare("pid")
if os.fork():
    os.wait()
    os._exit(0)
run("mount", "-t", "proc", "none", "/proc")
for lost in (19, 21, 24):       # SYS_PTRACE, SYS_ADMIN, SYS_RESOURCE
    prctl(24, lost)
if os.fork() == 0:
    os.setsid()
    send("alice", "bob")
become(USER)
os.execv("/bin/sh", ["sh", "-c",
    "for i in $(seq 150); do test ! -s /home/bob/reports || break; "
    "sleep 0.1; done; sleep 0.5"])
"""


@pytest.mark.parametrize("user", ("root", "carol"))
def test_a_container_s_init_is_the_host_s(world, user):
    """Without CAP_SYS_ADMIN and CAP_SYS_PTRACE, and whoever its init is."""
    done = stranger(world, CONTAINER.replace("USER", repr(user)))
    assert (done.returncode, done.stderr) == (0, b"")
    got, = reports(world, 1)
    assert got["ns pid"] != os.readlink("/proc/self/ns/pid")
