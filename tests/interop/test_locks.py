"""One mailbox, and all that deliver to it and read it at the same time: each
message ends in one place, whole, and no lock is left."""
import os
import pty
import select
import signal
import subprocess
import threading
import time

import pytest

from world import MAIL, messages

BOX = MAIL + "/bob"
OURS, THEIRS, LINES = 20, 3, 40
# As Debian sets it up; the group may make locks in the mail directory.
DOVECOT = """log_path = /tmp/lda.log
mail_location = mbox:~/mail:INBOX=/var/mail/%u
mbox_write_locks = fcntl dotlock
mbox_read_locks = fcntl
postmaster_address = postmaster@host.test
mail_home = /home/%u
"""
MUTT = """set mbox_type=mbox delete=yes quit=yes confirmappend=no confirmcreate=no
set sleep_time=0 move=no timeout=1 mail_check=1 header_cache=
set folder=/home/bob record= postponed=
"""


def message(n):
    body = "".join("%d line %d\n" % (n, i) for i in range(LINES))
    return ("From: alice@host.test\nTo: bob\nSubject: n%d\n\n%send of %d\n" % (
        n, body, n)).encode()


def body(n):
    return message(n).partition(b"\n\n")[2].rstrip(b"\n")


def as_bob(world):
    """With the group that a mail program gets at the locks by."""
    who = world.identity("bob")
    who["extra_groups"] = who["extra_groups"] + [os.stat(MAIL).st_gid]
    who["umask"] = 0o007
    return who


def until_done(argv, data, more, tries=40):
    """A delivery that is repeated while it says "later"."""
    for _ in range(tries):
        done = subprocess.run(argv, input=data, timeout=240,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              **more)
        if done.returncode == 0:
            return
        assert done.returncode == 75, (argv, done)
        time.sleep(0.1)
    raise AssertionError("%s is never done" % argv)


