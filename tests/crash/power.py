"""power.py - what a disk has after a power cut.

A Disk watches a traced run.  For each file it keeps what was in it when it
was last synced, for each directory the names that it had then; what stood
there at the beginning is on stable storage.  After each call that changes
something it takes down a Cut: what is there now, and what is durable of it.
A Cut can be put back in several ways, since a kernel writes out what it
likes, as it likes, of what nobody has synced.

Names and data of a file are told apart by inode; numbers are used again, so
that each making of a file counts as another.
"""
import errno
import os
import re
import signal
import stat

from queue_files import sign
from world import MAIL, SPOOL

CHANGES = {"write", "pwrite64", "ftruncate", "openat", "open", "link",
           "linkat", "unlink", "unlinkat", "rename", "renameat", "renameat2",
           "mkdir", "mkdirat", "fsync", "fdatasync", "fchmod"}
SYNCS = {"fsync", "fdatasync"}
O_CREAT, O_TMPFILE = os.O_CREAT, 0o20000000
NOT_KEPT = {SPOOL + "/wake", SPOOL + "/lock"}
FOLDER = "folder"
MARK = re.compile(rb"(?m)^(A\t\d+\t\d+\t)(\d+)(\t.*)$")


# How what is not synced fares: names and data of the spool, then of mail.
# "journal": all names come to the disk with the next sync of anything.
WAYS = [(names, data, names, data) for names, data in (
    ("old", "old"), ("old", "new"), ("new", "old"), ("new", "new"),
    ("new", "half"), ("new", "zeros"), ("journal", "old"),
    ("journal", "new"))]
# The two may be on different disks; the worst of it.
WAYS += [("new", "new", "old", "old"), ("new", "new", "journal", "old"), ("old", "old", "new", "new"),
         ("old", "old", "new", "old")]


