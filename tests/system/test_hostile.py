"""A caller that starts us under bad conditions: refused in words, or works."""
import itertools
import os
import pwd
import resource
import signal
import subprocess

import pytest

import acceptor
from smtp_peer import Script
from world import BINARY, SENDMAIL

PLAIN = b"Subject: plain\n\nhello\n"


@pytest.mark.parametrize(
    "closed", [c for n in (1, 2, 3) for c in
               itertools.combinations((0, 1, 2), n)], ids=str)
def test_closed_descriptors(world, closed):
    """Without standard input there is no message; the rest do not matter."""
    redirections = " ".join("%d<&-" % fd for fd in closed)
    done = world.run(["sh", "-c", "exec sendmail bob " + redirections],
                     user="alice", input=PLAIN)
    if 0 in closed:
        assert done.returncode == 66
        world.wait_quiet()
        assert world.mailbox("bob") == []
    else:
        assert done.returncode == 0
        assert world.wait_mail("bob")[0].body == b"hello\n"


def test_output_is_not_written_into_the_spool(world):
    """An error with descriptor 2 closed must land nowhere."""
    done = world.run(["sh", "-c", "exec sendmail nobody-here 2>&- >&-"],
                     user="alice", input=PLAIN)
    assert done.returncode == 67


def test_write_only_standard_input_is_refused(world):
    done = world.run(["sh", "-c", "exec sendmail bob 0>/dev/null"],
                     user="alice")
    assert done.returncode == 66


def test_many_open_descriptors_do_not_reach_the_command(world):
    world.forward("bob", "|ls -l /proc/self/fd > /home/bob/fds\n")
    def inherit():
        for fd in held:
            os.set_inheritable(fd, True)

    held = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(50)]
    done = subprocess.run([SENDMAIL, "bob"], input=PLAIN, close_fds=False,
                          preexec_fn=inherit, timeout=20)
    for fd in held:
        os.close(fd)
    assert done.returncode == 0
    world.wait_quiet()
    assert b"/etc/passwd" not in world.read_home("bob", "fds")
    assert b"pipe:" in world.read_home("bob", "fds") or \
        b"/" in world.read_home("bob", "fds")


@pytest.mark.parametrize("path", (BINARY, SENDMAIL))
def test_argc_zero_is_survived(world, path):
    script = ("import ctypes, os\n"
              "c = ctypes.CDLL(None)\n"
              "none = (ctypes.c_char_p * 1)(None)\n"
              "c.execve(%r, none, none)\n" % path.encode())
    done = world.run(["/usr/bin/python3", "-c", script], user="alice")
    assert 0 < done.returncode < 128


@pytest.mark.parametrize("name", ("", "/", "x" * 100000, "\x01\x02", "-bd"))
def test_strange_argv0_is_survived(world, name):
    done = world.run([name, "bob"], user="alice", input=PLAIN,
                     executable=BINARY)
    assert 0 <= done.returncode < 128
    if done.returncode == 0:
        world.wait_mail("bob")


def test_environment_names_no_file_of_ours(world):
    """Variables that the loader, libc or OpenSSL would follow."""
    bad = {"LD_PRELOAD": "/tmp/evil.so", "OPENSSL_CONF": "/tmp/evil.cnf",
           "TZ": "../../../tmp/evil", "LOCPATH": "/tmp", "HOME": "/tmp",
           "RES_OPTIONS": "debug", "MALLOC_TRACE": "/tmp/trace",
           "LOGNAME": "root", "USER": "root", "IFS": "x", "PATH": "/tmp",
           "BASH_ENV": "/tmp/evil", "TMPDIR": "/nowhere"}
    world.forward("bob", "|env > /home/bob/env\n")
    who = world.identity("alice")
    who["env"] = bad
    done = subprocess.run([SENDMAIL, "bob"], input=PLAIN, timeout=20, **who)
    assert done.returncode == 0
    world.wait_quiet()
    seen = world.read_home("bob", "env").decode()
    for name in ("LD_PRELOAD", "OPENSSL_CONF", "LOCPATH", "MALLOC_TRACE",
                 "BASH_ENV", "IFS", "TMPDIR", "RES_OPTIONS"):
        assert name + "=" not in seen
    assert "HOME=/home/bob" in seen
    assert not os.path.exists("/tmp/trace")


