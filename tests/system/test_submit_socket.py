"""Where set-uid does not count, /run/dma/submit takes the call: same checks,
same output, same exit status; and what clients can do to it."""
import contextlib
import os
import pty
import pwd
import signal
import socket
import struct
import subprocess
import time

import pytest

import acceptor
from world import BINARY, SENDMAIL, SPOOL

PLAIN = b"Subject: plain\n\nhello\n"
NO_SETUID = ("setpriv", "--no-new-privs")
READY, CALL, INPUT, STATUS = 80, 81, 82, 83
HAS_ALL, PLACES = 7, 64


@pytest.fixture(autouse=True)
def submit_socket():
    """Listens, unless that is done for all tests (WORLD_SUBMIT)."""
    if acceptor.is_for_all():
        yield None
        return
    pid = acceptor.start()
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if os.path.exists(acceptor.PATH):
        os.unlink(acceptor.PATH)


def read(pid, name):
    try:
        with open("/proc/%d/%s" % (pid, name)) as f:
            return f.read()
    except OSError:     # it has just ended
        return ""


def instances(world):
    return [pid for pid in world.processes()
            if read(pid, "cmdline").endswith("\0--submit\0")]


# -- who is served -----------------------------------------------------------

WAYS = {
    "no_new_privs": NO_SETUID,
    "nosuid": ("unshare", "-m", "sh", "-c",
               "mount --bind /usr/sbin /usr/sbin && "
               "mount -o remount,bind,nosuid /usr/sbin && "
               "exec setpriv --reuid alice --regid alice --clear-groups "
               "\"$@\"", "-"),
    "user namespace, as root": (
        "setpriv", "--reuid", "alice", "--regid", "alice", "--clear-groups",
        "unshare", "-r"),
    "user namespace, as nobody": (
        "setpriv", "--reuid", "alice", "--regid", "alice", "--clear-groups",
        "unshare", "-U"),
    "container, as user": (
        "unshare", "-m", "sh", "-c",
        "mount -t tmpfs none /var/spool && mount -t tmpfs none /etc/dma && "
        "cp /usr/sbin/dma /var/spool/dma.plain && "
        "mount --bind /var/spool/dma.plain /usr/sbin/dma && "
        "exec setpriv --reuid alice --regid alice --clear-groups \"$@\"",
        "-"),
}


@pytest.mark.parametrize("way", WAYS)
def test_y7_a_caller_without_set_uid_mails(world, way):
    done = world.run([*WAYS[way], SENDMAIL, "bob"], input=PLAIN,
                     user="alice" if way == "no_new_privs" else None)
    if b"unshare failed" in done.stderr:
        pytest.skip("no user namespaces here")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    message, = world.wait_mail("bob")
    assert message.body == b"hello\n"
    assert message["Return-Path"] == "<alice@host.test>"


def test_addresses_are_verified(world):
    """Who sees what in a .forward, as for all callers."""
    world.forward("alice", "x@far.test\n")
    world.forward("bob", "secret@far.test\n")
    done = world.run([*NO_SETUID, SENDMAIL, "-bv", "alice", "bob"],
                     user="alice")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (
        b"x@far.test... deliverable: mail exchangers of far.test\n"
        b"bob... deliverable: local user bob\n")


def test_y7_root_of_a_container_without_a_spool_mails(world):
    done = world.run(["unshare", "-m", "sh", "-c",
                      "mount -t tmpfs none /var/spool && "
                      "exec sendmail bob"], input=PLAIN)
    assert (done.returncode, done.stderr) == (0, b"")
    assert world.wait_mail("bob")[0]["Return-Path"] == "<root@host.test>"


def test_y7_root_of_a_container_cannot_write_the_hosts_files(world):
    done = world.run(["unshare", "-m", "sh", "-c",
                      "mount -t tmpfs none /var/spool && exec dma setup "
                      "--yes --password-file - me@smart.test"],
                     input=b"secret\n")
    assert (done.returncode, done.stdout) == (77, b"")
    assert done.stderr == b"dma: setup: run it as root, on the host itself\n"


def test_y7_a_host_without_a_set_uid_bit_mails(world):
    os.chmod(BINARY, 0o755)
    try:
        world.send("bob")
        world.send("-odq", "carol")
        assert "carol" in world.mailq("alice")
        assert "carol" not in world.mailq("bob")
    finally:
        os.chmod(BINARY, 0o4755)
    world.flush()
    world.wait_mail("bob")
    world.wait_mail("carol")


