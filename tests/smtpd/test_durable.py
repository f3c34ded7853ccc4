"""What is on the disk when 250 is written."""
import os
import re
import signal
import subprocess

import pytest


@pytest.fixture
def traced(smtpd):
    """strace -f of the whole server: its calls, as lines."""
    def make(**keys):
        s = smtpd(wrap=("strace", "-f", "-y", "-s", "24", "-o",
                        "/tmp/trace.%d" % os.getpid(), "-e",
                        "trace=fsync,fdatasync,syncfs,sync_file_range,link,"
                        "linkat,rename,renameat,renameat2,mkdir,mkdirat,"
                        "write,writev,sendto,sendmsg,openat,unlink,unlinkat,"
                        "fork,clone,execve"),
                  start=False, MIN_SPARE="1", MAX_SPARE="1",
                  MAX_CHILDREN="1", **keys)
        if s.is_sanitized:
            pytest.skip("strace and sanitizers do not go together")
        s.start(wait=False)
        s.wait_until(lambda: s.is_listening(), "readiness", 60)
        return s
    yield make


def calls(s, action):
    """The calls while action() is run."""
    path = "/tmp/trace.%d" % os.getpid()
    with open(path) as f:
        f.read()
        action()
        s.wait_until(lambda: "221 " in open(path).read(), "QUIT in the trace")
        return f.read().splitlines()


def where(lines, pattern, what):
    """The number of the line that has the end of such a call."""
    found = [i for i, line in enumerate(lines) if re.search(pattern, line)]
    assert found, "no %s in:\n%s" % (what, "\n".join(lines))
    return found


def one_message(s, *to):
    with s.hello() as c:
        c.message(*to)
        c.quit()


@pytest.mark.parametrize("durable", ["full", "file", "none"])
def test_the_order_of_calls(traced, durable):
    """full: the file, its link, then the directories, then 250."""
    s = traced(DURABLE=durable)
    one_message(s)
    s.tree.empty()
    lines = calls(s, lambda: one_message(s, "bob@new.test"))
    written = where(lines, r'"250 2\.0\.0 ', "250")[-1]
    linked = where(lines, r'(link|rename)\w*\(.*\.msg"', "link")
    assert len(linked) == 1 and linked[0] < written
    assert not re.search("AT_SYMLINK_FOLLOW.*= -1", lines[linked[0]])
    root = re.escape(s.root)
    # Either each is synced, or the file system as a whole is.
    whole = [i for i, x in enumerate(lines)
             if re.search(r"syncfs\(", x)]
    before = "\n".join(lines[:written])
    if durable == "none":
        assert not re.search("(fsync|fdatasync|syncfs)", before)
        return
    file_synced = [i for i, x in enumerate(lines) if re.search(
        r"(fsync|fdatasync)\(\d+<%s/\S+(\.msg|#\d+|\.tmp|\(deleted\))" % root,
        x)] or whole
    assert file_synced and file_synced[0] < linked[0] or (
        whole and linked[0] < whole[-1] < written), before
    folders = {name: [i for i, x in enumerate(lines) if re.search(
        r"(fsync|fdatasync)\(\d+<%s%s>" % (root, name), x)]
        for name in ("", r"/\d{12}", r"/\d{12}/new\.test")}
    if durable == "file":
        return
    for name, at in folders.items():
        assert any(linked[0] < i < written for i in at) or (
            any(linked[0] < i < written for i in whole)), (name, before)


def test_several_domains_share_one_file(traced):
    s = traced(DURABLE="full")
    lines = calls(s, lambda: one_message(
        s, "a@one.test", "b@two.test", "c@three.test"))
    written = where(lines, r'"250 2\.0\.0 ', "250")[-1]
    linked = where(lines, r'link\w*\(.*\.msg"', "link")
    assert len([i for i in linked if i < written]) == 3


def test_commits_that_come_together_share_syncs(traced):
    """20 messages that are ready at once cost far fewer than 20 syncs of
    each directory."""
    s = traced(DURABLE="full")
    clients = [s.hello() for _ in range(20)]
    for c in clients:
        c.envelope()
        c.expect("DATA", "354 ")
        c.send("Subject: x\r\n\r\nx\r\n")
    child, = s.children()
    os.kill(child, signal.SIGSTOP)
    try:
        for c in clients:
            c.send(".\r\n")
    finally:
        os.kill(child, signal.SIGCONT)
    for c in clients:
        assert c.reply().code == 250
    for c in clients:
        c.quit()
    with open("/tmp/trace.%d" % os.getpid()) as f:
        text = f.read()
    folders = re.findall(r"f\w*sync\(\d+<%s/\d{12}/to\.test>" % re.escape(
        s.root), text)
    assert len(folders) <= 10, len(folders)
    assert len(s.tree.paths()) == 20


def test_a_mount_of_its_own(smtpd):
    """Where the tree is a file system, it may be synced as one."""
    s = smtpd(start=False, DURABLE="full")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=750,uid=%d,gid=%d" % (
        os.stat(s.root).st_uid, os.stat(s.root).st_gid), "none", s.root],
        check=True)
    try:
        s.start()
        with s.hello() as c:
            for _ in range(20):
                c.message("a@one.test", "b@two.test")
            c.quit()
        assert len(s.tree.files()) == 20
        s.stop()
    finally:
        subprocess.run(["umount", "-l", s.root], check=True)