def test_logname_of_somebody_else_is_not_believed(world):
    done = world.run(["env", "LOGNAME=root", "USER=root", "sendmail", "bob"],
                     user="alice", input=PLAIN)
    assert done.returncode == 0
    message, = world.wait_mail("bob")
    assert message["Return-Path"] == "<alice@host.test>"


def test_huge_environment_and_arguments(world):
    who = world.identity("alice")
    who["env"] = {"E%d" % i: "x" * 100000 for i in range(10)}
    done = subprocess.run([SENDMAIL, "-f", "x" * 100000, "bob"], input=PLAIN,
                          timeout=20, stderr=subprocess.PIPE, **who)
    assert done.returncode in (64, 65)


def can_raise_limits():
    """Is CAP_SYS_RESOURCE to be had here?  Containers may withhold it."""
    with open("/proc/self/status") as f:
        word, = [x.split()[1] for x in f if x.startswith("CapBnd:")]
    return int(word, 16) >> 24 & 1


LIMITS = {
    "no file size": {resource.RLIMIT_FSIZE: 0},
    "small file size": {resource.RLIMIT_FSIZE: 4096},
    "no core": {resource.RLIMIT_CORE: 0},
    "little cpu": {resource.RLIMIT_CPU: 1},
    "all that cannot be raised": {x: 0 for x in (
        resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK,
        resource.RLIMIT_MSGQUEUE, resource.RLIMIT_SIGPENDING,
        resource.RLIMIT_RTTIME)},
    "little memory": {resource.RLIMIT_AS: 16 << 20},
    "no data": {resource.RLIMIT_DATA: 1 << 20},
    "no processes": {resource.RLIMIT_NPROC: 1},
    "few descriptors": {resource.RLIMIT_NOFILE: 4},
    "tiny stack": {resource.RLIMIT_STACK: 128 << 10},
}


@pytest.mark.parametrize("case", LIMITS)
def test_low_limits_are_raised_or_refused_in_words(world, case):
    if os.environ.get("DMA_SANITIZED") and case in ("little memory",
                                                    "no data"):
        pytest.skip("a sanitizer needs an address space of its own")

    def lower():
        os.setgroups(who["extra_groups"])
        os.setresgid(who["group"], who["group"], who["group"])
        os.setresuid(who["user"], who["user"], who["user"])
        # Afterwards: execve(2) fails for a user over the limit of processes.
        for which, value in LIMITS[case].items():
            resource.setrlimit(which, (value, value))

    who = world.identity("alice")
    body = b"Subject: limits\n\n" + b"x" * 70 + b"\n" * 20000
    p = subprocess.run([SENDMAIL, "bob"], input=body, timeout=30,
                       stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                       preexec_fn=lower, env=who["env"], cwd="/")
    if p.returncode == 0:
        assert world.wait_mail("bob")[0].body.endswith(b"\n" * 20000)
    else:
        assert p.returncode in (70, 71, 75) and p.stderr.strip()
        world.wait_quiet()
        assert world.mailbox("bob") == []


def test_low_limits_do_not_reach_the_command(world):
    world.forward("bob", "|sh -c 'ulimit -f; ulimit -t' > /home/bob/lim\n")
    done = world.run(["sh", "-c",
                      "ulimit -f 100; ulimit -t 5; exec sendmail bob"],
                     user="alice", input=PLAIN)
    # Those of a caller do not reach who serves the socket.
    if not can_raise_limits() and not acceptor.is_for_all():
        assert done.returncode == 71 and b"limit" in done.stderr
        return
    assert done.returncode == 0
    world.wait_quiet()
    assert world.read_home("bob", "lim") == b"unlimited\nunlimited\n"


