"""tracer.py - runs a program and kills it at its n-th system call.

Counts the system calls of a program and of all that it forks, in the order
in which they happen, through ptrace(2).  Other programs that those start
(somebody's command) are followed, but neither counted nor killed.  Set-uid
programs keep their rights, since root traces them.  A watcher is told of
each call before and after it, and may hold it, or have it fail instead (on
x86-64).
"""
import ctypes
import errno
import glob
import os
import pwd
import signal
import time

TRACEME, SYSCALL, DETACH, SETOPTIONS, GETEVENTMSG, CALLINFO = (
    0, 24, 17, 0x4200, 0x4201, 0x420e)
GETREGS, SETREGS = 12, 13
# sysgood, fork, vfork, clone, exec; children die with us
OPTIONS = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x100000
WALL = 0x40000000
FORKS, EXEC = (1, 2, 3), 4      # events: fork, vfork, clone; exec
OURS = ("dma", "dma-remote")
STOP_CALL = signal.SIGTRAP | 0x80

# The calls that matter here, of x86-64.
NAMES = {
    0: "read", 1: "write", 2: "open", 3: "close", 5: "fstat", 7: "poll",
    8: "lseek", 9: "mmap", 12: "brk", 13: "rt_sigaction", 17: "pread64",
    18: "pwrite64",
    21: "access", 41: "socket", 46: "sendmsg", 47: "recvmsg",
    53: "socketpair", 55: "getsockopt", 56: "clone", 57: "fork",
    61: "wait4", 72: "fcntl", 73: "flock", 74: "fsync", 75: "fdatasync",
    77: "ftruncate", 80: "chdir", 82: "rename", 83: "mkdir", 86: "link",
    87: "unlink", 91: "fchmod", 112: "setsid", 116: "setgroups",
    117: "setresuid", 119: "setresgid", 118: "getresuid", 120: "getresgid",
    137: "statfs", 138: "fstatfs", 157: "prctl", 217: "getdents64",
    257: "openat", 258: "mkdirat", 262: "newfstatat", 263: "unlinkat",
    264: "renameat", 265: "linkat", 269: "faccessat", 271: "ppoll",
    280: "utimensat", 293: "pipe2", 316: "renameat2", 332: "statx",
    435: "clone3", 439: "faccessat2",
}


class CallInfo(ctypes.Structure):
    """struct ptrace_syscall_info; the union as its longest member."""
    _fields_ = [("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3),
                ("arch", ctypes.c_uint32), ("ip", ctypes.c_uint64),
                ("sp", ctypes.c_uint64), ("u", ctypes.c_uint64 * 8)]


class Regs(ctypes.Structure):
    """struct user_regs_struct of x86-64."""
    _fields_ = [("r", ctypes.c_uint64 * 27)]


RAX, RDX, ORIG_RAX = 10, 12, 15
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                        ctypes.c_void_p)
libc.ptrace.restype = ctypes.c_long


def _ptrace(request, pid, data=0):
    """False when the process is gone already."""
    if libc.ptrace(request, pid, None, data) == 0:
        return True
    if ctypes.get_errno() == errno.ESRCH:
        return False
    raise OSError(ctypes.get_errno(), "ptrace")


class Call:
    """One system call of a process of ours."""

    def __init__(self, pid, number, args):
        self.pid, self.args = pid, args
        self.name = NAMES.get(number, str(number))
        self.error = None       # errno that it fails with, not being made
        self.most = None        # of a write: no more bytes than that
        self.is_held = None     # a function: it is not made as long as that

    def regs(self, change):
        regs = Regs()
        libc.ptrace(GETREGS, self.pid, None, ctypes.addressof(regs))
        change(regs.r)
        libc.ptrace(SETREGS, self.pid, None, ctypes.addressof(regs))

    def spoil(self):
        """At its entry: as its watcher wants it."""
        if self.error is not None:
            self.regs(lambda r: r.__setitem__(ORIG_RAX, 2 ** 64 - 1))
        if self.most is not None:
            self.regs(lambda r: r.__setitem__(RDX, min(r[RDX], self.most)))

    def answer(self):
        """At its exit."""
        if self.error is not None:
            self.regs(lambda r: r.__setitem__(RAX, 2 ** 64 - self.error))


