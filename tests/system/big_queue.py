"""Queues of any length, written as the submission would have written them
(docs/spool.md), in a fraction of the time.

As a program, in a machine of its own (world.sh):
    big_queue.py NUMBER [ADDRESS [DEFERRED_UNTIL]]
"""
import os
import pwd
import sys
import time

QUEUE = "/var/spool/dma/queue"
TEXT = b"Subject: %s\nFrom: root@host.test\n\nhello\n"


def preamble(now, uid, length, lines):
    text = (b"dma-queue 1\narrived %d\nsubmitter %d\noffset 1024\nlength %d\n"
            b"lines %d\nflags 0\nhops 0\nsender <root@host.test>\n" % (
                now, uid, length, lines))
    return text + b" " * (1023 - len(text)) + b"\n"


def message(ident, address, arrived, due=None, uid=0,
            reason="connect: Connection refused"):
    """The bytes of a queue file; with due, it was deferred once."""
    text = TEXT % ident.encode()
    journal = "R\t0\t0\t0\t0\t0\t0\t0\t0000000000000000\t%s\t\n" % address
    if due is not None:
        journal += "D\t0\t1\t%d\t4.4.1\t%s\t0\t\t\n" % (due, reason)
    return preamble(arrived, uid, len(text), text.count(b"\n")) + text + \
        journal.encode()


def fill(n, address="u%d@far.test", due=None, age=0, uid=0, queue=QUEUE):
    """n messages to address, %d of which is the number; their ids."""
    os.makedirs(queue, mode=0o700, exist_ok=True)
    who = pwd.getpwnam("_dma")
    for path in (os.path.dirname(queue), queue):
        os.chown(path, who.pw_uid, who.pw_gid)
    arrived = int(time.time()) - age
    ids = ["%x%05x%08x" % (arrived, i // 100000, i) for i in range(n)]
    directory = os.open(queue, os.O_RDONLY)
    for i, ident in enumerate(ids):
        fd = os.open(ident, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600,
                     dir_fd=directory)
        os.write(fd, message(ident, address % i if "%d" in address else
                             address, arrived, due, uid))
        os.fchown(fd, who.pw_uid, who.pw_gid)
        os.close(fd)
    os.close(directory)
    return ids


if __name__ == "__main__":
    fill(int(sys.argv[1]), *sys.argv[2:3], *map(int, sys.argv[3:4]))