def test_processes_of_all_callers_are_no_limit_of_one(world):
    """All front ends are one user's; a caller's soft limit is not theirs."""
    def lower():
        os.setgroups(who["extra_groups"])
        os.setresgid(who["group"], who["group"], who["group"])
        os.setresuid(who["user"], who["user"], who["user"])
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        resource.setrlimit(resource.RLIMIT_NPROC, (64, hard))

    who = world.identity("alice")
    crowd = world.start(["sh", "-c", "for i in $(seq 70); do sleep 60 & done; "
                         "echo; wait"], user="_dma", stdout=subprocess.PIPE,
                        start_new_session=True)
    try:
        crowd.stdout.read(1)
        done = subprocess.run([SENDMAIL, "bob"], input=PLAIN, timeout=30,
                              preexec_fn=lower, env=who["env"], cwd="/")
        assert done.returncode == 0
        world.wait_mail("bob")
    finally:
        os.killpg(crowd.pid, signal.SIGKILL)
        crowd.wait()
        crowd.stdout.close()


KEY = """
import ctypes, os, sys
call = ctypes.CDLL(None).syscall
add, ctl = (217, 219) if os.uname().machine == "aarch64" else (248, 250)
if sys.argv[1] == "search":
    key = call(ctl, 10, -3, b"user", b"dma-test", 0)
    print("found" if key > 0 else "none")
    sys.exit()
if call(ctl, 1, None) < 0 or call(add, b"user", b"dma-test", b"x", 1, -3) < 0:
    sys.exit(77)
os.execv("/usr/sbin/sendmail", ["sendmail", "bob"])
"""


def test_command_has_no_key_of_the_caller(world):
    world.write_home("bob", "key.py", KEY)
    world.forward("bob", "|/usr/bin/python3 /home/bob/key.py search "
                  "> /home/bob/out\n")
    done = world.run(["/usr/bin/python3", "-c", KEY, "add"], user="alice",
                     input=PLAIN)
    if done.returncode == 77:
        pytest.skip("no keys in this kernel, or not for us")
    assert done.returncode == 0
    world.wait_quiet()
    assert world.read_home("bob", "out") == b"none\n"


# Into the keyring that it was given: it joins no other one.
GIVEN_KEY = KEY.partition("if call(")[0] + """
if sys.argv[1] == "add":
    call(add, b"user", b"dma-test", b"x", 1, -3)
print("found" if call(ctl, 10, -3, b"user", b"dma-test", 0) > 0 else "none")
"""


def test_command_has_no_key_of_another_command(world, peer):
    """Another user's, which the same helper has started."""
    world.defer(peer)
    for user, what in ("carol", "add"), ("bob", "search"):
        world.write_home(user, "key.py", GIVEN_KEY)
        world.forward(user, "|/usr/bin/python3 /home/%s/key.py %s "
                      "> /home/%s/out\n" % (user, what, user))
        world.send(user)
        world.wait_until(lambda: world.read_home(user, "out"))
    if world.read_home("carol", "out") != b"found\n":
        pytest.skip("no keys in this kernel, or not for us")
    assert world.read_home("bob", "out") == b"none\n"



@pytest.mark.parametrize("sig", (signal.SIGCHLD, signal.SIGPIPE,
                                 signal.SIGALRM, signal.SIGHUP))
def test_ignored_signals(world, sig):
    world.forward("bob", "|grep Sig /proc/self/status > /home/bob/sig\n"
                         "!bob\n")

    who = world.identity("alice", lambda: signal.signal(sig, signal.SIG_IGN))
    done = subprocess.run(
        [SENDMAIL, "bob"], input=PLAIN, timeout=20, stderr=subprocess.PIPE,
        restore_signals=False, **who)
    assert (done.returncode, done.stderr) == (0, b"")
    world.wait_mail("bob")
    world.wait_quiet()
    ignored, = (int(x.split()[1], 16) for x in
                world.read_home("bob", "sig").decode().splitlines()
                if x.startswith("SigIgn:"))
    # 32 and 33, too: glibc's own, which it ignores in what make spawns.
    assert ignored == 0


