"""A dma-remote that is taken over can read the mail that it was given, lie
about it, and talk to the hosts that mail goes to; a runner that is taken over
cannot leave its sandbox (docs/privileges.md)."""
import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess

import pytest

from world import SENDMAIL, SPOOL_USER

CONFINED = os.environ["DMA_COMPROMISED"] + "/confined"
REMOTE = "/usr/libexec/dma/dma-remote"
OUTPUT = "/tmp/confined."
FILE = "/tmp/confined.file"
SERVICE = "/run/confined.socket"
OTHER_PORT, OPEN_PORT, CLOSED_PORT = 4999, 4998, 4997   # confined.c
# Without a version of Landlock (create_ruleset(2)) these are not denied.
NEEDS = {
    2: ["open_queue", "open_lock", "open_own_file", "open_home", "open_root",
        "open_passwd", "proc_status",
        # Of a process that may be traced; none of ours may.
        "proc_fd", "proc_mem"],
    4: ["other_port", "connect"],
    6: ["abstract"],
}
OF_RUNNER = ["make_file", "truncate", "write_file", "mkdir", "symlink",
             "link", "rename", "unlink"]
# What works without a sandbox, here: the attempts are real ones.
CONTROL = """kill kill_probe kill_group tkill tgkill sigqueue pidfd_open setown
    setsig prlimit setpriority setpriority_user sched_setaffinity
    sched_setscheduler sched_setattr ioprio_set ioprio_set_user personality
    fork unix_stream unix_datagram dbus abstract socketpair other_port
    fast_open bind_tcp bind_udp listen keyctl shmget semget msgget open_queue
    open_lock open_own_file open_home open_root proc_status write_null
    write_file make_file truncate chmod chmod_spool chmod_set_id
    chmod_set_gid open_set_id chown utimensat utime mkdir symlink link rename
    inotify open_passwd connect udp""".split()


def landlock():
    """Version of the kernel's interface; 0: none."""
    return max(0, ctypes.CDLL(None).syscall(444, None, 0, 1))


@pytest.fixture(scope="module", autouse=True)
def spool():
    subprocess.run([SENDMAIL, "-q"], check=True)
    assert landlock() == 0 or landlock() >= 2


@pytest.fixture
def surroundings(world):
    """What there is to reach, and a file of the spool user's."""
    listening = [socket.create_server(("127.0.0.1", port), backlog=9)
                 for port in (OTHER_PORT, OPEN_PORT)]
    for name in (SERVICE, "\0confined"):
        listening.append(socket.socket(socket.AF_UNIX))
        listening[-1].bind(name)
        listening[-1].listen(9)
    os.chmod(SERVICE, 0o666)
    who = pwd.getpwnam(SPOOL_USER)
    with open(FILE, "w"):
        pass
    os.chown(FILE, who.pw_uid, who.pw_gid)
    yield
    for sock in listening:
        sock.close()
    os.unlink(SERVICE)
    for name in os.listdir("/tmp"):
        if name.startswith("confined."):
            path = "/tmp/" + name
            (os.rmdir if os.path.isdir(path) else os.unlink)(path)


@pytest.fixture
def victim(world):
    process = world.start(["sleep", "60"], user=SPOOL_USER)
    yield process.pid
    process.kill()
    process.wait()


def attempts(lines):
    """name -> (whether it must be denied, what came of it)."""
    lines = [line.split() for line in lines]
    assert lines[-1][0] == "end", lines
    return {name: (denied == "denied", came) for name, denied, came in lines}


def succeeded(tried, kind, version=landlock()):
    """What should not have, with that version of Landlock."""
    beyond = [name for least, names in NEEDS.items() for name in names
              if least > version]
    if version == 0 and kind == "runner":
        beyond += OF_RUNNER
    return {name: came for name, (denied, came) in tried.items()
            if denied and came == "done" and name not in beyond}


def attack(world, kind, *args):
    """The status of a process in that sandbox, and all that it tried."""
    done = world.run([CONFINED, kind, *map(str, args)], user=SPOOL_USER,
                     start_new_session=True)
    with open(OUTPUT + kind) as f:
        return done.returncode, f.readlines()


def test_the_attempts_are_real(world, surroundings, victim):
    tried = attempts(attack(world, "nothing", victim)[1])
    assert [name for name in CONTROL if tried[name][1] != "done"] == []


