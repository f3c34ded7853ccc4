"""Calls that stay: whose they are, how many, and how they end."""
import glob
import os
import pwd
import signal
import socket
import subprocess
import time

import pytest

from smtp_peer import Script
from world import BINARY, SENDMAIL, SPOOL, SPOOL_USER


def uids(world, pid):
    return [int(x) for x in world.status_of(pid, "Uid")[:3]]


def wait_front_end(world, process, user):
    """Until it is the caller and the spool user."""
    want = [pwd.getpwnam(user).pw_uid] + [pwd.getpwnam(SPOOL_USER).pw_uid] * 2
    world.wait_until(lambda: uids(world, process.pid) == want, 15, want)


def kill_as(user, pid, sig):
    """What kill(2) says to that user."""
    who = pwd.getpwnam(user)
    return subprocess.run(["kill", "-%d" % sig, str(pid)], user=who.pw_uid,
                          group=who.pw_gid, stderr=subprocess.DEVNULL,
                          check=False).returncode


# ---- T9: a call is its caller's ----


def waiting_submission(world, *args):
    p = world.start([SENDMAIL, *args, "bob"], user="alice",
                    stdin=subprocess.PIPE)
    p.stdin.write(b"Subject: never whole\n\nhello\n")
    p.stdin.flush()
    wait_front_end(world, p, "alice")
    return p


def test_t9_the_owner_ends_a_submission_that_never_ends(world):
    for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP):
        p = waiting_submission(world)
        assert kill_as("bob", p.pid, sig) != 0
        assert p.poll() is None
        assert kill_as("alice", p.pid, sig) == 0
        assert p.wait(10) == -sig
        p.stdin.close()
        assert world.queue() == []
    assert world.spool_litter() == []


def test_t9_the_owner_ends_what_repeats(world):
    for args in (["-q30m"], ["-v", "-q30m"]):
        p = world.start([SENDMAIL, *args], user="alice")
        wait_front_end(world, p, "alice")
        assert kill_as("bob", p.pid, signal.SIGTERM) != 0
        assert kill_as("alice", p.pid, signal.SIGTERM) == 0
        assert p.wait(10) == -signal.SIGTERM


def test_t9_the_owner_ends_a_call_that_waits(world, peer):
    p = peer(Script(mute_at="MAIL"))
    world.smarthost(p)
    world.leaves("queue")
    call = world.start([SENDMAIL, "-D", "ann@far.test"], user="alice",
                       stdin=subprocess.DEVNULL)
    world.wait_until(lambda: p.connections and
                     "MAIL" in p.connections[0].verbs)
    runner = [pid for pid in world.processes() if pid != call.pid]
    flush = world.start([SENDMAIL, "-q"], user="alice")
    wait_front_end(world, flush, "alice")
    wait_front_end(world, call, "alice")
    assert kill_as("bob", flush.pid, signal.SIGTERM) != 0
    assert kill_as("alice", flush.pid, signal.SIGTERM) == 0
    assert flush.wait(10) == -signal.SIGTERM
    # Its message is in the queue, and the runner is nobody's to end.
    assert kill_as("alice", call.pid, signal.SIGTERM) == 0
    assert call.wait(10) == 0
    assert len(world.queue()) == 1
    for pid in runner:
        assert kill_as("alice", pid, signal.SIGTERM) != 0
    assert set(runner) <= set(world.processes())


def test_t9_root_leaves_nothing_of_its_own(world):
    want = [pwd.getpwnam(SPOOL_USER).pw_uid] * 3
    p = world.start([SENDMAIL, "-q30m"])
    world.wait_until(lambda: uids(world, p.pid) == want)
    p.kill()
    p.wait()


