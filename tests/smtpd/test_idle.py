"""Ten thousand connections that say nothing."""
import resource
import subprocess
import sys

import pytest

import intake

CONNECTIONS = 10000
LIMIT_KIB = 200 * 1024

# In processes of their own: each has its limit of descriptors.
HOLDER = """
import resource, socket, sys
n, port, source = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
resource.setrlimit(resource.RLIMIT_NOFILE, (n + 100, n + 100))
held = []
for i in range(n):
    held.append(socket.create_connection(("127.0.0.1", port), 60,
                                         (source, 0)))
for s in held:
    s.settimeout(60)
    assert s.recv(200).startswith(b"220 "), "no banner"
print("ready", flush=True)
sys.stdin.read()
"""


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            for line in f:
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


def test_ten_thousand_idle_connections(smtpd):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < CONNECTIONS + 1000:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 20000))
        except (ValueError, OSError):
            pytest.skip("at most %d descriptors here" % hard)
    s = smtpd(MAX_CONNECTIONS="20000", MAX_CONNECTIONS_PER_ADDRESS="20000",
              COMMAND_TIMEOUT="1h", DURABLE="none")
    holders = []
    try:
        for i in range(4):
            holders.append(subprocess.Popen(
                [sys.executable, "-c", HOLDER, str(CONNECTIONS // 4),
                 str(s.port), "127.0.%d.1" % (i + 1)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        for holder in holders:
            assert holder.stdout.readline() == b"ready\n"
        with s.hello() as c:
            for _ in range(20):
                c.message()
            c.quit()
        pids = intake.our_processes(s.root)
        used = pss_kib(pids)
        print("%d connections, %d processes: %d KiB of PSS" % (
            CONNECTIONS, len(pids), used))
        if not s.is_sanitized:
            assert used <= LIMIT_KIB
        assert s.counters()["connections"] >= CONNECTIONS
    finally:
        for holder in holders:
            holder.stdin.close()
            holder.wait()
    s.send()


def test_memory_of_a_session_does_not_grow_with_the_message(smtpd):
    """100 sessions in the middle of 3 MiB each."""
    s = smtpd(DURABLE="none", MIN_SPARE="1", MAX_SPARE="1",
              MAX_CHILDREN="1")
    block = (b"x" * 998 + b"\r\n") * 64
    # What the child needs once, for whatever number of sessions.
    s.send(text=block * 48)
    s.tree.empty()
    clients = [s.hello() for _ in range(100)]
    before = pss_kib(s.children())
    for c in clients:
        c.envelope()
        c.expect("DATA", "354 ")
    for _ in range(48):
        for c in clients:
            c.send(block)
    s.send()
    grown = pss_kib(s.children()) - before
    print("%d KiB for 100 sessions of 3 MiB" % grown)
    # 64 KiB each, and what malloc(3) keeps of memory that was freed.
    if not s.is_sanitized:
        assert grown <= 100 * 72
    for c in clients:
        c.send(".\r\n")
    for c in clients:
        assert c.reply().code == 250
        c.close()
    assert {len(open(p, "rb").read()) // 3000000
            for p in s.tree.files()} == {0, 1}