def test_y7_mailq_newaliases_and_a_flush(world):
    world.send("-odq", "bob", user="carol")
    world.send("-odq", "bob")
    done = world.run([*NO_SETUID, "mailq"], user="alice")
    assert done.returncode == 0 and done.stdout.count(b"ID\t") == 1
    world.write_aliases("root: alice\n:::\n")
    done = world.run([*NO_SETUID, "newaliases"], user="alice")
    assert done.returncode == 65
    assert b"/etc/aliases:2:" in done.stderr and b"1 alias," in done.stdout
    done = world.run([*NO_SETUID, SENDMAIL, "-q"], user="alice")
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(world.wait_mail("bob", 2)) == 2


@pytest.mark.parametrize("args, text, status", (
    (("-Z",), PLAIN, 64), ((), PLAIN, 64), (("nobody-here",), PLAIN, 67),
    (("-f", "a\nb", "bob"), PLAIN, 65), (("--runner",), b"", 64),
    (("--submit",), b"", 64), (("--runner=flush",), b"", 64)), ids=str)
def test_errors_are_those_of_a_set_uid_call(world, args, text, status):
    direct = world.run([SENDMAIL, *args], user="alice", input=text)
    done = world.run([*NO_SETUID, SENDMAIL, *args], user="alice", input=text)
    assert done.returncode == direct.returncode == status
    assert (done.stdout, done.stderr) == (direct.stdout, direct.stderr)


def test_the_environment_is_taken_as_from_a_caller(world):
    who = world.identity("alice")
    who["env"] = {"LOGNAME": "root", "NAME": "Ann Lee", "EMAIL": "a@far.test",
                  "TZ": "Etc/GMT-3", "LD_PRELOAD": "/tmp/evil.so",
                  "MALLOC_TRACE": "/tmp/trace"}
    world.forward("bob", "\\bob\n|env > /home/bob/env\n")
    done = subprocess.run([*NO_SETUID, SENDMAIL, "bob"], input=PLAIN,
                          timeout=20, **who)
    assert done.returncode == 0
    message, = world.wait_mail("bob")
    assert message["Return-Path"] == "<a@far.test>"
    assert message["From"] == "Ann Lee <a@far.test>"
    assert "+0300" in message["Date"]
    del who["env"]["EMAIL"]
    subprocess.run([*NO_SETUID, SENDMAIL, "carol"], input=PLAIN, timeout=20,
                   **who)
    message, = world.wait_mail("carol")
    assert message["Return-Path"] == "<alice@host.test>"
    world.wait_quiet()
    assert b"evil" not in world.read_home("bob", "env")


def test_as_many_recipients_as_an_exec_takes(world):
    world.write_conf({"MAX_RECIPIENTS": "0", "DEFER": ""})
    world.leaves("queue")
    names = ["n%06d-%s@far.test" % (n, "x" * 60) for n in range(20000)]
    done = world.run([*NO_SETUID, SENDMAIL, *names], user="alice",
                     input=PLAIN)
    assert (done.returncode, done.stderr) == (0, b"")
    ident, = world.queue()
    with open("%s/queue/%s" % (SPOOL, ident)) as f:
        assert f.read().count("@far.test") >= len(names)


@pytest.mark.parametrize("name", ("", "/", "x" * 100000, "\x01\x02", "mailq"))
def test_argv0_is_the_callers(world, name):
    done = world.run([*NO_SETUID, "bash", "-c", "exec -a \"$1\" " + BINARY,
                      "-", name], user="alice", input=PLAIN)
    assert done.returncode == (0 if name == "mailq" else 64)


def test_argc_zero_is_survived(world):
    script = ("import ctypes\nc = ctypes.CDLL(None)\n"
              "none = (ctypes.c_char_p * 1)(None)\n"
              "c.execve(%r, none, none)\n" % BINARY.encode())
    done = world.run([*NO_SETUID, "python3", "-c", script], user="alice")
    assert done.returncode == 64


def test_the_instance_is_the_callers_and_the_spool_users(world):
    p = world.start([*NO_SETUID, SENDMAIL, "bob"], user="alice",
                    stdin=subprocess.PIPE)
    uid = {name: str(pwd.getpwnam(name).pw_uid) for name in ("alice", "_dma")}

    def ids():
        return [world.status_of(pid, "Uid") for pid in instances(world)]
    world.wait_until(lambda: ids() == [[uid["alice"], *[uid["_dma"]] * 3]])
    pid, = instances(world)
    assert world.status_of(pid, "Groups") == []
    assert world.status_of(pid, "CapPrm") == ["0" * 16]
    assert os.stat("/proc/%d/maps" % pid).st_uid == 0
    # Its owner can end it; the client reports that.
    world.run(["kill", str(pid)], user="alice")
    assert p.wait(15) == 75
    p.stdin.close()
    world.wait_quiet()
    assert world.mailbox("bob") == []