@pytest.mark.parametrize("kind", ("remote", "runner", "lmtp"))
def test_t7_a_sandbox_holds(world, surroundings, victim, kind):
    tried = attempts(attack(world, kind, victim)[1])
    assert succeeded(tried, kind) == {}
    # And what it is there for still works.
    if kind != "lmtp":
        assert tried["connect"][1] == tried["udp"][1] == "done"
    if landlock() >= 6:
        assert tried["kill"][1] == "EPERM"
    # By the filter, before anything else has a say.
    if kind != "runner":
        for name in ("ptrace", "kill", "tgkill", "setown", "setsig", "lease",
                     "unix_stream", "socketpair", "listen", "bind_tcp",
                     "fork", "execve", "keyctl", "bpf", "io_uring",
                     "chmod_spool", "wake", "mptcp", "fast_open"):
            assert tried[name][1] == "EPERM", name


@pytest.mark.parametrize("kind", ("remote", "runner", "lmtp"))
def test_t7_the_filter_holds_without_landlock(world, surroundings, victim,
                                              kind):
    tried = attempts(attack(world, kind, victim, "", "landlock")[1])
    assert succeeded(tried, kind, 0) == {}
    assert tried["open_own_file"][1] == "done"      # it was away


@pytest.mark.skipif(landlock() < 6, reason="needs Landlock of Linux 6.12")
@pytest.mark.parametrize("kind", ("remote", "runner", "lmtp"))
def test_t7_landlock_holds_without_the_filter(world, surroundings, victim,
                                              kind):
    tried = attempts(attack(world, kind, victim, "", "seccomp")[1])
    for name in ("kill", "tgkill", "sigqueue", "abstract", "ptrace",
                 "process_vm_readv", "proc_mem", "write_file", "make_file",
                 "mkdir", "rename", "unlink") + (
                     () if kind == "runner" else
                     ("other_port", "bind_tcp", "open_queue", "open_home")):
        assert tried[name][1] in ("EPERM", "EACCES"), name
    assert tried["shmget"][1] == "done"             # it was away


@pytest.mark.parametrize("kind", ("remote", "runner", "lmtp"))
@pytest.mark.parametrize("convention", ("i386", "x32"))
def test_t7_calls_of_another_processor_are_the_end(world, surroundings, kind,
                                                   convention):
    assert attack(world, kind, 1, convention) == (-signal.SIGSYS, [])


def state_of(world, pid):
    """What others could do to it."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    with open("/proc/%d/limits" % pid) as f:
        return (fields[0] == "T", fields[15:17], fields[37:39], f.read(),
                world.status_of(pid, "Cpus_allowed"))


@contextlib.contextmanager
def in_its_place():
    """The attacker's dma-remote, for a moment."""
    shutil.copy(REMOTE, REMOTE + ".real")
    try:
        shutil.copy(CONFINED, REMOTE + ".new")
        os.rename(REMOTE + ".new", REMOTE)
        yield
    finally:
        os.rename(REMOTE + ".real", REMOTE)


def test_t7_a_dma_remote_taken_over(world, surroundings):
    """In the place of the real one, with the real runner as its victim."""
    world.write_conf({"SMARTHOST": "smart.test:%d" % CLOSED_PORT})
    world.leaves("queue")
    world.send("bob@example.org")
    world.wait_tried("example.org")
    runner, = world.wait_until(lambda: [
        pid for pid in world.processes()
        if world.status_of(pid, "Seccomp") == ["2"] and
        world.status_of(pid, "Name") == ["dma"]])
    before = state_of(world, runner)
    with in_its_place():
        world.flush()
    lines = [line.split(": dma-remote: ")[1]
             for line in world.log_lines(": dma-remote: ")]
    tried = attempts(line for line in lines if "relay=" not in line)
    assert succeeded(tried, "remote") == {}
    assert state_of(world, runner) == before
    # The same runner delivers.
    world.send("bob", input=b"Subject: still here\n\nhello\n")
    assert world.wait_mail("bob")[-1]["Subject"] == "still here"
    assert runner in world.processes()


def test_t7_a_dma_remote_does_not_speak_for_the_runner(world, surroundings):
    """A caller that watches it takes no line of its for a verdict."""
    world.write_conf({"SMARTHOST": "smart.test:%d" % CLOSED_PORT})
    world.leaves("queue")
    world.send("bob@example.org")
    world.wait_tried("example.org")
    ident, = world.queue()
    with in_its_place():
        done = world.run([SENDMAIL, "-qRbob", "-v"])
    assert b"=== bob@example.org: deferred: " in done.stderr
    assert b"lie" not in done.stderr and done.returncode == 0
    assert world.queue() == [ident]


def test_t7_a_line_of_dma_remote_is_marked(world, peer):
    """Whatever it says, it does not look like what the runner logs."""
    world.smarthost(peer())
    world.send("bob@example.org")
    world.wait_quiet()
    line, = world.log_lines(" tls=")
    assert "]: dma-remote: relay=smart.test" in line
