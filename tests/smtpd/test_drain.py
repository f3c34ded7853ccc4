"""From the tree into dma's queue, and on to mailboxes."""
import os
import pwd
import re
import signal
import subprocess
import time

import pytest

import intake

SENDMAIL = "/usr/sbin/sendmail"
DAY = 1440

RECORDER = """#!/usr/bin/python3
import os, sys, time
text = sys.stdin.buffer.read()
name = "/home/recorded/%d" % os.getpid()
with open(name + ".tmp", "wb") as f:
    f.write(repr((sys.argv[1:], text)).encode())
status = 0
if os.path.exists("/home/recorded/status"):
    status = int(open("/home/recorded/status").read())
os.rename(name + ".tmp", name + (".taken" if status == 0 else ".refused"))
sys.exit(status)
"""


class Drained:
    """A tree of the user's, and what sendmail was called with."""
    def __init__(self, root):
        self.root = root
        self.tree = intake.Tree(root)
        self.count = 0

    def add(self, minute, *recipients, sender="<ann@from.test>",
            text="Subject: x\r\n\r\nhello\r\n", raw=None):
        """One message as the module minute stores it; minute: how many ago."""
        self.count += 1
        lines = "".join("Forward-Path: %s\r\n" % (
            r if r.startswith("<") else "<%s>" % r) for r in recipients)
        lines += ("Return-Path: %s\r\nReceived: from c.test ([192.0.2.1])\r\n"
                  "\tby host.test with ESMTP id %d;\r\n"
                  "\tMon, 2 Nov 2026 10:00:00 +0000\r\n" % (sender,
                                                           self.count))
        name = time.strftime("%Y%m%d%H%M", time.gmtime(
            time.time() - 60 * minute))
        owner = pwd.getpwnam(intake.USER)
        first = None
        domains = {re.sub(".*@|>.*", "", r).lower() for r in recipients}
        for domain in sorted(domains):
            folder = "%s/%s/%s" % (self.root, name, domain)
            os.makedirs(folder, exist_ok=True)
            path = "%s/1234-%016d.msg" % (folder, self.count)
            if first:
                os.link(first, path)
                continue
            first = path
            with open(path, "wb") as f:
                f.write(raw if raw is not None else (lines + text).encode())
            os.chmod(path, 0o640)
            os.chown(path, owner.pw_uid, owner.pw_gid)
        for folder, _, _ in os.walk(self.root):
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        return first

    def argv(self, *args):
        return [intake.DRAIN, *args, self.root]

    def run(self, *args, status=0):
        done = subprocess.run(self.argv(*args), capture_output=True,
                              timeout=300, stdin=subprocess.DEVNULL)
        assert done.returncode == status or (
            status is None and done.returncode), (done.returncode,
                                                  done.stderr)
        return done.stderr.decode()

    def calls(self, kind="taken"):
        found = []
        for name in sorted(os.listdir("/home/recorded")):
            if name.endswith("." + kind):
                with open("/home/recorded/" + name) as f:
                    found.append(eval(f.read()))
        return found


@pytest.fixture
def drained():
    folder = intake.new_folder()
    root = folder + "/root"
    os.mkdir(root, 0o750)
    os.chown(root, pwd.getpwnam(intake.USER).pw_uid,
             pwd.getpwnam(intake.USER).pw_gid)
    yield Drained(root)
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.fixture
def recorded(drained):
    """In place of sendmail, a program that keeps its calls."""
    subprocess.run(["rm", "-rf", "/home/recorded"], check=True)
    os.mkdir("/home/recorded")
    os.chmod("/home/recorded", 0o1777)
    os.rename(SENDMAIL, SENDMAIL + ".away")
    with open(SENDMAIL, "w") as f:
        f.write(RECORDER)
    os.chmod(SENDMAIL, 0o755)
    yield drained
    os.rename(SENDMAIL + ".away", SENDMAIL)