# -- no such socket ----------------------------------------------------------

def test_without_socket_and_set_uid_it_says_so(world):
    os.unlink(acceptor.PATH)
    done = world.run([*NO_SETUID, SENDMAIL, "bob"], user="alice", input=PLAIN)
    assert done.returncode == 77
    assert done.stderr.count(b"\n") == 1
    for words in (b"set-uid root", b"no_new_privs", b"/run/dma/submit",
                  b"dma-submit.socket", b"make perms"):
        assert words in done.stderr
    assert world.queue() == []


def test_a_want_of_descriptors_is_for_later(world):
    done = world.run([*NO_SETUID, "sh", "-c", "ulimit -n 4; exec sendmail "
                      "bob"], user="alice", input=PLAIN)
    assert done.returncode in (71, 75) and done.stderr.count(b"\n") == 1
    assert world.queue() == []


@pytest.mark.seconds(15)
def test_a_socket_without_its_server_is_for_later(world):
    """As while the unit is restarted; the client tries for a while."""
    os.unlink(acceptor.PATH)
    acceptor.listen().close()
    done = world.run([*NO_SETUID, SENDMAIL, "bob"], user="alice", input=PLAIN)
    assert done.returncode == 75
    assert b"Connection refused" in done.stderr


def serve_once(answers):
    """A server of one connection that sends that, and ends."""
    os.unlink(acceptor.PATH)
    server = acceptor.listen()
    pid = os.fork()
    if pid == 0:
        try:
            connection, _ = server.accept()
            for answer in answers:
                connection.send(answer)
                connection.recv(4096)
        finally:
            os._exit(0)
    server.close()
    return pid


def record(kind, *fields):
    """u32s, and texts."""
    body = b"".join(
        struct.pack("=I", x) if isinstance(x, int) else
        struct.pack("=I", len(x)) + x for x in fields)
    return struct.pack("=II", kind, 0) + body


@pytest.mark.parametrize("answers", (
    [record(READY)], [record(READY), b"\0\0\0"], [record(READY), b"x" * 5000],
    [record(READY), record(STATUS, 0)], [record(READY), record(READY)],
    [record(READY), record(STATUS, 0, b"", 1)],
    [record(READY), record(INPUT)]), ids=range(7))
def test_an_end_without_a_status_is_75(world, answers):
    pid = serve_once(answers)
    done = world.run([*NO_SETUID, SENDMAIL, "bob"], user="alice", input=PLAIN)
    os.waitpid(pid, 0)
    assert done.returncode == 75
    assert b"/run/dma/submit" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.seconds(15)
def test_where_nobody_listens_any_more_it_is_75(world):
    pid = serve_once([])        # and hangs up on whoever else asks
    done = world.run([*NO_SETUID, SENDMAIL, "bob"], user="alice", input=PLAIN)
    os.waitpid(pid, 0)
    assert done.returncode == 75 and done.stderr.count(b"\n") == 1


def test_submit_mode_is_for_init(world):
    done = world.run([BINARY, "--submit"], input=b"")
    assert done.returncode == 64 and b"/run/dma/submit" in done.stderr


# -- the end of the client ---------------------------------------------------

@pytest.mark.parametrize("sig", (signal.SIGTERM, signal.SIGINT,
                                 signal.SIGHUP, signal.SIGKILL))
def test_a_client_that_ends_before_the_commit_queues_nothing(world, sig):
    r, w = os.pipe()            # and its standard input stays open
    p = world.start([*NO_SETUID, SENDMAIL, "bob"], user="alice", stdin=r)
    os.write(w, PLAIN)
    world.wait_until(lambda: instances(world))
    pid, = instances(world)
    # Not before it reads the message.
    world.wait_until(lambda: "pipe" in read(pid, "wchan"))
    p.send_signal(sig)
    assert p.wait(15) == -sig
    world.wait_until(lambda: not instances(world))
    os.close(w)
    os.close(r)
    assert world.queue() == [] and world.mailbox("bob") == []