@pytest.mark.seconds(8)
def test_t9_a_callers_limit_bounds_what_it_starts(world):
    """Processes that wait count against the one who started them."""
    who = pwd.getpwnam("alice")
    script = "for i in $(seq 400); do %s -q30m & done 2>/dev/null; sleep 600" \
        % SENDMAIL
    shell = subprocess.Popen(
        ["bash", "-c", "ulimit -u 100; " + script], user=who.pw_uid,
        group=who.pw_gid, extra_groups=[], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        most, end = 0, time.monotonic() + 8
        while time.monotonic() < end:
            most = max(most, len(world.processes()))
            time.sleep(0.1)
        # And the runner, its helpers and what starts one.
        assert most < 110
    finally:
        # All of them end with one signal of their owner.
        subprocess.run(["kill", "-9", "--", "-1"], user=who.pw_uid,
                       group=who.pw_gid, check=False)
        shell.wait(10)
    world.wait_quiet()


# ---- T7: the wake socket believes nobody ----


def deferring(world, peer, *users):
    """Each user's message was tried once and waits."""
    p = peer(Script(rcpt_reply="450 4.2.1 later"))
    world.smarthost(p)
    world.leaves("queue")
    for user in users:
        world.send(user + "@far.test", user=user)
        world.wait_tried(user + "@far.test")
    return p


def asked(p):
    return sorted(a for t in p.transactions for a, _ in t.rcpts)


def test_t7_a_users_flush_is_for_their_own_mail(world, peer):
    p = deferring(world, peer, "alice", "bob")
    before = asked(p)
    done = world.run([SENDMAIL, "-v", "-q"], user="alice")
    assert done.returncode == 0, done.stderr
    assert asked(p) == sorted(before + ["alice@far.test"])
    assert b"alice@far.test" in done.stderr
    assert b"bob@far.test" not in done.stderr
    # One who has nothing there waits for nothing.
    done = world.run([SENDMAIL, "-v", "-q"], user="carol")
    assert (done.returncode, done.stderr) == (0, b"")
    # Root sees and flushes all, and so do members of the group.
    done = world.run([SENDMAIL, "-v", "-q"])
    assert b"alice@far.test" in done.stderr
    assert b"bob@far.test" in done.stderr
    assert len(asked(p)) == 5


def test_t7_members_of_the_group_see_all(world, peer):
    p = deferring(world, peer, "alice", "bob")
    world.smarthost(p, MAILQ_GROUP="carol")
    done = world.run([SENDMAIL, "-v", "-q"], user="carol")
    assert done.returncode == 0
    assert b"alice@far.test" in done.stderr and b"bob@far.test" in done.stderr


def test_t7_flush_with_defer_is_for_their_own_mail(world, peer):
    """Each such call starts a runner, which knows nothing of earlier ones."""
    p = peer(Script(rcpt_reply="450 4.2.1 later"))
    world.smarthost(p, DEFER="")
    world.leaves("queue")
    for user in "alice", "bob":
        world.send(user + "@far.test", user=user)
    for n in 1, 2, 3:
        done = world.run([SENDMAIL, "-q"], user="alice")
        assert done.returncode == 0, done.stderr
        assert asked(p) == ["alice@far.test"] * n


def test_t7_a_user_has_few_places(world, peer):
    p = peer(Script(mute_at="MAIL"))
    world.smarthost(p)
    world.leaves("queue")
    for user in "alice", "bob":
        world.send("-odq", "ann@far.test", user=user)
    calls = [world.start([SENDMAIL, "-q"], user="alice",
                         stderr=subprocess.PIPE) for _ in range(12)]
    try:
        world.wait_until(lambda: len([c for c in calls
                                      if c.poll() is not None]) == 8)
        for c in calls:
            if c.poll() is not None:
                assert c.returncode == 75
                assert b"too many calls wait" in c.stderr.read()
        # Others have places.
        other = world.start([SENDMAIL, "-q"], user="bob")
        root = world.start([SENDMAIL, "-q"])
        # A submission is taken all the same, and says that it is not watched.
        done = world.send("-D", "bob", user="alice")
        assert b"too many calls wait" in done.stderr
        world.wait_mail("bob")
        assert other.poll() is None and root.poll() is None
    finally:
        for c in calls + [other, root]:
            c.kill()
            c.wait()


def test_t7_who_is_stopped_holds_nobody_up(world):
    """Between the announcement of a message and its commit."""
    calls = []
    for i in range(20):
        p = world.start([SENDMAIL, "-v", "bob"], user="alice",
                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.001 * i)
        kill_as("alice", p.pid, signal.SIGSTOP)
        calls.append(p)
    world.send("carol", user="bob")
    world.wait_mail("carol")
    for p in calls:
        p.kill()
        p.wait()
    world.wait_quiet()


# ---- M1, M3: what cannot be recorded ----


class Full:
    """A spool in which nothing has room, on a file system of its own."""

    def __init__(self, world):
        self.world = world
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700",
                        "none", SPOOL], check=True)
        who = pwd.getpwnam(SPOOL_USER)
        os.chown(SPOOL, who.pw_uid, who.pw_gid)

    def fill(self):
        with open(SPOOL + "/filling", "wb", buffering=0) as f:
            try:
                while f.write(bytes(4096)) > 0:
                    pass
            except OSError:
                pass
        self.top_up()

    def top_up(self):
        """Each file to the end of its page, so that no byte fits."""
        for path in glob.glob(SPOOL + "/queue/*"):
            n = -os.stat(path).st_size % 4096
            with open(path, "ab") as f:
                f.write(b"\n" * n if n else b"")

    def empty(self):
        os.unlink(SPOOL + "/filling")

    def close(self):
        self.world.stop()
        subprocess.run(["umount", "-l", SPOOL], check=True)