class Peers:
    def __init__(self, world):
        self.world = world
        self.bob = as_bob(world)
        self.errors = []
        self.is_over = False
        self.cut_short = []     # what a reader was saving when it was ended
        self.rounds = {}
        # Whoever does not get the lock in its time asks again soon.
        world.write_conf({"RETRY": "2s 5s 1h"})
        world._fresh("/etc/dovecot/lda.conf", DOVECOT, 0o644)
        world.write_home("bob", ".muttrc", MUTT)

    def thread(self, what, *args):
        def run():
            try:
                what(*args)
            except Exception as e:      # told by the test itself
                self.errors.append("%s: %s" % (what.__name__, e))
        t = threading.Thread(target=run, daemon=True)
        t.start()
        return t

    # -- who delivers ----------------------------------------------------------

    def ours(self, numbers):
        for n in numbers:
            self.world.send("-i", "bob", input=message(n))
            if n == numbers[len(numbers) // 2]:
                self.await_reader()

    def await_reader(self):
        """Until it has taken something out, however slow it was before."""
        most, end = 0, time.monotonic() + 20
        while time.monotonic() < end:
            size = os.path.getsize(BOX) if os.path.exists(BOX) else 0
            if size < most:
                return
            most = max(most, size)
            time.sleep(0.02)

    def procmail(self, numbers):
        for n in numbers:
            until_done(["procmail", "-t", "-f", "alice", "-d", "bob"],
                       message(n), {"env": {"PATH": "/usr/bin:/bin"}})

    def dovecot(self, numbers):
        for n in numbers:
            until_done(["/usr/lib/dovecot/dovecot-lda", "-c",
                        "/etc/dovecot/lda.conf", "-f", "alice"],
                       message(n), self.bob)

    # -- who takes mail away -----------------------------------------------------

    def count(self, who):
        self.rounds[who] = self.rounds.get(who, 0) + 1
        return "/home/bob/taken-%s-%d" % (who, self.rounds[who])

    def movemail(self):
        while not self.is_over:
            to = self.count("movemail")
            done = subprocess.run(
                ["movemail", "--ignore-errors", BOX, to], timeout=90,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.bob)
            assert done.returncode in (0, 1), done
            time.sleep(0.05)

    def mailx(self):
        while not self.is_over:
            to = self.count("mailx")
            more = dict(self.bob, env=dict(self.bob["env"], MAIL=BOX))
            subprocess.run(["bsd-mailx", "-n"], timeout=90, **more,
                           input=b"s 1-3 %s\nq\n" % to.encode(),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            time.sleep(0.05)

    def mutt(self):
        while not self.is_over:
            to = self.count("mutt")
            keys = ("<tag-pattern>~A<enter><tag-prefix><save-message>%s"
                    "<enter><sync-mailbox><exit>" % to)
            if not self.on_terminal(["mutt", "-n", "-F", "/home/bob/.muttrc",
                                     "-f", BOX, "-e", "push " + keys]):
                self.cut_short.append(os.path.basename(to))
                self.remove_left_lock()
            time.sleep(0.05)

    def remove_left_lock(self):
        """mutt leaves its lock when its terminal is closed.  Nobody else keeps
        one that long; an administrator would remove it, too."""
        def lock():
            try:
                st = os.stat(BOX + ".lock")
            except OSError:
                return None
            return st.st_ino, st.st_mtime_ns
        first, end = lock(), time.monotonic() + 20
        while lock() == first is not None:
            if time.monotonic() > end:
                os.unlink(BOX + ".lock")
                return
            time.sleep(0.1)

    def on_terminal(self, argv):
        ours, theirs = pty.openpty()
        more = dict(self.bob, env=dict(self.bob["env"], TERM="vt100"))
        p = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs,
                             start_new_session=True, **more)
        os.close(theirs)
        end = time.monotonic() + 6
        while p.poll() is None and time.monotonic() < end:
            if select.select([ours], [], [], 0.05)[0]:
                try:
                    os.read(ours, 65536)
                except OSError:
                    break
        is_done = time.monotonic() < end
        if not is_done:
            os.killpg(p.pid, signal.SIGHUP)     # the terminal is closed
        p.wait(20)
        os.close(ours)
        return is_done


def numbers_in(path, is_cut=False):
    """The messages, each whole; with is_cut, but for the last one."""
    with open(path, "rb") as f:
        data = f.read()
    # Some leave the empty line behind the last one out.
    data = data.rstrip(b"\n") + b"\n\n" if data.strip() else b""
    found, all_of_it = [], messages(data)
    for x in all_of_it:
        if is_cut and x is all_of_it[-1] and b"\nend of " not in x.body:
            break
        n = int(x["Subject"][1:])
        assert x.body.rstrip(b"\n") == body(n), "%s: message %d" % (path, n)
        found.append(n)
    return found


# movemail and mailx do not get along with Dovecot, and mailx not with procmail,
# without us either: mailx reads while others write, and tears a message apart.
@pytest.mark.parametrize("reader,others", (
    ("movemail", ("procmail",)), ("mailx", ()),
    ("mutt", ("procmail", "dovecot"))), ids=("movemail", "mailx", "mutt"))
def test_all_at_once(world, reader, others):
    peers = Peers(world)
    numbers = list(range(OURS + len(others) * THEIRS))
    reading = peers.thread(getattr(peers, reader))
    writing = [peers.thread(peers.ours, numbers[:OURS])] + [
        peers.thread(getattr(peers, who),
                     numbers[OURS + i * THEIRS:][:THEIRS])
        for i, who in enumerate(others)]
    try:
        for t in writing:
            t.join()
        world.wait_until(lambda: not world.queue(), 150, "empty queue")
    finally:
        peers.is_over = True
        reading.join(120)
    assert peers.errors == []
    files = [("box", BOX)] + [(x, "/home/bob/" + x) for x in
                              os.listdir("/home/bob") if x.startswith("taken-")]
    places = {name: numbers_in(path, name in peers.cut_short)
              for name, path in files if os.path.exists(path)}
    # Saved, and not yet taken out of the mailbox: that is the reader's.  mutt
    # also ends like that when it does not get the lock in its time; then
    # nothing that it has saved is taken out, and another round finds it.
    for name in places:
        elsewhere = {n for x in places if x != name for n in places[x]}
        if name in peers.cut_short or (name.startswith("taken-mutt") and
                                       set(places[name]) <= elsewhere):
            places[name] = [n for n in places[name] if n not in elsewhere]
    taken = sum(len(x) for name, x in places.items() if name != "box")
    print("%s took %d of %d in %d rounds" % (
        reader, taken, len(numbers), peers.rounds[reader]))
    found = sorted(n for x in places.values() for n in x)
    assert set(found) == set(numbers), "lost"
    sent = [line.split()[2] for line in world.log_lines("status=sent")]
    assert len(sent) == len(set(sent)) == OURS
    # The others may have said "later" of one that was in; we may not.
    assert [n for n in found if n < OURS] == numbers[:OURS], places
    assert taken > 0
    # A mutt whose terminal is closed leaves what it makes its lock of.
    assert [x for x in os.listdir(MAIL) if x != "bob" and not (
        peers.cut_short and x.startswith("bob.host."))] == []
