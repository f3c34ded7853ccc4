"""compromised.py - the processes of _dma as an attacker has them.

The program of compromised.c hands its sockets over; everything that a process
of _dma could send to those with more rights is sent from here.  What it could
open is opened as _dma.
"""
import array
import contextlib
import os
import pwd
import select
import shutil
import socket
import stat
import struct

from world import MAIL, SPOOL_USER

BINARY = "/usr/local/compromised/dma"
SOCKET = "/tmp/compromised.sock"

# priv/records.h
FORWARD_REQUEST, FORWARD_LIST, FORWARD_REPLY, FORWARD_AGAIN = range(16, 20)
(DELIVER_REQUEST, DELIVER_CHECKPOINT, DELIVER_ACKNOWLEDGE, DELIVER_OUTPUT,
 DELIVER_RESULT, DELIVER_EXIT, DELIVER_NEXT,
 DELIVER_CANCEL) = range(32, 40)
NONE, TEXT, REFUSED, NOUSER, LATER = range(5)
SENT, DEFERRED, FAILED = 1, 2, 3
MAILBOX, FILE, PIPE = 1, 2, 3
CALLER, ALIASES, FORWARD = 0, 1, 2
MESSAGE = b"Subject: compromised\n\nhello\n"
NO_CHECKPOINT = (2 ** 64 - 1, 2 ** 64 - 1, 2 ** 64 - 1)

FROM_RUNNER = 2                 # compromised.c
PROTOCOL = 76                   # sysexits.h
WAIT_S = 15
# Where something could come to be that should not, and how deep.
WATCHED = {"/": 1, "/etc": 3, "/root": 1, "/home": 4, "/var/spool": 4,
           "/var/mail": 2, "/tmp": 2, "/run": 2, "/usr/local/bin": 1,
           "/usr/sbin": 1, "/dev/shm": 2}


def u32(n):
    return struct.pack("=I", n)


def u64(n):
    return struct.pack("=Q", n % 2 ** 64)


def text(s):
    s = s.encode() if isinstance(s, str) else s
    return u32(len(s)) + s


def digest(s):
    """text_digest() of lib/buf.c."""
    h = 0xcbf29ce484222325
    for c in s.encode():
        h = ((h ^ c) * 0x100000001b3) % 2 ** 64
    return h


def put(sock, kind, ident, fields=b"", fds=()):
    data = struct.pack("=II", kind, ident) + fields
    more = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
    sock.sendmsg([data], more if fds else [])


def get(sock, limit=WAIT_S):
    """(kind, id, fields, fds), or None at the end."""
    sock.settimeout(limit)
    try:
        data, fds, _, _ = socket.recv_fds(sock, 1 << 17, 4)
    except ConnectionResetError:
        return None
    if not data and not fds:
        return None
    kind, ident = struct.unpack_from("=II", data)
    return kind, ident, data[8:], fds