def test_blocked_signals(world):
    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))

    done = subprocess.run([SENDMAIL, "bob"], input=PLAIN, timeout=20,
                          **world.identity("alice", block))
    assert done.returncode == 0
    world.wait_mail("bob")


@pytest.mark.parametrize("mask", (0, 0o777))
def test_umask_makes_no_difference(world, mask):
    who = world.identity("alice")
    done = subprocess.run([SENDMAIL, "-odq", "bob"], input=PLAIN, timeout=20,
                          umask=mask, **who)
    assert done.returncode == 0
    ident, = world.queue()
    st = os.stat("/var/spool/dma/queue/" + ident)
    assert st.st_mode & 0o7777 == 0o600
    done = subprocess.run([SENDMAIL, "-q"], timeout=20, umask=mask)
    assert done.returncode == 0
    world.wait_mail("bob")
    assert os.stat("/var/mail/bob").st_mode & 0o7777 in (0o600, 0o660)


def test_deleted_working_directory(world):
    done = world.run(["sh", "-c", "mkdir gone; cd gone; rmdir ../gone; "
                      "exec /usr/sbin/sendmail bob"], user="alice",
                     input=PLAIN)
    assert done.returncode == 0
    world.wait_mail("bob")


def test_uid_without_a_name(world):
    done = subprocess.run([SENDMAIL, "bob"], input=PLAIN, timeout=20,
                          user=54321, group=54321, extra_groups=[], env={},
                          cwd="/", stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    message, = world.wait_mail("bob")
    assert message["Return-Path"].endswith("@host.test>")


def test_empty_environment(world):
    done = world.run(["env", "-i", SENDMAIL, "bob"], user="alice",
                     input=PLAIN)
    assert done.returncode == 0
    message, = world.wait_mail("bob")
    assert message["Return-Path"] == "<alice@host.test>"


def test_caller_can_not_stop_what_was_acknowledged(world):
    """Signals to the caller's process group and session, right after."""
    world.forward("bob", "|sleep 1; cat > /home/bob/got\n")
    done = world.run(["setsid", "sh", "-c",
                      "echo hi | sendmail bob || exit 1; trap '' TERM;"
                      "kill -TERM 0; exit 0"], user="alice")
    assert done.returncode == 0
    world.wait_quiet()
    assert b"hi\n" in world.read_home("bob", "got")


def spoolers(world):
    """Who has dropped by now; that takes a moment from the exec on."""
    uid = str(pwd.getpwnam("_dma").pw_uid)
    return [pid for pid in world.processes()
            if set(world.status_of(pid, "Uid")[1:]) == {uid}]


def test_no_process_of_ours_can_be_traced_or_dumped(world):
    p = world.start([SENDMAIL, "bob"], user="alice", stdin=subprocess.PIPE)
    pids = world.wait_until(lambda: spoolers(world))
    try:
        for pid in pids:
            st = os.stat("/proc/%d/maps" % pid)
            assert st.st_uid == 0, "pid %d is dumpable" % pid
            seen = world.run(["cat", "/proc/%d/maps" % pid], user="alice")
            assert seen.returncode != 0
    finally:
        p.stdin.close()
        p.wait(15)


def test_the_parsing_process_is_the_spool_user_for_good(world):
    spooler = pwd.getpwnam("_dma")
    p = world.start([SENDMAIL, "bob"], user="alice", stdin=subprocess.PIPE)
    ours = world.wait_until(lambda: spoolers(world))
    try:
        # Through the socket, the caller's own process only passes it on.
        assert (ours == [p.pid]) == (not acceptor.is_for_all())
        assert len(ours) == 1
        assert sorted(world.processes()) == sorted({*ours, p.pid})
        assert set(world.status_of(ours[0], "Gid")) == {str(spooler.pw_gid)}
        assert world.status_of(ours[0], "Groups") == []
        assert world.status_of(ours[0], "CapPrm") == ["0" * 16]
        for pid in world.processes():       # THREATS: no OpenSSL beside root
            with open("/proc/%d/maps" % pid) as f:
                maps = f.read()
            assert "libssl" not in maps and "libcrypto" not in maps
    finally:
        p.stdin.close()
        p.wait(15)


STARTER = """
import ctypes, os, resource, signal
os.mkdir("/tmp/gone")
os.chdir("/tmp/gone")
os.rmdir("/tmp/gone")
for fd in range(3, 15):
    os.dup2(0, fd)
for sig in set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(sig, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
os.umask(0)
os.nice(5)
resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600))
libc = ctypes.CDLL(None)
libc.prctl(29, ctypes.c_ulong(60 * 10 ** 9), 0, 0, 0)  # PR_SET_TIMERSLACK
libc.personality(ctypes.c_ulong(0x4020000))  # STICKY_TIMEOUTS, UNAME26
os.execve("/usr/sbin/dma", ["dma", "--runner"], {
    "LD_PRELOAD": "/tmp/evil.so", "TZ": "/tmp/evil", "PATH": "/tmp",
    "LOGNAME": "root", "MALLOC_TRACE": "/tmp/trace"})
"""


def inherited(pid):
    """What a process could have of the one that started it."""
    def read(name):
        with open("/proc/%d/%s" % (pid, name)) as f:
            return f.read()
    status = dict(x.split(":", 1) for x in read("status").splitlines())
    stat = read("stat").rsplit(")", 1)[1].split()
    fds = "/proc/%d/fd/" % pid
    return {
        "cwd": os.readlink("/proc/%d/cwd" % pid),
        "umask": status["Umask"].strip(),
        "blocked": int(status["SigBlk"], 16) & ~sum(
            1 << s - 1 for s in (signal.SIGCHLD, signal.SIGTERM)),
        "ignored": int(status["SigIgn"], 16) & ~sum(
            1 << s - 1 for s in (signal.SIGPIPE, signal.SIGXFSZ,
                                 signal.SIGCHLD)),
        "session": stat[3] == str(os.getsid(0)), "tty": stat[4],
        "nice": stat[16], "slack": read("timerslack_ns").strip(),
        "personality": int(read("personality"), 16),
        "files": "/tmp/starter" in [os.readlink(fds + x)
                                    for x in os.listdir(fds)],
    }


def test_a_runner_has_nothing_of_who_started_it(world, peer):
    """Directory, umask, signals, session, schedule, descriptors, variables;
    "_dma" is who our front end is when it starts one."""
    p = peer(Script(mute_at="MAIL"))
    world.smarthost(p)
    world.leaves("queue")
    world.send("-odq", "ann@far.test")
    with open("/tmp/starter", "w+") as f:
        world.start(["/usr/bin/python3", "-c", STARTER], user="_dma",
                    stdin=f, stdout=f, stderr=f, preexec_fn=None)
    world.wait_until(lambda: p.connections and
                     "MAIL" in p.connections[0].verbs)
    assert len(world.processes()) == 4
    for pid in world.processes():
        assert inherited(pid) == {
            "cwd": "/", "umask": "0077", "blocked": 0, "ignored": 0,
            "session": False, "tty": "0", "nice": "0", "slack": "50000",
            "personality": 0, "files": False}
        if os.readlink("/proc/%d/exe" % pid).endswith("dma-remote"):
            with open("/proc/%d/environ" % pid) as f:
                assert f.read() == "PATH=/usr/bin:/bin\0"
    os.unlink("/tmp/starter")
