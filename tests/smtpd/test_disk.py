"""A disk that is full, read-only, or slow."""
import os
import signal
import subprocess
import threading
import time

import pytest

from disks import mounted


@pytest.mark.parametrize("kind, options", [
    ("tmpfs", ("size=1m",)), ("tmpfs", ("size=64m", "nr_inodes=12")),
    ("ext4", ())])
@pytest.mark.parametrize("durable", ["full", "none"])
def test_a_full_disk(smtpd, kind, options, durable):
    """452 4.3.1 and nothing is left of it; with room again all is well."""
    s = smtpd(start=False, DURABLE=durable, MAX_SIZE="50M")
    with mounted(s, kind, *options):
        s.start()
        taken = 0
        with s.hello() as c:
            for i in range(400):
                c.envelope("u@d%d.test" % (i % 3), sender="s%d@x" % i)
                reply = c.data("x" * 70 + "\r\n" + "y" * 70000 + "\r\n")
                if reply.code != 250:
                    break
                taken += 1
            assert reply.startswith("452 4.3.1 "), reply
            # The session goes on, and small or large makes no difference
            # to it.
            c.envelope()
            assert c.data("z" * 3000000 + "\r\n").startswith("452 4.3.1 ")
            assert len(s.tree.messages()) == taken
            assert s.tree.litter() == []
            s.tree.empty()
            c.message()
            c.quit()
        s.only()


def test_a_read_only_tree(smtpd):
    s = smtpd(start=False)
    with mounted(s, "tmpfs", "size=4m"):
        s.start()
        s.send()
        subprocess.run(["mount", "-o", "remount,ro", "none", s.root],
                       check=True)
        with s.hello() as c:
            c.envelope()
            assert c.data("x\r\n").startswith("452 4.3.1 ")
            subprocess.run(["mount", "-o", "remount,rw", "none", s.root],
                           check=True)
            c.message()
            c.quit()
        assert len(s.tree.paths()) == 2


def test_a_root_that_is_read_only_at_the_start(smtpd):
    s = smtpd(start=False)
    with mounted(s, "tmpfs", "size=4m"):
        subprocess.run(["mount", "-o", "remount,ro", "none", s.root],
                       check=True)
        s.start()
        assert s.lines("ROOT %s: read-only: " % s.root,
                       "ReadWritePaths=" + s.root)
        subprocess.run(["mount", "-o", "remount,rw", "none", s.root],
                       check=True)
        s.send("bob@to.test")
        assert len(s.tree.messages()) == 1


def test_a_root_that_is_gone(smtpd):
    s = smtpd()
    s.send()
    os.rename(s.root, s.root + ".away")
    with s.hello() as c:
        c.envelope()
        reply = c.data("x\r\n")
        # It may hold the directory open; then the message is there.
        assert reply.code in (250, 451, 452), reply
        if reply.code == 250:
            os.rename(s.root + ".away", s.root)
            assert len(s.tree.paths()) == 2
        else:
            assert not os.path.exists(s.root)
            os.rename(s.root + ".away", s.root)
            c.message()
        c.quit()


def test_a_file_where_a_directory_should_be(smtpd):
    """Nothing outside is written, whatever stands there."""
    s = smtpd()
    outside = s.folder + "/outside"
    os.mkdir(outside)
    os.chmod(outside, 0o777)
    for minute in (time.strftime("%Y%m%d%H%M", time.gmtime(time.time() + t))
                   for t in (0, 60)):
        os.symlink(outside, "%s/%s" % (s.root, minute))
    with s.hello() as c:
        c.envelope()
        assert c.data("x\r\n").code in (451, 452)
        c.quit()
    assert os.listdir(outside) == []
    for name in os.listdir(s.root):
        os.unlink(s.root + "/" + name)


def test_a_slow_disk_holds_up_only_its_messages(smtpd, preload):
    """One child, and syncs of 150 ms: other sessions get their replies
    meanwhile."""
    s = smtpd(start=False, MIN_SPARE="1", MAX_SPARE="1", MAX_CHILDREN="1",
              DURABLE="full")
    if s.is_sanitized:
        pytest.skip("sanitizers are loaded first")
    flag = s.folder + "/run/slow"
    s._more.update(preload("slow_disk", SLOW_DISK_MS="150",
                           SLOW_DISK_IF=flag))
    s.start()
    s.send()
    with open(flag, "w"):
        pass
    waiting = [s.hello() for _ in range(8)]
    other = s.hello()
    for c in waiting:
        c.envelope()
        c.expect("DATA", "354 ")
    for c in waiting:
        c.send("x\r\n.\r\n")
    # None has its reply yet, while a hundred other commands are answered.
    waiting[0].sock.settimeout(0.05)
    for _ in range(100):
        other.expect("NOOP", "250 ")
    assert waiting[0].is_silent(0.01)
    for c in waiting:
        assert c.reply().code == 250
        c.close()
    os.unlink(flag)
    other.quit()
    assert len(s.tree.files()) == 9


def test_sigterm_while_the_disk_is_slow(smtpd, preload):
    s = smtpd(start=False, MIN_SPARE="1", MAX_SPARE="1", MAX_CHILDREN="1")
    if s.is_sanitized:
        pytest.skip("sanitizers are loaded first")
    flag = s.folder + "/run/slow"
    s._more.update(preload("slow_disk", SLOW_DISK_MS="300",
                           SLOW_DISK_IF=flag))
    s.start()
    with open(flag, "w"):
        pass
    with s.hello() as c:
        c.envelope()
        c.expect("DATA", "354 ")
        c.send("x\r\n.\r\n")
        time.sleep(0.05)
        s.signal(signal.SIGTERM)
        assert c.reply().code == 250
        assert c.reply().startswith("421 4.3.2 ")
    s.wait_end()
    s.only()


@pytest.mark.seconds(6)
def test_minutes_that_change_under_load(smtpd, preload):
    """A clock that runs 120 times as fast: each message is in the minute in
    which it was committed, and each minute has its directory."""
    s = smtpd(start=False, DURABLE="none", MIN_SPARE="2")
    if s.is_sanitized:
        pytest.skip("sanitizers are loaded first")
    s._more.update(preload("hasty_clock", HASTE="120"))
    s.start()
    sent = []

    def send(n):
        with s.hello() as c:
            i = 0
            end = time.monotonic() + 2.2
            while time.monotonic() < end:
                name = "%d-%d@from.test" % (n, i)
                c.message("u@d%d.test" % (i % 4), sender=name)
                sent.append(name)
                i += 1
            c.quit()
    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    minutes = {p.split("/")[0] for p in s.tree.paths()}
    assert len(minutes) >= 4, minutes
    got = [m.sender[1:-1] for m in s.tree.messages()]
    assert sorted(got) == sorted(sent)