def below(path):
    """A message's path below the root, which reports have at least."""
    return "/".join(path.split("/")[-3:])


def test_the_call_and_the_text(recorded):
    recorded.add(5, "bob@to.test", text="Subject: x\r\n\r\n.dot\r\n")
    recorded.run()
    (args, text), = recorded.calls()
    assert args == ["-oi", "-f", "ann@from.test", "--", "bob@to.test"]
    text = text.replace(b"\r\n", b"\n")
    assert text.startswith(b"Received: from c.test ([192.0.2.1])\n")
    assert text.endswith(b"+0000\nSubject: x\n\n.dot\n")
    assert b"Forward-Path" not in text and b"Return-Path" not in text
    assert os.listdir(recorded.root) == []


def test_options(drained):
    """Another sendmail, and more at once; also after the directory."""
    program = drained.root + "-sendmail"
    with open(program, "w") as f:
        f.write("#!/bin/sh\ncat >>%s-text\n" % drained.root)
    os.chmod(program, 0o755)
    drained.add(5, "bob@to.test")
    path = drained.root + "-text"
    with open(path, "w"):
        os.chmod(path, 0o666)
    drained.run("-j", "256", "-s", program)
    with open(path, "rb") as f:
        assert f.read().endswith(b"\nhello\n")
    drained.add(5, "amy@to.test")
    subprocess.run([intake.DRAIN, drained.root, "-s", program, "-j", "1"],
                   stdin=subprocess.DEVNULL, check=True)
    assert os.listdir(drained.root) == []


@pytest.mark.parametrize("args", (
    [], [""], ["/a", "/b"], ["-x", "/a"], ["/a", "-s"], ["/a", "-j"],
    *(["-j", n, "/a"] for n in ("0", "257", "", "x", "1x", "-1", "9" * 30)),
), ids=str)
def test_calls_that_are_refused(args):
    done = subprocess.run([intake.DRAIN, *args], capture_output=True,
                          timeout=60)
    assert done.returncode == 64 and b"usage: " in done.stderr
    assert (b": -j must be a number from 1 to 256\n" in done.stderr) == (
        args[0:1] == ["-j"])


def test_a_text_that_begins_as_the_lines_before_it(recorded):
    """The envelope ends at the first Received; what a client wrote is text."""
    forged = ("Forward-Path: <evil@to.test>\r\nReturn-Path: <evil@x.test>\r\n"
              "Received: from x\r\n\r\n.\r\nQUIT\r\n")
    recorded.add(5, "bob@to.test", text=forged)
    recorded.run()
    (args, text), = recorded.calls()
    assert args == ["-oi", "-f", "ann@from.test", "--", "bob@to.test"]
    assert text.endswith(b"+0000\n" + forged.replace("\r", "").encode())


@pytest.mark.parametrize("sender, recipient", [
    ("<>", "bob@to.test"), ("<-f@from.test>", "-bs@to.test"),
    ('<"a b"@from.test>', '"c d"@to.test'), ("<a@b> RET=HDRS", "c@d"),
    ("<--@x>", "--@y")])
def test_addresses_are_no_options(recorded, sender, recipient):
    recorded.add(5, recipient, sender=sender)
    recorded.run()
    (args, _), = recorded.calls()
    bare = re.match("<(.*)>", sender).group(1)
    assert args[:2] == ["-oi", "-f"] and args[-2:] == ["--", recipient]
    assert args[2] == bare or (bare == "" and args[2] == "<>")
    # What DSN asked for, where dma has an option.
    assert args[3:-2] == (["-R", "hdrs"] if "RET" in sender else [])


def test_only_closed_minutes(recorded):
    """Closed: the second minute after it has begun."""
    for minute in (0, 1, 3):
        recorded.add(minute, "u%d@to.test" % minute)
    recorded.run()
    taken = {args[-1] for args, _ in recorded.calls()}
    # The clock may have turned in the meantime.
    assert taken >= {"u3@to.test"} and "u0@to.test" not in taken
    assert len(recorded.tree.paths()) == 3 - len(taken)


