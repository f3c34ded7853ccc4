"""queue_client.py - speaks to the runner as "dma queue" does, as any user.

What is sent and what comes back: IPC_QUEUE_REQUEST in priv/records.h.
"""
import array
import os
import pwd
import select
import socket
import struct
import subprocess
import time

from world import BINARY, SPOOL

RETRY, HOLD, RELEASE, DELETE, BOUNCE, STATUS = range(6)
FLUSH, FLUSH_REQUEST, QUEUE_REQUEST = 65, 66, 67
FLUSH_WATCH = 1
NEWLINE = b"\n"


def record(kind, fields=b""):
    return struct.pack("=II", kind, 0) + fields


def u32(n):
    return struct.pack("=I", n)


def string(data):
    return u32(len(data)) + data


def channel(user):
    """Two ends that say, by the kernel, that this user made them."""
    if user is None:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    who = pwd.getpwnam(user)
    groups = os.getgroups()
    os.setgroups(os.getgrouplist(user, who.pw_gid))
    os.setegid(who.pw_gid)
    os.seteuid(who.pw_uid)
    try:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def put(sock, data, *fds):
    sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                           array.array("i", fds))] if fds else [])


def poke(end):
    """Points the runner, which is started if need be, to a channel."""
    for i in range(300):
        try:
            poke_once(end)
            return
        except (FileNotFoundError, ConnectionRefusedError):
            if i % 100 == 0:
                subprocess.run("%s --runner=flush </dev/null >/dev/null 2>&1 &"
                               % BINARY, shell=True, start_new_session=True)
            time.sleep(0.01)
    raise AssertionError("no runner")


def poke_once(end):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wake:
        wake.connect(SPOOL + "/wake")
        put(wake, record(FLUSH), end.fileno())


class Command:
    """A command that was sent; what comes of it."""

    def __init__(self, command, *ids, user=None, flags=0, fields=None,
                 pipe_bytes=None):
        if fields is None:
            fields = u32(command) + u32(flags) + string(
                b"".join(i.encode() + NEWLINE for i in ids))
        self.data = b""
        self.fd, theirs = os.pipe()
        if pipe_bytes:
            import fcntl
            fcntl.fcntl(self.fd, 1031, pipe_bytes)      # F_SETPIPE_SZ
        ours, end = channel(user)
        try:
            put(ours, record(QUEUE_REQUEST, fields), theirs)
            poke(end)
        finally:
            for sock in (ours, end):
                sock.close()
            os.close(theirs)

    def read(self, limit=15):
        """All of the reply that came so far; 1 when that is not the end."""
        if not select.select([self.fd], [], [], limit)[0]:
            return 1
        more = os.read(self.fd, 65536)
        self.data += more
        return len(more)

    def wait(self, limit=30):
        """(lines, last byte, reason): -1 when the runner died."""
        end = time.monotonic() + limit
        while self.read():
            assert time.monotonic() < end, self.data
        os.close(self.fd)
        for i, c in enumerate(self.data):
            if c < 2:
                return (self.data[:i].decode().splitlines(), c,
                        self.data[i + 1:].decode())
        return self.data.decode().splitlines(), -1, ""

    def lines(self, limit=30):
        """The same of a command that was obeyed."""
        lines, end, reason = self.wait(limit)
        assert end == 0, (lines, end, reason)
        return lines

    def close(self):
        os.close(self.fd)


def verdicts(command, *ids, **more):
    """(verdict, text) of each id, in their order."""
    lines = dict(line.split(" ", 1)
                 for line in Command(command, *ids, **more).lines())
    assert sorted(lines) == sorted(ids)
    return [tuple((lines[i] + " ").split(" ", 1)) for i in ids]


def verdict(command, ident, **more):
    (word, text), = verdicts(command, ident, **more)
    return word, text.strip()