@pytest.mark.parametrize("name", ("HUP", "INT", "TERM"))
def test_a_signal_that_the_caller_ignores_ends_no_call(world, name):
    """As under nohup, or in the background."""
    p = world.start([*NO_SETUID, "sh", "-c", "trap '' %s; exec \"$@\"" % name,
                     "-", SENDMAIL, "bob"], user="alice",
                    stdin=subprocess.PIPE)
    p.stdin.write(PLAIN)
    p.stdin.flush()
    world.wait_until(lambda: instances(world))
    pid, = instances(world)
    world.wait_until(lambda: "pipe" in read(pid, "wchan"))
    p.send_signal(getattr(signal, "SIG" + name))
    p.stdin.write(b"end\n")
    p.stdin.close()
    assert p.wait(15) == 0
    assert world.wait_mail("bob")[0].body.endswith(b"end\n")


def test_a_stopped_instance_does_not_miss_the_end_of_its_client(world):
    p = world.start([*NO_SETUID, SENDMAIL, "bob"], user="alice",
                    stdin=subprocess.PIPE)
    world.wait_until(lambda: instances(world))
    pid, = instances(world)
    world.wait_until(lambda: "pipe" in read(pid, "wchan"))
    os.kill(pid, signal.SIGSTOP)
    p.stdin.write(PLAIN)
    p.stdin.flush()
    p.kill()
    p.stdin.close()
    p.wait()
    world.run(["kill", "-CONT", str(pid)])
    world.wait_until(lambda: not instances(world))
    assert world.queue() == [] and world.mailbox("bob") == []


# -- standard descriptors of all kinds ---------------------------------------

@pytest.mark.parametrize("closed", ((0,), (1,), (2,), (1, 2), (0, 1, 2)),
                         ids=str)
def test_closed_descriptors(world, closed):
    done = world.run([*NO_SETUID, "sh", "-c", "exec sendmail bob " + " ".join(
        "%d<&-" % fd for fd in closed)], user="alice", input=PLAIN)
    assert done.returncode == (66 if 0 in closed else 0)
    if 0 not in closed:
        world.wait_mail("bob")


@pytest.mark.parametrize("path, flags, status", (
    ("/", os.O_RDONLY, 66), ("/etc/passwd", os.O_PATH, 66),
    ("/dev/null", os.O_WRONLY, 66), ("/proc/self/mem", os.O_RDONLY, 66),
    ("/dev/null", os.O_RDONLY, 0)), ids=str)
def test_strange_standard_inputs(world, path, flags, status):
    fd = os.open(path, flags)
    who = world.identity("alice")
    done = subprocess.run([*NO_SETUID, SENDMAIL, "bob"], stdin=fd, timeout=20,
                          stderr=subprocess.PIPE, **who)
    os.close(fd)
    assert done.returncode == status
    assert bool(done.stderr) == (status != 0)
    world.wait_quiet()


def test_a_nonblocking_socket_is_read_to_its_end(world):
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    p = world.start([*NO_SETUID, SENDMAIL, "bob"], user="alice", stdin=theirs)
    theirs.close()
    for piece in (b"Subject: s\n", b"\n", b"one\n", b"two\n"):
        ours.sendall(piece)
        time.sleep(0.05)
    ours.close()
    assert p.wait(15) == 0
    assert world.wait_mail("bob")[0].body == b"one\ntwo\n"


