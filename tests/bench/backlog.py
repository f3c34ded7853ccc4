"""backlog.py - what a long queue costs (P6), and other users (P10).

Runs in the world of a system, for agent.py.  A long queue is made of copies of
one message that the system itself has queued.
"""
import os
import socket
import threading
import time

import memory
import systems

LIMIT = "/var/spool/limit/list"
UPSTREAM = "/var/spool/dma"
QUEUE = "/var/spool/dma/queue"
NUMBER = b"\nX-Bench-Id: 00000000"
BYTES = 1500                    # of a queue file with a short message
LISTED = ("first_ms", "whole_ms", "cpu_ms", "memory_mb", "lines")
SUBMITS = 50                    # calls with a long queue, and with an empty one
MARK = 77777777                 # X-Bench-Id of the other user's message
SILENT_FROM = 2                 # 127.0.1.2 ... are silent, 127.0.1.1 is not


def copy(path, text, st):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, st.st_mode & 0o777)
    os.write(fd, text)
    os.fchown(fd, st.st_uid, st.st_gid)
    os.close(fd)


def fill_ours(messages):
    (name,) = os.listdir(QUEUE)
    path = os.path.join(QUEUE, name)
    st = os.stat(path)
    with open(path, "rb") as f:
        head, _, tail = f.read().partition(NUMBER)
    # Of an hour ago: mail of the last seconds is not taken for a backlog.
    base = int("%08x%s" % (int(name[:8], 16) - 3600, name[8:]), 16)
    for i in range(1, messages):
        copy(os.path.join(QUEUE, "%021x" % (base + i)),
             head + NUMBER[:-8] + b"%08d" % i + tail, st)


def fill_upstream(messages):
    (name,) = (x for x in os.listdir(UPSTREAM) if x[0] == "Q")
    parts = {}
    for kind in "QM":
        path = os.path.join(UPSTREAM, kind + name[1:])
        with open(path, "rb") as f:
            parts[kind] = f.read(), os.stat(path)
    for i in range(1, messages):
        ident = "%x.%s" % (0x10000000 + i, name.partition(".")[2])
        for kind, (text, st) in parts.items():
            copy(os.path.join(UPSTREAM, kind + ident),
                 text.replace(name[1:].encode(), ident.encode()), st)


def fill(agent, messages, recipient=systems.REMOTE, is_deferred=True):
    """The queue has so many messages; deferred: an attempt has failed, and the
    next one is due in minutes.  Nothing runs afterwards."""
    agent.prepare("remote" if is_deferred else "submit")
    # In files of version 1, which have no checksums, the number may change.
    if os.path.exists(UPSTREAM + "/version-2"):
        os.unlink(UPSTREAM + "/version-2")
    agent.callers(agent.system.command([recipient]), 1, 1)
    if agent.name != "ours":
        agent.end_all(1)
        fill_upstream(messages)
    else:
        if is_deferred:
            agent.wait_until(has_failed, 30, "an attempt")
        agent.end_all(0)
        fill_ours(messages)
    os.sync()


def has_failed():
    for name in os.listdir(QUEUE):
        with open(os.path.join(QUEUE, name), "rb") as f:
            if b"\nD\t" in f.read():
                return True
    return False


def submit(agent):
    """Milliseconds of a submission that nothing is delivered of."""
    agent.system.configure("submit")
    os.sync()
    said = agent.callers(agent.system.command([systems.REMOTE]), SUBMITS, 1)
    agent.end_all(1)
    return said["p50_ms"]


def list_limit(agent, messages):
    """As many files of the size of a queue file, read by limit_list.c."""
    agent.prepare("submit")
    systems.folder(LIMIT, 0o700, "bin", "bin")
    st = os.stat(LIMIT)
    for i in range(messages):
        copy(os.path.join(LIMIT, "%021x" % i), b"x" * BYTES, st)
    os.sync()
    said = agent.once([systems.tool("limit_list"), LIMIT], user="bin")
    agent.system.clear()
    if said["lines"] != messages:
        raise systems.Trouble("%d files read, status %d" % (
            said["lines"], said["status"]))
    return {key: said[key] for key in LISTED}