@contextlib.contextmanager
def as_spool_user():
    """Every file and socket is opened as _dma has it, by effective id."""
    who = pwd.getpwnam(SPOOL_USER)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(who.pw_gid)
    os.seteuid(who.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def channel():
    with as_spool_user():
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def install():
    """Beside the honest one, which stays the machine's."""
    os.makedirs(os.path.dirname(BINARY), exist_ok=True)
    shutil.copy(os.environ["DMA_COMPROMISED"] + "/compromised", BINARY)
    os.chown(BINARY, 0, 0)
    os.chmod(BINARY, 0o4755)


def texts(fields):
    """All that follow each other to the end."""
    found = []
    while fields:
        n, = struct.unpack_from("=I", fields)
        found.append(fields[4:4 + n].decode("latin-1"))
        fields = fields[4 + n:]
    return found


class Result:
    """What one delivery came to."""
    def __init__(self):
        self.checkpoint = None  # (dev, ino, length)
        self.output = None      # of its command
        self.status = self.code = self.reason = None
        self.wait_status = None    # of its process; None: not reported


class Compromised:
    def __init__(self, world):
        self.world = world
        self.ident = 0
        self.ends = {}          # id -> status, told before it was asked for
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(SOCKET)
        os.chmod(SOCKET, 0o777)
        self.listener.listen(4)
        self.listener.settimeout(WAIT_S)
        self.holds = []         # compromised processes end when these close
        self.runner = self.forward = self.deliver = None

    # -- the compromised processes --------------------------------------------

    def take(self):
        """The next process that was taken over: its sockets."""
        conn, _ = self.listener.accept()
        self.holds.append(conn)
        kind, _, _, fds = get(conn)
        return kind, [socket.socket(fileno=fd) for fd in fds]

    def run(self):
        """A compromised runner, with both helpers."""
        self.program = self.world.start([BINARY, "--runner"])
        kind, (self.forward, self.deliver) = self.take()
        assert kind == FROM_RUNNER
        return self

    def free(self):
        for sock in [self.listener] + self.holds + [
                s for s in (self.forward, self.deliver) if s]:
            sock.close()
        self.program.wait(WAIT_S)

    # -- forward -------------------------------------------------------------

    def ask(self, name, origin=FORWARD):
        """(verdict, text) about a .forward, or the lists of an alias; None
        without an answer.  The lists' text is in self.lists."""
        self.lists = b""
        ours, theirs = channel()
        self.ident += 1
        with ours, theirs:
            put(self.forward, FORWARD_REQUEST, self.ident,
                u32(origin) + text(name), [theirs.fileno()])
            theirs.close()
            result = get(ours)
            while result is not None and result[0] == FORWARD_LIST:
                self.lists += result[2]
                result = get(ours)
        if result is None:
            return None
        assert result[0] == FORWARD_REPLY
        verdict, n = struct.unpack_from("=II", result[2])
        return verdict, result[2][8:8 + n]

    # -- deliver -------------------------------------------------------------

    def message_file(self, data=MESSAGE):
        """A message in the spool, as a descriptor of _dma."""
        path = "/tmp/compromised.message"
        if os.path.exists(path):
            os.unlink(path)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, 0o644)
        with as_spool_user():
            fd = os.open(path, os.O_RDONLY)
        os.unlink(path)
        return fd

    def fields(self, kind=MAILBOX, origin=CALLER, name="bob", entry=0,
               is_text=None, queue_id="0compromised", rcpt=0,
               sender="alice@host.test", recipient="bob@host.test",
               original="bob@host.test", arrived=1000000000, offset=0,
               length=len(MESSAGE), checkpoint=NO_CHECKPOINT, flags=0,
               is_more=False):
        """The fields of DELIVER_REQUEST; is_text: what the entry says.
        is_more: those of DELIVER_MORE, which are its end."""
        head = b"".join((
            u32(kind), u32(origin), text(name), u32(entry),
            u64(digest(is_text) if is_text is not None else 0)))
        return head * (not is_more) + b"".join((
            text(queue_id), u32(rcpt), text(sender), text(recipient),
            text(original), u64(arrived), u64(offset), u64(length),
            *map(u64, checkpoint), u32(flags)))

    def more(self, ours, fields, fds=None):
        """A further message over the channel; gives its id."""
        own = self.message_file() if fds is None else None
        self.ident += 1
        put(ours, DELIVER_NEXT, self.ident, fields,
            [own] if fds is None else fds)
        if own is not None:
            os.close(own)
        return self.ident

    def start(self, fields, message=None, theirs=None):
        """Sends the request; gives its id and our end of the channel."""
        own = message is None
        message = self.message_file() if own else message
        ours = None
        if theirs is None:
            ours, theirs = channel()
        self.ident += 1
        put(self.deliver, DELIVER_REQUEST, self.ident, fields,
            [message, theirs.fileno()])
        theirs.close()
        if own:
            os.close(message)
        return self.ident, ours

    def end(self, ident):
        """Wait status of that request's process; None: the helper ended."""
        while ident not in self.ends:
            result = get(self.deliver)
            if result is None:
                return None
            assert result[0] == DELIVER_EXIT
            self.ends[result[1]] = struct.unpack("=II", result[2])[0]
        return self.ends[ident]

    def receive(self, result, ours, go=True):
        """One record of a child; False after the last."""
        record = get(ours)
        if record is None:
            return False
        kind, ident, fields, fds = record
        if kind == DELIVER_CHECKPOINT:
            result.checkpoint = struct.unpack("=QQQ", fields[:24])
            if go:
                put(ours, DELIVER_ACKNOWLEDGE, ident)
            return go
        if kind == DELIVER_OUTPUT:
            with open(fds[0], "rb") as f:
                result.output = f.read()
        elif kind == DELIVER_RESULT:
            result.status, _, n = struct.unpack_from("=III", fields)
            result.code = fields[12:12 + n].decode()
            result.reason = " ".join(texts(fields[12 + n:]))
            # One that delivers into an mbox would wait for more.
            ours.shutdown(socket.SHUT_WR)
        return True

    def listen(self, ident, ours, go=True):
        """All that the child says, and its end."""
        result = Result()
        while self.receive(result, ours, go):
            pass
        ours.close()
        result.wait_status = self.end(ident)
        return result

    def listen_to_all(self, requests):
        """The same for several, whoever speaks first; result of each."""
        result = {ours: Result() for _, ours in requests}
        left = list(result)
        while left:
            ready, _, _ = select.select(left, [], [], WAIT_S)
            assert ready, "nobody speaks"
            for ours in ready:
                if not self.receive(result[ours], ours):
                    left.remove(ours)
        for ident, ours in requests:
            ours.close()
            result[ours].wait_status = self.end(ident)
        return list(result.values())

    def put_mail(self, message=None, go=True, **which):
        """One whole delivery."""
        ident, ours = self.start(self.fields(**which), message)
        return self.listen(ident, ours, go)


# -- what became of the host ----------------------------------------------


def look(folder, depth, seen):
    with os.scandir(folder) as entries:
        for entry in entries:
            st = entry.stat(follow_symlinks=False)
            what = (st.st_mode, st.st_uid, st.st_gid)
            if not stat.S_ISDIR(st.st_mode):
                what += (st.st_size, st.st_mtime_ns)
            elif depth > 1 and not os.path.ismount(entry.path):
                look(entry.path, depth - 1, seen)
            seen[entry.path] = what


def inventory():
    """path -> what it is, of all where a file could be put."""
    seen = {}
    for top, depth in WATCHED.items():
        look(top, depth, seen)
    return seen


def changed(before):
    """Paths that came, went or are another; the log and the boxes aside."""
    after = inventory()
    return sorted(
        path for path in set(before) | set(after)
        if before.get(path) != after.get(path) and
        not path.startswith((SOCKET, "/var/spool/dma/wake", MAIL + "/")))
