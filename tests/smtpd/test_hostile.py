"""Floods, storms and shortage: what clients and administrators can do to it."""
import os
import resource
import signal
import socket
import time

import pytest

import intake
from load import Load
from test_end import counted
from test_idle import pss_kib
from test_proxy import v1, v2

ONE_CHILD = {"MIN_SPARE": "1", "MAX_SPARE": "1", "MAX_CHILDREN": "1"}


def ticks(pid):
    """Processor time that it has used, in hundredths of a second."""
    with open("/proc/%d/stat" % pid) as f:
        words = f.read().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def test_a_storm_of_sighup(smtpd):
    """No connection is refused, and the last configuration is used."""
    s = smtpd(MAX_SIZE="1M")
    with Load(s.port, 4) as load:
        load.wait(20)
        for i in range(60):
            s.write_conf({"MAX_SIZE": "%dK" % (i + 100)})
            s.signal(signal.SIGHUP)
            time.sleep(0.01)
        load.wait(len(load.acknowledged) + 40)

    def size():
        with s.client() as c:
            return c.capabilities()["SIZE"]
    s.wait_until(lambda: size() == str(159 << 10), "the last one")
    counted(s, load)
    assert load.doubtful == set() and load.refused == set()
    s.wait_until(lambda: len(s.generations()) == 1, "one generation")


def test_a_killed_generation_is_replaced(smtpd):
    s = smtpd()
    with s.hello() as c:
        c.envelope()
        old, = s.generations()
        os.kill(old, signal.SIGKILL)
        # The transaction under way is finished.
        assert c.data("x\r\n").code == 250
        assert c.reply().startswith("421 4.3.2 ")
    s.wait_until(lambda: s.generations() not in ([], [old]), "another one")
    s.send()
    assert s.lines(str(old))


def test_a_killed_generation_keeps_its_configuration(smtpd):
    """The file was mended, then spoilt: what served last serves again."""
    s = smtpd(MAX_SIZE="1M")
    s.write_conf({"MAX_SIZE": "2M"})
    s.hup()
    s.write_conf("NONSENSE 1\n")
    s.signal(signal.SIGHUP)
    s.wait_until(lambda: s.lines("NONSENSE"), "the error")
    for _ in range(2):
        old, = s.generations()
        os.kill(old, signal.SIGKILL)
        s.wait_until(lambda: s.generations() not in ([], [old]) and
                     s.children(), "another one")
        with s.client() as c:
            assert c.capabilities()["SIZE"] == str(2 << 20)
            c.quit()
        s.wait_until(lambda: len(s.generations()) == 1, "one generation")
    s.write_conf({"MAX_SIZE": "3M"})
    s.hup()
    with s.client() as c:
        assert c.capabilities()["SIZE"] == str(3 << 20)


@pytest.mark.parametrize("stage", ["proxy", "handshake"])
def test_a_drain_does_not_wait_for_half_open_sessions(smtpd, certificate,
                                                      stage):
    s = smtpd(PROXY_FROM="127.0.0.9", CERTIFICATE=certificate["smart"],
              SHUTDOWN_TIMEOUT="1h")
    if stage == "proxy":
        c = s.client(banner=False, source="127.0.0.9")
        c.send("PROXY TCP4")
    else:
        c = s.hello()
        c.expect("STARTTLS", "220 ")
        c.send(b"\x16\x03\x01")
    with s.hello() as other:        # both were accepted
        other.quit()
    s.signal(signal.SIGTERM)
    s.wait_end()
    c.close()


def test_a_shortage_of_descriptors(smtpd):
    """Those that find none wait, at no cost; others are served, and they are
    once there is room."""
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    s = smtpd(is_root=False, more={"preexec_fn": few}, **ONE_CHILD)
    served, waiting = [], []
    for _ in range(150):
        c = s.client(banner=False)
        served.append(c) if not served or not waiting and not \
            c.is_silent(0.2) else waiting.append(c)
    assert len(served) >= 10 and len(waiting) >= 10
    child, = s.children()
    before = ticks(child)
    time.sleep(1)
    assert ticks(child) - before < 50
    first = served[0]
    first.reply()
    first.ehlo()
    first.message()
    for c in served:
        c.close()
    for c in waiting:
        c.banner = c.reply()
        assert c.banner.code == 220
        c.close()
    assert s.only().to == ["bob@to.test"]