@pytest.fixture
def full(world):
    f = Full(world)
    yield f
    f.close()


def text_to_the_page(world, *to, user="alice"):
    """That of a message whose journal has no room in its last page: its
    recipient record is the last thing in there."""
    world.send("-odq", *to, user=user, input=b"Subject: x\n\nx\n")
    ident = world.queue()[-1]
    size = os.stat("%s/queue/%s" % (SPOOL, ident)).st_size
    os.unlink("%s/queue/%s" % (SPOOL, ident))
    return b"Subject: x\n\nx" + b"y" * (-size % 4096 - 1) + b"\n\n"


def submit_to_the_page(world, *to, user="alice"):
    text = text_to_the_page(world, *to, user=user)
    world.send("-odq", *to, user=user, input=text)
    ident = world.queue()[-1]
    path = "%s/queue/%s" % (SPOOL, ident)
    # The length of the queue file depends on nothing else.
    assert os.stat(path).st_size % 4096 == 0, os.stat(path).st_size
    return ident


def test_m3_local_mail_while_the_spool_is_full(world, full):
    ident = submit_to_the_page(world, "bob")
    full.fill()
    for args in ["-q"], ["-q", "-v"]:
        done = world.run([SENDMAIL, *args], limit=30)
        assert done.returncode == 75
        assert b"No space left on device" in done.stderr, done.stderr
    assert world.mailbox("bob") == []
    assert len(world.log_lines("No space left")) == 1
    assert len(world.log_lines(ident, "status=deferred", "No space")) == 1
    assert not world.log_lines("exited unexpectedly")
    assert "Tries" not in world.mailq()
    full.empty()
    world.flush()
    world.wait_mail("bob")
    world.wait_quiet()


def test_m1_sent_mail_leaves_a_full_spool(world, full, peer):
    """What cannot be recorded is removed."""
    p = peer(Script())
    world.smarthost(p)
    submit_to_the_page(world, "ann@far.test")
    full.fill()
    world.flush()
    world.wait_quiet()
    assert len(p.taken) == 1
    full.empty()


def test_m1_what_cannot_be_recorded_ends_the_flush(world, full, peer):
    """One of two is sent, and the journal has no room for that."""
    p = peer(Script(rcpt_rules=((r"^later", "450 4.2.1 later"),)))
    world.smarthost(p)
    ident = submit_to_the_page(world, "ann@far.test,later@far.test")
    full.fill()
    for args in ["-q"], ["-v", "-q"], ["-q"]:
        done = world.run([SENDMAIL, *args], limit=30)
        assert done.returncode == 75
        assert b"No space left on device" in done.stderr, done.stderr
    assert len([line for line in world.log_lines("No space left")
                if "status=" not in line]) == 1
    assert len(p.taken) == 1
    full.empty()
    world.flush()
    assert len(p.taken) == 1
    assert world.log_lines(ident, "ann@far.test", "sent")
    p.scripts[:] = [Script()]
    world.flush()
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"],
                                             ["later@far.test"]]