class Cut:
    """A moment: what is there, and what is durable."""

    def __init__(self, disk, label, is_acknowledged):
        self.label, self.is_acknowledged = label, is_acknowledged
        self.new_names = {f: dict(n) for f, n in disk.new_names.items()}
        self.old_names = {f: dict(n) for f, n in disk.old_names.items()}
        self.synced_names = disk.synced_names
        self.new_data, self.old_data = dict(disk.new_data), dict(disk.old_data)
        self.meta = dict(disk.meta)

    def data(self, key, way):
        new, old = self.new_data[key], self.old_data.get(key) or b""
        if way == "new" or new == old:
            return new
        if way == "old" or not new.startswith(old):
            return old
        tail = len(new) - len(old)
        if way == "half":
            return new[:len(old) + tail // 2]
        return old + b"\0" * tail

    def files(self, way):
        """path -> (what it is, key or FOLDER, its data)."""
        found = {}
        spool_names, spool_data, mail_names, mail_data = way
        for top, names, data in ((SPOOL, spool_names, spool_data),
                                 (MAIL, mail_names, mail_data),
                                 ("/home/bob", mail_names, mail_data)):
            self._walk(top, names, data, found)
        return found

    def _walk(self, folder, names, data, found):
        listing = {"new": self.new_names, "old": self.old_names,
                   "journal": self.synced_names}[names]
        for name, key in listing.get(folder, {}).items():
            path = folder + "/" + name
            if key[0] == FOLDER:
                found[path] = (self.meta[path], FOLDER, b"")
                self._walk(path, names, data, found)
            else:
                found[path] = (self.meta[key], key, self.data(key, data))


def same(files):
    """What tells one disk from another."""
    return tuple(sorted((path, what[0], what[2])
                        for path, what in files.items()))


class Disk:
    """The watcher of a Run; cuts are what it took down."""
    tops = (SPOOL, MAIL, "/home/bob")

    def __init__(self):
        self.cuts = []
        self.births = {}        # inode -> how often it was made
        self.new_names, self.old_names = {}, {}
        self.new_data, self.old_data = {}, {}
        self.meta = {}          # key, or path of a folder -> mode, owner
        self.look()
        self.old_names = {f: dict(n) for f, n in self.new_names.items()}
        self.synced_names = {f: dict(n) for f, n in self.new_names.items()}
        self.old_data = dict(self.new_data)

    def key(self, st):
        inode = (st.st_dev, st.st_ino)
        return inode + (self.births.get(inode, 0),)

    def look(self):
        self.new_names = {}
        for top in self.tops:
            self._look(top)

    def _look(self, folder):
        names = self.new_names[folder] = {}
        for name in os.listdir(folder):
            path = folder + "/" + name
            try:
                st = os.lstat(path)
            except FileNotFoundError:
                continue
            meta = (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid)
            if stat.S_ISDIR(st.st_mode):
                names[name] = (FOLDER,)
                self.meta[path] = meta
                self._look(path)
            elif stat.S_ISREG(st.st_mode) and path not in NOT_KEPT:
                key = names[name] = self.key(st)
                self.meta[key] = meta
                with open(path, "rb") as f:
                    self.new_data[key] = f.read()

    # -- the run -------------------------------------------------------------

    def before(self, run, call):
        pass

    def after(self, run, call, result):
        if call.name not in CHANGES or result < 0:
            return
        if call.name in ("open", "openat"):
            flags = call.args[2 if call.name == "openat" else 1]
            if not flags & (O_CREAT | O_TMPFILE & ~os.O_DIRECTORY):
                return
            self._made(call.pid, result, flags)
        if call.name in SYNCS:
            self._synced(call.pid, call.args[0])
        self.take_down("%d %s" % (run.calls, call.name), run)

    def take_down(self, label, run):
        self.look()
        self.cuts.append(Cut(self, label, run.status == 0))

    def _open(self, pid, fd):
        path = "/proc/%d/fd/%d" % (pid, fd)
        return path, os.stat(path)

    def _made(self, pid, fd, flags):
        _, st = self._open(pid, fd)
        inode = (st.st_dev, st.st_ino)
        known = self.key(st) in self.new_data
        if flags & O_TMPFILE == O_TMPFILE or flags & os.O_EXCL or not known:
            self.births[inode] = self.births.get(inode, 0) + 1

    def _synced(self, pid, fd):
        path, st = self._open(pid, fd)
        self.look()
        self.synced_names = {f: dict(n) for f, n in self.new_names.items()}
        if stat.S_ISDIR(st.st_mode):
            folder = os.readlink(path)
            self.old_names[folder] = dict(self.new_names.get(folder, {}))
        elif stat.S_ISREG(st.st_mode):
            with open(path, "rb") as f:
                self.old_data[self.key(st)] = f.read()

    # -- the disks that there can be -----------------------------------------

    def disks(self):
        """Each disk once: (label, acknowledged at some time, files)."""
        seen = {}
        for cut in self.cuts:
            for way in WAYS:
                files = cut.files(way)
                mark = (same(files), cut.is_acknowledged)
                if mark not in seen:
                    label = "%s: %s" % (cut.label, " ".join(way))
                    seen[mark] = (label, cut.is_acknowledged, files)
        return list(seen.values())


class FailingDisk(Disk):
    """The first sync of that file fails, and its process is killed before it
    can do anything about it.  As Linux has it, what was to be written then
    counts as written: later syncs succeed, and bring to the disk only what
    was written again."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.victim = None      # pid
        self.failed = None      # key of the file
        self.written = []       # since then: from, to

    def before(self, run, call):
        if call.pid == self.victim:
            os.kill(call.pid, signal.SIGKILL)
        elif self.victim is None and call.name == "fsync":
            path, st = self._open(call.pid, call.args[0])
            if os.readlink(path) == self.path:
                self.victim, self.failed = call.pid, self.key(st)
                call.error = errno.EIO

    def after(self, run, call, result):
        if self.failed and call.name in ("write", "pwrite64") and result > 0:
            _, st = self._open(call.pid, call.args[0])
            if self.key(st) == self.failed:
                start = call.args[3] if call.name == "pwrite64" else \
                    st.st_size - result
                self.written.append((start, start + result))
        super().after(run, call, result)

    def _synced(self, pid, fd):
        before = self.old_data.get(self.failed, b"")
        super()._synced(pid, fd)
        if self.failed is None or self.failed not in self.old_data:
            return
        now = self.old_data[self.failed]
        durable = bytearray(before[:len(now)].ljust(len(now), b"\0"))
        for start, end in self.written:
            durable[start:end] = now[start:end]
        self.old_data[self.failed] = bytes(durable)


# -- back on the disk --------------------------------------------------------


def clear(top, keep):
    for folder, folders, names in os.walk(top, topdown=False):
        for name in names:
            path = folder + "/" + name
            if path not in keep:
                os.unlink(path)
        for name in folders:
            path = folder + "/" + name
            if path not in keep:
                os.rmdir(path)


def write(path, meta, data):
    mode, uid, gid = meta
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(fd, data) if data else None
    os.close(fd)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    return os.stat(path)


def moved(mark, inodes):
    """The same record with the new inode, and its checksum if it had one."""
    record, _, _ = mark[0].rpartition(b"\t")
    is_signed = sign(record) == mark[0]
    record = mark[1] + inodes.get(mark[2], mark[2]) + mark[3]
    return sign(record.rpartition(b"\t")[0]) if is_signed else record


def put_back(files):
    """The disk as it would be; inodes get others, and marks with them."""
    for top in Disk.tops:
        clear(top, files)
    inodes = {}
    queue = SPOOL + "/queue/"
    for path in sorted(files):
        meta, key, data = files[path]
        if key == FOLDER:
            if not os.path.isdir(path):
                os.mkdir(path)
            os.chown(path, *meta[1:])
            os.chmod(path, meta[0])
        elif not path.startswith(queue):
            st = write(path, meta, data)
            inodes[b"%d" % key[1]] = b"%d" % st.st_ino
    for path in files:
        meta, key, data = files[path]
        if path.startswith(queue):
            write(path, meta, MARK.sub(lambda m: moved(m, inodes), data))