class Terminal:
    """A session with a terminal of its own, where one command runs."""

    def __init__(self, world, argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            who = world.identity("alice")
            os.setgid(who["group"])
            os.setuid(who["user"])
            os.execvpe(argv[0], argv, who["env"])

    def type(self, text):
        os.write(self.fd, text)

    def wait(self):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        raise AssertionError("it does not end")


@pytest.mark.parametrize("through", ((), NO_SETUID), ids=("set-uid", "socket"))
@pytest.mark.parametrize("end", (b"\x04", b".\n"), ids=("eof", "dot"))
def test_a_message_can_be_typed(world, through, end):
    t = Terminal(world, [*through, SENDMAIL, "bob"])
    for line in (b"Subject: typed\n", b"\n", b"one\n", b"two\n"):
        t.type(line)
        time.sleep(0.05)
    t.type(end)
    assert t.wait() == 0
    message, = world.wait_mail("bob")
    assert (message["Subject"], message.body) == ("typed", b"one\ntwo\n")


@pytest.mark.parametrize("through", ((), NO_SETUID), ids=("set-uid", "socket"))
@pytest.mark.parametrize("script, text", (
    ("mailq; sleep 0.3; read line; test \"$line\" = for-the-shell",
     b"for-the-shell\n"),
    ("sendmail bob; sleep 0.3; read line; test \"$line\" = for-the-shell",
     b"Subject: typed\n\none\n.\nfor-the-shell\n")), ids=("mailq", "mail"))
def test_what_is_typed_ahead_is_for_the_shell(world, through, script, text):
    t = Terminal(world, [*through, "sh", "-c", script])
    t.type(text)
    assert t.wait() == 0


@pytest.mark.parametrize("through", ((), NO_SETUID), ids=("set-uid", "socket"))
def test_an_interrupt_at_the_terminal_queues_nothing(world, through):
    t = Terminal(world, [*through, SENDMAIL, "bob"])
    t.type(b"Subject: typed\n\none\n")
    world.wait_until(lambda: len(world.processes()) == 1 + bool(through))
    time.sleep(0.3)
    t.type(b"\x03")
    assert t.wait() == -signal.SIGINT
    world.wait_quiet()
    assert world.mailbox("bob") == []


def test_typing_to_a_client_that_is_killed_queues_nothing(world):
    for _ in range(10):
        t = Terminal(world, [*NO_SETUID, SENDMAIL, "bob"])
        t.type(b"Subject: typed\n\none\n")
        world.wait_until(lambda: instances(world))
        os.kill(t.pid, signal.SIGKILL)
        assert t.wait() == -signal.SIGKILL
        world.wait_quiet()
        assert world.mailbox("bob") == []


# -- hostile clients ---------------------------------------------------------

def connect(user="alice"):
    """A connection that is that user's; read READY from it first."""
    uid = pwd.getpwnam(user).pw_uid
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(40)
    os.seteuid(uid)
    try:
        s.connect(acceptor.PATH)
    finally:
        os.seteuid(0)
    return s


def hangs_up(s):
    try:
        return s.recv(100) == b""
    except ConnectionResetError:    # something of ours was not read
        return True


def hand_over(s, data, fds):
    socket.send_fds(s, [data], fds)


def call(strings, argc, has=HAS_ALL, length=None):
    """The record, and the descriptors for it."""
    null = os.open("/dev/null", os.O_RDWR)
    r, w = os.pipe()
    if len(strings) < 60000:
        os.write(w, strings)
    os.close(w)
    return record(CALL, has, argc, len(strings) if length is None else
                  length), [null, null, null, r]


BAD = {
    "nothing": lambda: (b"", []),
    "a part of a record": lambda: (record(CALL, 7)[:11], []),
    "another kind": lambda: (record(STATUS, 0, b""), []),
    "no descriptors": lambda: (call(b"x\0", 1)[0], []),
    "too few descriptors": lambda: (call(b"x\0", 1)[0],
                                    call(b"x\0", 1)[1][:3]),
    "fields left over": lambda: (call(b"x\0", 1)[0] + b"more", call(
        b"x\0", 1)[1]),
    "no NUL at the end": lambda: call(b"x\0bob", 2),
    "argc too large": lambda: call(b"x\0bob\0", 3),
    "argc huge": lambda: call(b"x\0bob\0", 0xffffffff),
    "strings that are short": lambda: call(b"x\0bob\0", 2, length=700),
    "strings that are too long": lambda: call(b"x\0", 1, length=9 << 20),
    "length huge": lambda: call(b"x\0", 1, length=0xffffffff),
    "strings from a directory": lambda: (
        record(CALL, 7, 1, 10), call(b"", 0)[1][:3] + [
            os.open("/", os.O_RDONLY)]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_call_that_is_not_one_ends_without_an_answer(world, case):
    data, fds = BAD[case]()
    s = connect()
    assert s.recv(100) == record(READY)
    if data:
        hand_over(s, data, fds)
    s.shutdown(socket.SHUT_WR)
    assert hangs_up(s)
    s.close()
    for fd in set(fds):
        os.close(fd)
    world.wait_until(lambda: not instances(world))
    world.send("bob")
    world.wait_mail("bob")


def test_more_descriptors_than_a_call_has_are_refused(world):
    s = connect()
    s.recv(100)
    data, fds = call(b"x\0bob\0", 2)
    hand_over(s, data, fds + [fds[0]] * 200)
    assert hangs_up(s)
    world.wait_until(lambda: not instances(world))


def test_a_good_call_by_hand(world):
    """That the cases above fail for what they name."""
    r, w = os.pipe()
    os.write(w, PLAIN)
    os.close(w)
    data, fds = call(b"sendmail\0bob\0TZ=UTC\0", 2)
    s = connect()
    assert s.recv(100) == record(READY)
    hand_over(s, data, [r, *fds[1:]])
    assert s.recv(100) == record(STATUS, 0, b"")
    world.wait_mail("bob")


def test_a_client_that_goes_on_sending_ends_its_call(world):
    r, w = os.pipe()
    data, fds = call(b"sendmail\0bob\0", 2)
    s = connect()
    s.recv(100)
    hand_over(s, data, [r, *fds[1:]])
    s.send(b"more")
    assert hangs_up(s)
    os.write(w, PLAIN)
    os.close(w)
    world.wait_until(lambda: not instances(world))
    assert world.queue() == []


def test_a_connection_given_back_as_standard_input_is_the_users_to_end(world):
    """Then no end of the client is seen."""
    data, fds = call(b"sendmail\0bob\0", 2)
    s = connect()
    s.recv(100)
    hand_over(s, data, [s.fileno(), *fds[1:]])
    time.sleep(0.2)
    s.close()
    for pid in instances(world):
        world.run(["kill", str(pid)], user="alice")
    world.wait_until(lambda: not instances(world))


# -- the acceptor ------------------------------------------------------------

@contextlib.contextmanager
def accepting(world):
    """The program accepts by itself."""
    if os.path.exists(acceptor.PATH):
        os.unlink(acceptor.PATH)
    server = acceptor.listen()
    p = world.start([BINARY, "--submit"], stdin=server)
    server.close()
    try:
        yield p
    finally:
        p.kill()
        p.wait()


@pytest.mark.seconds(20)
def test_one_user_can_not_take_the_places_of_others(world):
    with accepting(world) as main:
        held = [connect() for _ in range(PLACES)]
        for s in held:
            assert s.recv(100) == record(READY)
        more = [connect() for _ in range(20)]
        for s in more:
            assert hangs_up(s)
        done = world.run([*NO_SETUID, SENDMAIL, "bob"], user="carol",
                         input=PLAIN)
        assert (done.returncode, done.stderr) == (0, b"")
        world.wait_mail("bob")
        # One that waits for a place has it as soon as there is one.
        p = world.start([*NO_SETUID, SENDMAIL, "carol"], user="alice",
                        stdin=subprocess.PIPE)
        p.stdin.write(PLAIN)
        p.stdin.close()
        time.sleep(0.5)
        assert p.poll() is None
        held.pop().close()
        assert p.wait(20) == 0
        world.wait_mail("carol")
        # The rest never says anything: it does not stay.
        world.wait_until(lambda: instances(world) == [main.pid], limit=40)


def test_the_acceptor_starts_nothing_for_who_has_left(world):
    with accepting(world) as main:
        os.kill(main.pid, signal.SIGSTOP)
        for _ in range(100):
            connect().close()
        before = int(open("/proc/loadavg").read().split()[4])
        os.kill(main.pid, signal.SIGCONT)
        world.run([*NO_SETUID, SENDMAIL, "bob"], user="carol", input=PLAIN)
        world.wait_mail("bob")
        # The last pid that was given; that is, not a hundred processes later.
        after = int(open("/proc/loadavg").read().split()[4])
        assert after - before < 50


def test_the_acceptor_survives_the_end_of_its_calls(world):
    with accepting(world) as main:
        for user, status in (("bob", 0), ("nobody-here", 67)) * 3:
            done = world.run([*NO_SETUID, SENDMAIL, user], user="alice",
                             input=PLAIN)
            assert done.returncode == status
        s = connect()
        s.recv(100)
        for pid in instances(world):
            if pid != main.pid:
                os.kill(pid, signal.SIGKILL)
        assert hangs_up(s)
        world.wait_until(lambda: instances(world) == [main.pid])
        assert main.poll() is None
        world.wait_mail("bob", 3)


def test_two_hundred_calls_at_once_are_all_served(world):
    with accepting(world):
        calls = [world.start([*NO_SETUID, SENDMAIL, "bob"], user="alice",
                             stdin=subprocess.PIPE) for _ in range(200)]
        for p in calls:
            p.stdin.write(PLAIN)
            p.stdin.close()
        assert [p.wait(60) for p in calls] == [0] * 200
    assert len(world.wait_mail("bob", 200, limit=60)) == 200