def test_m1_a_call_that_waits_ends_when_nothing_can_be_recorded(world, full,
                                                                peer):
    """Its status is that of a queued message: nobody is to send it again."""
    to = "ann@far.test", "later@far.test"
    text = text_to_the_page(world, *to)

    def hook(_c, verb, _said):
        if verb == "MAIL":
            full.fill()
    p = world.smarthost(peer(Script(hook=hook, rcpt_rules=(
        (r"^later", "450 4.2.1 later"),))))
    done = world.run([SENDMAIL, "-D", *to], user="alice", input=text, limit=30)
    assert done.returncode == 0
    assert b"No space left on device" in done.stderr, done.stderr
    assert len(world.queue()) == 1
    full.empty()
    p.scripts[:] = [Script()]
    world.flush()       # records what became of the first one
    world.flush()
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"],
                                             ["later@far.test"]]


def test_m1_a_submission_does_not_fit(world, full):
    full.fill()
    for args in [], ["-D"], ["-v"]:
        done = world.run([SENDMAIL, *args, "bob"], user="alice",
                         input=b"Subject: x\n\n" + b"x" * 9000)
        assert done.returncode == 75
        assert b"No space left" in done.stderr
    full.empty()


def test_m1_a_message_that_cannot_be_read(world):
    world.send("-odq", "bob", user="alice")
    ident, = world.queue()
    path = "%s/queue/%s" % (SPOOL, ident)
    who = os.stat(path)
    os.chown(path, 0, 0)
    for args in ["-q"], ["-q", "-v"]:
        done = world.run([SENDMAIL, *args])
        assert done.returncode == 75
        assert ident.encode() in done.stderr
        assert b"Permission denied" in done.stderr
    assert len(world.log_lines(ident, "Permission denied")) == 1
    # Others are not held up.
    world.send("carol")
    world.wait_mail("carol")
    os.chown(path, who.st_uid, who.st_gid)
    world.flush()
    world.wait_mail("bob")


# ---- M2: a spool that cannot be locked ----

LOCK = SPOOL + "/lock"


def give_to_root(path):
    with open(path, "w"):
        pass
    os.chmod(path, 0o600)


LOCKS = {
    "a directory": lambda: os.mkdir(LOCK),
    "root's": lambda: give_to_root(LOCK),
    "a dangling link": lambda: os.symlink("/nonexistent/lock", LOCK),
    "a link": lambda: os.symlink("/etc/passwd", LOCK),
    "a socket": lambda: socket.socket(socket.AF_UNIX).bind(LOCK),
}


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)


@pytest.fixture
def lock(world):
    remove(LOCK)
    yield LOCK
    remove(LOCK)


@pytest.mark.parametrize("case", LOCKS)
def test_m2_a_lock_that_is_none(world, lock, case):
    LOCKS[case]()
    world.send("bob")
    world.wait_until(lambda: world.log_lines(LOCK))
    for args in ["-q"], ["-v", "-q"]:
        for user in None, "alice":
            done = world.run([SENDMAIL, *args], user=user, limit=30)
            assert done.returncode == 75
            assert LOCK.encode() in done.stderr, done.stderr
    shown = "error   %s: cannot lock the spool: " + LOCK
    assert shown % SPOOL in world.run([BINARY, "check"]).stdout.decode()
    assert shown % "runner" in world.run([BINARY, "status"]).stdout.decode()
    # It waits, and once: the runner and its helpers.
    for _ in range(3):
        world.send("carol")
        world.run([SENDMAIL, "-qd"])
    world.wait_until(lambda: len(world.processes()) == 3)
    assert len(world.log_lines(LOCK)) == 1
    assert world.mailbox("bob") == []
    # Once it is mended, delivery begins by itself.
    remove(LOCK)
    world.wait_mail("bob")
    world.wait_mail("carol", 3)
    world.wait_quiet()


