"""queue_files.py - messages in the queue, many and of any kind, as dma writes
them (docs/spool.md)."""
import os
import pwd

QUEUE = "/var/spool/dma/queue"
BODY = b"Subject: x\n\nbody\n"


def checksum(data):
    """That of lib/checksum.c."""
    mask = (1 << 64) - 1

    def step(state, word):
        state = (state ^ word) * 0x9e3779b97f4a7c15 & mask
        return state ^ state >> 32

    state = 0x6a09e667f3bcc908
    end = len(data) // 8 * 8
    for i in range(0, end, 8):
        state = step(state, int.from_bytes(data[i:i + 8], "little"))
    state = step(state, int.from_bytes(data[end:], "little"))
    return step(state, len(data)) or 1


def sign(record):
    """A record of version 2, without its line end."""
    return record + b"\t%08x" % (checksum(record) & 0xffffffff)


def name_of(i):
    """A queue id; they sort by number."""
    return "%021x" % i


def content(arrived, uid, records, sender="alice@host.test", body=BODY):
    """A queue file: records are the lines of its journal."""
    head = ("dma-queue 1\narrived %d\nsubmitter %d\noffset 1024\nlength %d\n"
            "lines %d\nflags 0\nhops 0\nsender <%s>\n" % (
                arrived, uid, len(body), body.count(b"\n"), sender)).encode()
    return head.ljust(1023) + b"\n" + body + b"".join(
        r if isinstance(r, bytes) else r.encode() for r in records)


def recipient(address, i=0):
    return "R\t%d\t%d\t0\t0\t0\t0\t0\t%016x\t%s\t\n" % (i, i, 0, address)


def deferred(due, attempts=3, code="4.4.1", reason="connection timed out",
             i=0):
    return "D\t%d\t%d\t%d\t%s\t%s\t0\t\t\n" % (i, attempts, due, code, reason)


def put(i, data):
    """Adds one under name_of(i), which is given back."""
    user = pwd.getpwnam("_dma")
    path = os.path.join(QUEUE, name_of(i))
    with open(path, "wb") as f:
        os.fchmod(f.fileno(), 0o600)
        os.fchown(f.fileno(), user.pw_uid, user.pw_gid)
        f.write(data)
    return name_of(i)
