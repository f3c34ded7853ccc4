"""single.py - one call: a large message (P7), nothing at all (P8), and what a
call costs in instructions.

Runs in the world of a system, for agent.py.
"""
import os
import re
import shutil
import subprocess

import memory
import systems
from systems import Trouble

LINE = b"x" * 71 + b"\n"
HEAD = (b"From: <alice@host.test>\nTo: <bench@smart.test>\nSubject: bench\n"
        b"X-Bench-Id: 1\n\n")


def large_file(agent, megabytes):
    path = os.path.join(agent.folder, "large")
    block = LINE * 14000                # about a megabyte
    left = megabytes * 1000000 - len(HEAD)
    with open(path, "wb") as f:
        f.write(HEAD)
        while left > 0:
            # A file ends with a whole line.
            n = min(len(block), max(len(LINE), left // len(LINE) * len(LINE)))
            f.write(block[:n])
            left -= n
    os.chmod(path, 0o644)
    return path


def large(agent, megabytes, way):
    """One message of many megabytes: to the queue, or to the relay, which is
    not behind the proxy."""
    agent.prepare({"submit": "submit", "plain": "plain",
                   "TLS": "remote"}[way])
    path = large_file(agent, megabytes)
    taken = None
    if way != "submit":
        taken = agent.relay_at("127.0.0.1", systems.PORT, way == "plain")
        agent.system.start()
    peaks, meter = memory.Peaks(agent), agent.Meter(agent)
    try:
        said = agent.once(agent.system.command([systems.REMOTE]), path)
        seconds = said["whole_ms"] / 1e3
        if taken:
            agent.wait_until(lambda: taken.read() >= 1, 150, "taken")
            seconds = taken.last - said["began"]
    finally:
        peaks.stop()
    if not agent.system.is_daemon:
        agent.leave(3)
    agent.reap()
    cpu_ms = meter.end() * 1e3
    stored = agent.system.stored_bytes() if not taken else None
    agent.end_all()
    agent.end_helpers()
    os.unlink(path)
    return {"seconds": seconds, "cpu_ms": cpu_ms, "memory_mb": max(
                said["memory_mb"], peaks.most * 1024 / 1e6),
            "lost": 0 if taken else
            int(stored < megabytes * 1000000 * 0.99)}


def nothing(agent):
    """A call that finds an empty queue."""
    agent.prepare("submit")
    command = [agent.system.program(), "-bp"]
    said = agent.once(command)
    if said["status"]:
        raise Trouble("-bp: status %d" % said["status"])
    log = os.path.join(agent.folder, "trace")
    subprocess.run(["strace", "-f", "-qq", "-y", "-s", "200", "-o", log,
                    *command], timeout=60, **systems.QUIET)
    counts = agent.read_trace(log, False)
    agent.end_all(1)
    return {"whole_ms": said["whole_ms"], "cpu_ms": said["cpu_ms"],
            "faults": said["faults"], "calls": counts["calls"],
            "libraries": libraries(log), **instructions(agent.system, command)}


def libraries(log):
    """Shared libraries that were opened."""
    with open(log, errors="replace") as f:
        return len(set(re.findall(
            r'open(?:at)?\(.*"(/[^"]*\.so(?:\.\d[^"]*)?)".*\) = \d',
            f.read())))


def instructions(system, command, path="/dev/null"):
    """{"instructions": N}, in user space, of one call; {} where neither the
    processor counts for us nor valgrind is installed."""
    for count in (count_perf, count_valgrind):
        n = count(system.rights, command, path)
        if n:
            return {"instructions": n}
    return {}


def output_of(rights, argv, path):
    """The loader looks at each variable of the environment: there is one."""
    user, group = rights
    with open(path, "rb") as stdin:
        done = subprocess.run(argv, stdin=stdin, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=100, user=user,
                              group=group, extra_groups=[], cwd="/",
                              env={"PATH": os.environ["PATH"]})
    return done.returncode, done.stderr.decode("latin-1")


def count_perf(rights, command, path):
    if not shutil.which("perf"):
        return None
    status, text = output_of(rights, ["perf", "stat", "-x", ",", "-e",
                                      "instructions:u", *command], path)
    match = re.search(r"^(\d+),[^,]*,instructions", text, re.M)
    return int(match.group(1)) if match and not status else None


def count_valgrind(rights, command, path):
    """It does not run set-uid programs; with the rights no bit is needed."""
    if not shutil.which("valgrind"):
        return None
    folder = "/tmp/counted"
    os.makedirs(folder, exist_ok=True)
    copy = os.path.join(folder, os.path.basename(command[0]))
    shutil.copy(os.path.realpath(command[0]), copy)
    os.chmod(copy, 0o755)
    status, text = output_of(
        rights, ["valgrind", "--tool=callgrind",
                 "--callgrind-out-file=/dev/null", copy, *command[1:]], path)
    match = re.search(r"Collected : (\d+)", text)
    return int(match.group(1)) if match and not status else None