def test_empty_minutes_are_removed(recorded):
    """Those that are closed, with or without directories of domains."""
    now = time.strftime("%Y%m%d%H%M", time.gmtime(time.time() + 60))
    recorded.add(5, "bob@to.test")
    for name in ("202001010000/to.test", "202001010001", now + "/to.test"):
        os.makedirs("%s/%s" % (recorded.root, name))
    for folder, _, _ in os.walk(recorded.root):
        os.chown(folder, pwd.getpwnam(intake.USER).pw_uid, -1)
    recorded.run()
    assert os.listdir(recorded.root) == [now]
    assert len(recorded.calls()) == 1


def test_each_directory_is_for_its_domain(recorded):
    recorded.add(5, "a@one.test", "b@two.test", "c@one.test",
                 "d@TWO.test")
    recorded.run()
    assert sorted(args[4:] for args, _ in recorded.calls()) == [
        ["a@one.test", "c@one.test"], ["b@two.test", "d@TWO.test"]]
    assert os.listdir(recorded.root) == []


def test_what_is_refused_stays(recorded):
    with open("/home/recorded/status", "w") as f:
        f.write("75")
    path = recorded.add(5, "bob@to.test")
    recorded.add(5, "amy@other.test")
    said = recorded.run(status=None)
    assert below(path) in said and len(recorded.tree.paths()) == 2
    os.unlink("/home/recorded/status")
    recorded.run()
    assert len(recorded.calls()) == 2
    assert os.listdir(recorded.root) == []


MALFORMED = {
    "empty": b"", "no Forward-Path": b"Return-Path: <a@b>\r\nReceived: x\r\n",
    "no Return-Path": b"Forward-Path: <a@b>\r\nReceived: x\r\n\r\n",
    "no Received": b"Forward-Path: <a@b>\r\nReturn-Path: <c@d>\r\nSubject: x"
                   b"\r\n\r\nx\r\n",
    "cut": b"Forward-Path: <bob@to.te",
    "no brackets": b"Forward-Path: a@b\r\nReturn-Path: c@d\r\nReceived: x\r\n"
                   b"\r\n",
    "a mailbox": b"From ann Mon Nov  2 10:00:00 2026\r\nSubject: x\r\n\r\n",
    "NUL": b"\0" * 5000,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_files_are_named_and_kept(recorded, name):
    bad = recorded.add(5, "bob@to.test", raw=MALFORMED[name])
    recorded.add(5, "bob@to.test")
    said = recorded.run(status=None)
    assert below(bad) in said
    assert len(recorded.calls()) == 1
    assert recorded.tree.files() == [bad]


def test_other_files_are_not_touched(recorded):
    path = recorded.add(5, "bob@to.test")
    for name in (os.path.dirname(path) + "/.hidden",
                 os.path.dirname(path) + "/note.txt",
                 recorded.root + "/README"):
        with open(name, "w") as f:
            f.write("x")
    os.mkdir(recorded.root + "/lost+found", 0)
    recorded.run(status=None)
    assert len(recorded.calls()) == 1
    for name in (path + "/../.hidden", path + "/../note.txt",
                 recorded.root + "/README"):
        assert os.path.exists(os.path.normpath(name))


def test_links_in_the_tree_are_not_followed(recorded):
    path = recorded.add(5, "bob@to.test")
    outside = recorded.root + "/../outside"
    os.rename(path, outside)
    os.symlink(outside, path)
    recorded.run(status=None)
    assert recorded.calls() == [] and os.path.exists(outside)


@pytest.mark.seconds(8)
def test_two_at_once_and_killed_ones(recorded):
    """Every message is submitted; once, but for those that a killed one had
    just handed over."""
    for i in range(120):
        recorded.add(3 + i % 7, "u%d@d%d.test" % (i, i % 5))
    killed = 0
    while recorded.tree.paths() and killed < 3:
        one = subprocess.Popen(recorded.argv(), stderr=subprocess.DEVNULL)
        n = len(recorded.calls())
        end = time.monotonic() + 20
        while len(recorded.calls()) < n + 10 and one.poll() is None and \
                time.monotonic() < end:
            time.sleep(0.005)
        one.send_signal(signal.SIGKILL)
        one.wait()
        killed += 1
    both = [subprocess.Popen(recorded.argv(), stderr=subprocess.DEVNULL)
            for _ in range(2)]
    for one in both:
        one.wait(120)
    recorded.run()
    intake.wait_until(lambda: not [
        x for x in os.listdir("/home/recorded") if x.endswith(".tmp")],
        "the end of the recorders")
    taken = [args[-1] for args, _ in recorded.calls()]
    assert set(taken) == {"u%d@d%d.test" % (i, i % 5) for i in range(120)}
    assert len(taken) <= 120 + killed
    assert os.listdir(recorded.root) == []


def test_follow(recorded):
    one = subprocess.Popen(recorded.argv("--follow"),
                           stderr=subprocess.PIPE)
    try:
        recorded.add(5, "bob@to.test")
        # It looks again at least once a minute.
        intake.wait_until(recorded.calls, "the call", 75)
        one.send_signal(signal.SIGTERM)
        assert one.wait(30) == 0
    finally:
        one.kill()
        one.wait()


@pytest.fixture
def quick_spool(world):
    """dma's queue and the mailboxes in memory: for many messages."""
    for path in ("/var/spool/dma", "/var/mail"):
        st = os.stat(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=%o,uid=%d,gid=%d"
                        % (st.st_mode & 0o7777, st.st_uid, st.st_gid),
                        "none", path], check=True)
    yield
    world.stop()
    for path in ("/var/spool/dma", "/var/mail"):
        subprocess.run(["umount", "-l", path], check=True)