@pytest.mark.seconds(14)
def test_m2_a_spool_that_is_read_only(world):
    """Nothing can be taken in; what is there waits, and nobody asks again."""
    world.send("-odq", "bob")
    subprocess.run(["mount", "--bind", SPOOL, SPOOL], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", SPOOL], check=True)
    try:
        for _ in range(2):
            done = world.run([SENDMAIL, "-q"], limit=30)
            assert done.returncode == 75
            assert b"/lock: Read-only file system" in done.stderr
        done = world.run([SENDMAIL, "bob"], user="alice", input=b"x\n")
        assert done.returncode == 73
        assert world.log_lines("/lock: Read-only file system")
        world.wait_until(lambda: len(world.processes()) == 3)
        subprocess.run(["mount", "-o", "remount,rw,bind", SPOOL], check=True)
        world.wait_mail("bob")
        world.wait_quiet()
    finally:
        world.stop()
        subprocess.run(["umount", "-l", SPOOL], check=True)


@pytest.mark.seconds(7)
def test_m2_wake_is_a_directory(world):
    world.stop()
    remove(SPOOL + "/wake")
    os.mkdir(SPOOL + "/wake")
    try:
        world.send("bob")
        world.wait_mail("bob")
        world.send("-odq", "carol")
        done = world.run([SENDMAIL, "-q"], limit=30)
        assert done.returncode == 75
        assert b"/wake" in done.stderr
        assert world.log_lines("/wake")
    finally:
        os.rmdir(SPOOL + "/wake")
    world.flush()
    world.wait_mail("carol")


# ---- T9: few that repeat ----


def test_t9_few_calls_of_a_user_repeat(world):
    calls = [world.start([SENDMAIL, "-q30m"], user="alice",
                         stderr=subprocess.PIPE) for _ in range(7)]
    other = world.start([SENDMAIL, "-q30m"], user="bob")
    try:
        world.wait_until(lambda: len([c for c in calls
                                      if c.poll() is not None]) == 3)
        for c in calls:
            if c.poll() is not None:
                assert c.returncode == 75
                assert b"4 such calls" in c.stderr.read()
        # However they end, their places are free again.
        [c for c in calls if c.poll() is None][0].kill()
        again = world.start([SENDMAIL, "-q30m"], user="alice")
        calls.append(again)
        time.sleep(0.5)
        assert again.poll() is None and other.poll() is None
    finally:
        for c in calls + [other]:
            c.kill()
            c.wait()


# ---- a runner that has lost a helper ----


def helpers_of(world):
    """Its root processes, the forward helper first."""
    return sorted(pid for pid in world.processes()
                  if world.status_of(pid, "Uid")[:1] == ["0"])


@pytest.mark.parametrize("which", (0, 1))
def test_a_runner_that_lost_a_helper_has_a_successor(world, peer, which):
    """With mail that waits, and nobody who sends any."""
    deferring(world, peer, "alice")
    before = world.wait_until(
        lambda: len(helpers_of(world)) == 2 and set(world.processes()))
    os.kill(helpers_of(world)[which], signal.SIGKILL)
    world.wait_until(lambda: len(world.processes()) == 3 and
                     not before & set(world.processes()))
    world.send("bob")
    world.wait_mail("bob")


@pytest.mark.parametrize("which", (0, 1))
def test_mail_of_a_runner_that_lost_a_helper(world, peer, which):
    """It goes out now, not at the next try."""
    deferring(world, peer, "alice")
    world.wait_until(lambda: len(helpers_of(world)) == 2)
    helper = helpers_of(world)[which]
    os.kill(helper, signal.SIGSTOP)
    world.send("bob")
    time.sleep(0.2)
    flush = world.start([SENDMAIL, "-q"])
    time.sleep(0.2)
    os.kill(helper, signal.SIGKILL)
    world.wait_mail("bob")
    assert flush.wait(15) == 0
    assert not world.log_lines("to=<bob>", "deferred")