def call_info(pid):
    info = CallInfo()
    libc.ptrace(CALLINFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
    return info.u


class Run:
    """One traced run.  kill_at: number of the system call (from 1) before
    which the process that makes it is killed, or all with everybody; 0: none.
    Ends when all have ended; once somebody was killed, when the program
    itself has (what it left running then goes on untraced).
    watcher: its before(run, call) and after(run, call, result).
    stderr_path: a file that takes the standard error."""

    def __init__(self, argv, user, stdin_path, kill_at=0, everybody=False,
                 limit=100, watcher=None, stderr_path="/dev/null"):
        self.watcher = watcher
        self._stderr_path = stderr_path
        self.children = {}      # pid -> pids, in the order of their birth
        self._under_way = {}    # pid -> its call
        self._held = {}         # pid -> says whether its call is held
        self.calls = 0          # system calls seen
        self.killed = False
        self.status = None      # as subprocess has it: negative for signals
        self._ours = {}         # pid -> runs one of our programs
        self._inside = set()    # between entry and exit of a call
        self._alive, self._gone = set(), set()
        self._kill_at, self._everybody = kill_at, everybody
        self.pid = self._start(argv, user, stdin_path)
        # A run that hangs is killed as a whole; the wait then ends by itself.
        before = signal.signal(signal.SIGALRM, lambda *_: self._kill_all())
        signal.setitimer(signal.ITIMER_REAL, limit, 1)
        try:
            self._loop()
            if self.killed and everybody:
                self._kill_unseen()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _start(self, argv, user, stdin_path):
        who = pwd.getpwnam(user)
        groups = os.getgrouplist(user, who.pw_gid)
        pid = os.fork()
        if pid:
            return pid
        try:
            fd = os.open(stdin_path, os.O_RDONLY)
            os.dup2(fd, 0)
            os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
            os.dup2(os.open(self._stderr_path, os.O_WRONLY | os.O_CREAT |
                            os.O_TRUNC, 0o600), 2)
            os.setgroups(groups)
            os.setresgid(who.pw_gid, who.pw_gid, who.pw_gid)
            # Traced before it is that user: the tracer must be root's.
            libc.ptrace(TRACEME, 0, None, None)
            os.setresuid(who.pw_uid, who.pw_uid, who.pw_uid)
            os.execve(argv[0], argv, {"PATH": "/usr/sbin:/usr/bin:/bin",
                                      "LOGNAME": user})
        finally:
            os._exit(99)

    def _loop(self):
        self._alive.add(self.pid)
        began = False
        while self._alive:
            if self.killed and not self._everybody and \
                    self.status is not None:
                self._release()
                return
            pid, status = self._wait()
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                self._alive.discard(pid)
                self._inside.discard(pid)
                self._gone.add(pid)
                if pid == self.pid:
                    self.status = os.waitstatus_to_exitcode(status)
                continue
            self._alive.add(pid)
            if self.killed and self._everybody:
                os.kill(pid, signal.SIGKILL)    # born when they were killed
                continue
            sig = os.WSTOPSIG(status)
            if not began:
                _ptrace(SETOPTIONS, pid, OPTIONS)
                began = True
                sig = 0
            elif sig == STOP_CALL:
                self._call(pid)
                if pid in self._held:
                    continue
                sig = 0
            elif sig in (signal.SIGTRAP, signal.SIGSTOP):
                if status >> 16 in FORKS:
                    self._born(pid)
                elif status >> 16 == EXEC:
                    self._ours.pop(pid, None)
                sig = 0         # an event, or the start of a new child
            _ptrace(SYSCALL, pid, sig)

    def _wait(self):
        """For the next stop of somebody; who was held for long goes on."""
        while self._held:
            for pid in [p for p, held in self._held.items() if not held()]:
                del self._held[pid]
                _ptrace(SYSCALL, pid)
            pid, status = os.waitpid(-1, WALL | os.WNOHANG)
            if pid:
                return pid, status
            time.sleep(0.01)
        return os.waitpid(-1, WALL)

    def _born(self, parent):
        child = ctypes.c_ulong()
        if libc.ptrace(GETEVENTMSG, parent, None, ctypes.addressof(child)) == 0:
            self._alive |= {child.value} - self._gone
            self.children.setdefault(parent, []).append(child.value)

    def _release(self):
        """Lets go of what still runs: it must be stopped for that.  Who is
        born meanwhile is traced, too."""
        released = set()
        while self._alive - released:
            pid = (self._alive - released).pop()
            released.add(pid)
            try:
                os.kill(pid, signal.SIGSTOP)
                _, status = os.waitpid(pid, WALL)
                while os.WIFSTOPPED(status):
                    sig = os.WSTOPSIG(status)
                    if sig == signal.SIGSTOP:
                        _ptrace(DETACH, pid, 0)
                        # A second stop may wait, from its birth.
                        os.kill(pid, signal.SIGCONT)
                        break
                    if status >> 16 in FORKS:
                        self._born(pid)
                    _ptrace(SYSCALL, pid,
                            0 if sig in (STOP_CALL, signal.SIGTRAP) else sig)
                    _, status = os.waitpid(pid, WALL)
            except (ProcessLookupError, ChildProcessError):
                continue

    def _call(self, pid):
        if pid in self._inside:
            self._inside.discard(pid)
            self._after(pid)
            return
        self._inside.add(pid)
        if not self._is_ours(pid):
            return
        self.calls += 1
        if self.watcher is not None:
            self._before(pid)
        if self.calls != self._kill_at:
            return
        self.killed = True
        if self._everybody:
            self._kill_all()
        else:
            os.kill(pid, signal.SIGKILL)

    def _before(self, pid):
        info = call_info(pid)
        call = self._under_way[pid] = Call(pid, info[0], info[1:7])
        self.watcher.before(self, call)
        call.spoil()
        if call.is_held is not None:
            self._held[pid] = call.is_held

    def _after(self, pid):
        call = self._under_way.pop(pid, None)
        if call is not None:
            call.answer()
            self.watcher.after(self, call, ctypes.c_int64(
                call_info(pid)[0]).value)

    def _is_ours(self, pid):
        if pid not in self._ours:
            exe = os.readlink("/proc/%d/exe" % pid)
            self._ours[pid] = os.path.basename(exe) in OURS
        return self._ours[pid]

    def _kill_unseen(self):
        """Those that were born just then, and that no event has told of."""
        for path in glob.glob("/proc/[0-9]*/status"):
            try:
                with open(path) as f:
                    is_ours = "\nTracerPid:\t%d\n" % os.getpid() in f.read()
                if is_ours:
                    pid = int(path.split("/")[2])
                    os.kill(pid, signal.SIGKILL)
                    while os.WIFSTOPPED(os.waitpid(pid, WALL)[1]):
                        pass
            except (FileNotFoundError, ProcessLookupError, ChildProcessError):
                continue

    def _kill_all(self):
        for pid in list(self._alive):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