def test_many_addresses_come_and_go(smtpd):
    """Each may have one connection; the table of them does not fill up."""
    s = smtpd(PROXY_FROM="127.0.0.9", MAX_CONNECTIONS_PER_ADDRESS="1",
              MAX_CONNECTIONS="50", MAX_SESSIONS="0")
    for i in range(2000):
        with s.client(source="127.0.0.9", proxy=v1(
                "10.1.%d.%d" % (i >> 8, i & 255))) as c:
            assert c.banner.code == 220, (i, c.banner)
            c.quit()
    for i in range(500):
        with s.client(source="127.0.0.9", proxy=v2("2001:db8:0:%x::1" % i)) as c:
            assert c.banner.code == 220, (i, c.banner)
            c.reset()
    s.wait_until(lambda: s.counters()["sessions"] == 0, "the end of all")


def test_a_flood_of_connections_that_say_nothing(smtpd):
    s = smtpd(DURABLE="none")
    for how in ("close", "reset"):
        for _ in range(800):
            c = socket.create_connection(("127.0.0.1", s.port), 30)
            if how == "reset":
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\1\0\0\0\0\0\0\0")
            c.close()
        s.send()
    s.wait_until(lambda: s.counters()["sessions"] == 0, "the end of all")
    assert len(s.children()) <= 16


def test_a_line_without_end(smtpd):
    """It wins no time, and takes no memory."""
    s = smtpd(COMMAND_TIMEOUT="1", **ONE_CHILD)
    with s.hello() as c:
        c.sock.settimeout(0.02)
        got = b""
        for _ in range(2000):
            try:
                c.sock.sendall(b"x" * 1000)
                got = c.sock.recv(100)
                break
            except TimeoutError:
                continue
            except OSError:
                break
        assert got.startswith(b"421 4.4.2 "), got
    s.send()


def test_a_text_of_one_line_that_is_too_large(smtpd):
    """64 MiB without a line end: swallowed, and 552."""
    s = smtpd(MAX_SIZE="1M", DURABLE="none", **ONE_CHILD)
    with s.hello() as c:
        before = pss_kib(s.children())
        c.envelope()
        c.expect("DATA", "354 ")
        for _ in range(64):
            c.send(b"x" * (1 << 20))
        if not s.is_sanitized:
            assert pss_kib(s.children()) - before < 4000
        c.send(b"\r\n.\r\n")
        assert c.reply().startswith("552 5.3.4 ")
        c.quit()
    assert s.tree.paths() == [] and s.tree.litter() == []


def test_a_header_without_end(smtpd):
    """The same for what modules are shown of a header."""
    s = smtpd(DURABLE="none", **ONE_CHILD)
    with s.hello() as c:
        before = pss_kib(s.children())
        c.envelope()
        c.expect("DATA", "354 ")
        for _ in range(300):
            c.send(b"X-Long: " + b"x" * 50000 + b"\r\n " + b"y" * 50000 +
                   b"\r\n")
        if not s.is_sanitized:
            assert pss_kib(s.children()) - before < 4000
        c.send(b".\r\n")
        assert c.reply().code == 250
        c.quit()
    assert os.path.getsize(s.only().path) > 30000000


def test_clients_of_the_status_who_do_not_go_on(smtpd):
    """They end by themselves, and hold up no mail."""
    s = smtpd()
    held = []
    for _ in range(300):
        c = socket.socket(socket.AF_UNIX)
        c.settimeout(10)
        held.append(c)
        try:
            c.connect(s.status)
        except BlockingIOError:     # no more are waiting there
            break
        c.sendall(b"GET /metrics HTTP/1.0\r\n")      # and no end
    s.send()

    def answers():
        try:
            return s.counters().get("accepted") == 1
        except BlockingIOError:
            return False
    s.wait_until(answers, "an answer")
    for c in held:
        c.close()


def test_signals_that_mean_nothing_here(smtpd):
    s = smtpd()
    pids = intake.our_processes(s.root)
    for number in (signal.SIGPIPE, signal.SIGWINCH, signal.SIGURG,
                   signal.SIGCHLD, signal.SIGCONT):
        for pid in pids:
            os.kill(pid, number)
    s.send()
    assert set(pids) <= set(intake.our_processes(s.root))


def test_a_stop_and_a_continuation_of_all(smtpd):
    """As after a suspend."""
    s = smtpd(**ONE_CHILD)
    with s.hello() as c:
        c.envelope()
        pids = intake.our_processes(s.root)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        c.send("DATA\r\n")
        assert c.is_silent(0.1)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        assert c.reply().code == 354
        c.send("x\r\n.\r\n")
        assert c.reply().code == 250
        c.quit()