def backlog(agent, messages):
    """The list of a long queue, submissions meanwhile, and a runner that
    starts with it.  Submissions with an empty queue come before and after those
    with the long one, since the disk is not always as fast."""
    if agent.name == "limit":
        return list_limit(agent, messages)
    agent.prepare("submit")
    before = submit(agent)
    few_ms, few = cold_start(agent, 1) if agent.name == "ours" else (0, 0)
    # Upstream has no attempt without a process for each message.
    fill(agent, messages, is_deferred=agent.name == "ours")
    agent.system.configure("submit")
    said = agent.once(["/usr/sbin/sendmail", "-bp"])
    queued = set(os.listdir(QUEUE)) if agent.name == "ours" else ()
    full = submit(agent)
    answer = {key: said[key] for key in LISTED}
    if agent.name == "ours":
        for name in set(os.listdir(QUEUE)) - queued:
            os.unlink(os.path.join(QUEUE, name))
        many_ms, many = start(agent)
        answer.update({"cold_ms": many_ms, "runner_mb": many / 1e6,
                       "us_per_message": (many_ms - few_ms) / messages * 1e3,
                       "bytes_per_message": (many - few) / messages})
    agent.system.clear()
    empty = (before + submit(agent)) / 2
    agent.system.clear()
    answer.update({"submit_ms": full, "empty_ms": empty,
                   "submit_ratio": full / empty})
    return answer


def cold_start(agent, messages):
    fill(agent, messages)
    return start(agent)


def start(agent):
    """Milliseconds from a call until the relay has that message, with all
    others deferred and no runner; and the peak of the runner, in bytes."""
    agent.system.configure("remote")
    _, taken = agent.relay(0)
    said = agent.callers(agent.system.command([systems.REMOTE]), 1, 1)
    agent.wait_until(lambda: taken.read() >= 1, 150, "a message taken")
    memory.settle(agent)
    peak = memory.look(agent, "peak")["runner"] * 1024
    agent.end_all(0)
    agent.end_helpers()
    return (taken.last - said["began"]) * 1e3, peak


# -- another user's mail ------------------------------------------------------

def mark_text():
    return ("From: <u9@host.test>\nTo: <bench@smart.test>\n"
            "Subject: meanwhile\nX-Bench-Id: %d\n\nx\n" % MARK)


def other_user(agent, taken, recipient):
    """Seconds until the message of u9 is at the relay, and in a mailbox."""
    path = os.path.join(agent.folder, "meanwhile")
    systems.write(path, mark_text())
    began = time.monotonic()
    for name in (recipient, "u8"):
        agent.once(["/usr/sbin/sendmail", "-i", "-f", "u9@host.test", name],
                   path, "u9")
    times = {}

    def both():
        taken.read()
        for key, is_there in (
                ("remote", taken.has(MARK)),
                ("local", os.path.exists("/var/mail/u8") and
                 os.path.getsize("/var/mail/u8") > 0)):
            if is_there:
                times.setdefault(key, time.monotonic() - began)
        return len(times) == 2
    agent.wait_until(both, 400, "the other user's mail")
    os.unlink("/var/mail/u8")
    return times["remote"], times["local"]


class Silence:
    """Hosts that accept connections and say nothing."""
    def __init__(self, hosts):
        self.kept, self.listeners = [], []
        for i in range(hosts):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.1.%d" % (SILENT_FROM + i), 25))
            s.listen(16)
            self.listeners.append(s)
            threading.Thread(target=self.accept, args=(s,),
                             daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                self.kept.append(listener.accept()[0])
            except OSError:
                return

    def close(self):
        for s in self.listeners:
            s.shutdown(socket.SHUT_RDWR)
        for s in self.listeners + self.kept:
            s.close()


def crowd(agent, variant, scale):
    """What alice does, before the other user comes."""
    if variant == "10000 messages":
        fill(agent, max(2, round(10000 * scale)), is_deferred=False)
        agent.system.configure("remote")
        agent.begin(agent.system.flush())
    elif variant == "20000 names":
        names = ["n%d@host.test" % i for i in range(max(2, round(
            20000 * scale)))]
        agent.finish(["/usr/sbin/sendmail", "-i", "-f", systems.SENDER,
                      *names])
    else:
        for i in range(max(2, round(100 * scale))):
            agent.finish(["/usr/sbin/sendmail", "-i", "-f", systems.SENDER,
                          "x@[127.0.1.%d]" % (SILENT_FROM + i)])
    time.sleep(1)


def fair(agent, variant, scale=1):
    """The time of another user's mail, with and without a crowd."""
    is_direct = variant == "100 silent hosts"
    recipient = "bench@[127.0.1.1]" if is_direct else systems.REMOTE
    times = []
    for has_crowd in (False, True):
        agent.prepare("direct" if is_direct else "remote")
        silence = Silence(round(100 * scale) + 1) if is_direct else None
        taken = agent.relay_at("127.0.1.1", 25) if is_direct else \
            agent.relay(20)[1]
        try:
            if has_crowd:
                crowd(agent, variant, scale)
            times.append(other_user(agent, taken, recipient))
            left = agent.system.queued()
        finally:
            agent.end_all(0)
            agent.end_helpers()
            if silence:
                silence.close()
    (idle, idle_local), (remote, local) = times
    return {"seconds": remote, "idle_s": idle, "local_s": local,
            "idle_local_s": idle_local, "left": left,
            "over_s": max(remote - 3 * idle, local - 3 * idle_local)}