@pytest.mark.seconds(60)
def test_a_day_from_smtp_to_a_mailbox(smtpd, world, quick_spool):
    """1440 minutes of a message each, accepted by dma-smtpd and moved into
    the minutes of a day; then drained into dma, which delivers."""
    world.write_conf({"MAILNAME": "host.test", "DEFER": ""})
    s = smtpd(DURABLE="none")
    with s.hello() as c:
        for i in range(DAY):
            c.message("alice@host.test", sender="ann%d@from.test" % i,
                      text="Subject: %d\r\n\r\nminute %d\r\n" % (i, i))
        c.quit()
    s.stop()
    now = time.time()
    for i, path in enumerate(s.tree.files()):
        folder = "%s/%s/host.test" % (s.root, time.strftime(
            "%Y%m%d%H%M", time.gmtime(now - 60 * (i + 3))))
        os.makedirs(folder, exist_ok=True)
        os.rename(path, "%s/%s" % (folder, os.path.basename(path)))
    for folder, _, _ in os.walk(s.root):
        os.chown(folder, pwd.getpwnam(intake.USER).pw_uid, -1)
        if not os.listdir(folder):
            os.removedirs(folder)
    assert len(os.listdir(s.root)) == DAY
    done = subprocess.run([intake.DRAIN, s.root], capture_output=True,
                          timeout=300)
    assert (done.returncode, done.stderr) == (0, b"")
    assert os.listdir(s.root) == []
    world.flush(limit=120)
    got = world.wait_mail("alice", DAY, 120)
    assert sorted(int(m["Subject"]) for m in got) == list(range(DAY))
    first = next(m for m in got if m["Subject"] == "7")
    assert first["Return-Path"] == "<ann7@from.test>"
    assert "from client.test ([127.0.0.1])" in " ".join(
        first.get_all("Received"))
    assert "Forward-Path" not in first.header
    assert first.body == b"minute 7\n"
