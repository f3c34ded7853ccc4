"""The status socket, SIGUSR1, and the log."""
import os
import re
import signal
import socket
import stat
import time

import pytest


@pytest.fixture
def used(smtpd):
    """A server that accepted, refused and deferred something."""
    s = smtpd(MAX_RECIPIENTS="2", MAX_SIZE="2000", MIN_SPARE="2")
    with s.hello() as c:
        for _ in range(7):
            c.message("a@one.test", "b@two.test", text="x" * 98 + "\r\n")
        c.envelope("a@b", "c@d")
        c.expect("RCPT TO:<e@f>", "452 ")
        assert c.data("x" * 3000 + "\r\n").code == 552
        c.quit()
    return s


def test_the_plain_text(used):
    for request in (b"", b"hello\r\n", b"GET /other HTTP/1.0\r\n\r\n"):
        text = used.query(request)
        assert not text.startswith("HTTP"), text
        numbers = dict(line.split()[:2] for line in text.splitlines()
                       if len(line.split()) == 2)
        assert int(numbers["accepted"]) == 7
        assert int(numbers["bytes"]) == 700
        assert int(numbers["refused"]) >= 1
        assert int(numbers["children"]) == len(used.children())
        for key in ("rate", "sync_us"):
            float(numbers[key])


def check_prometheus(text):
    """The text format 0.0.4: each sample has its TYPE before it, once; gives
    {name with labels: value}."""
    types, samples = {}, {}
    assert text.endswith("\n")
    for line in text.splitlines():
        match = re.fullmatch(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)",
                             line)
        if match:
            what, name, rest = match.groups()
            assert (what, name) not in types, line
            types[what, name] = rest
            if what == "TYPE":
                assert rest in ("counter", "gauge", "histogram", "summary")
            continue
        match = re.fullmatch(
            r"([a-zA-Z_:][a-zA-Z0-9_:]*)"
            r'(\{[a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*"'
            r'(?:,[a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*")*\})? '
            r"(-?[0-9.e+-]+|\+Inf|NaN)", line)
        assert match, line
        name, labels, value = match.groups()
        base = re.sub("_(sum|count|bucket)$", "", name)
        assert ("TYPE", name) in types or ("TYPE", base) in types, line
        assert ("HELP", name) in types or ("HELP", base) in types, line
        if types.get(("TYPE", name)) == "counter":
            assert name.endswith("_total"), name
        assert name + (labels or "") not in samples, line
        samples[name + (labels or "")] = float(value)
    return samples


def test_prometheus(used):
    for request in (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET /metrics HTTP/1.0\r\n\r\n"):
        answer = used.query(request)
        head, _, body = answer.partition("\r\n\r\n")
        assert re.match(r"HTTP/1\.[01] 200 ", head)
        assert re.search(r"(?im)^content-type: text/plain; version=0\.0\.4",
                         head)
        length = re.search(r"(?im)^content-length: (\d+)", head)
        assert length is None or int(length.group(1)) == len(body)
        samples = check_prometheus(body)
        accepted, = [v for k, v in samples.items()
                     if re.search(r"accepted\w*_total$", k)]
        assert accepted == 7
        octets, = [v for k, v in samples.items()
                   if re.search(r"bytes\w*_total$", k)]
        assert octets == 700


def test_the_request_may_come_in_pieces(used):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(used.status)
        s.settimeout(30)
        for piece in (b"GET /met", b"rics HTTP/1.1\r\n", b"\r\n"):
            s.sendall(piece)
            time.sleep(0.01)
        assert s.recv(100).startswith(b"HTTP/1.")


def test_slow_readers_of_the_status_block_nobody(used):
    held = []
    for _ in range(20):
        s = socket.socket(socket.AF_UNIX)
        s.connect(used.status)
        held.append(s)
    assert "accepted" in used.query()
    used.send("a@b.test", text="x\r\n")
    assert used.counters()["accepted"] == 8
    for s in held:
        s.close()


def test_counters_outlive_their_children(used):
    for pid in used.children():
        os.kill(pid, signal.SIGTERM)
    used.wait_until(lambda: used.serving(), "new children")
    used.send()
    used.hup()
    used.send()
    assert used.counters()["accepted"] == 9


def test_the_mode_of_the_socket(used):
    st = os.stat(used.status)
    assert stat.S_ISSOCK(st.st_mode)
    assert stat.S_IMODE(st.st_mode) == 0o660
    used.stop()


def test_an_old_socket_is_replaced(smtpd):
    s = smtpd()
    os.kill(s.pid(), signal.SIGKILL)
    s.process.wait()
    end = time.monotonic() + 30
    while s.is_listening() and time.monotonic() < end:
        time.sleep(0.02)
    s.start()
    assert "accepted" in s.query()


def test_none_makes_no_socket(smtpd):
    s = smtpd(STATUS_SOCKET="none")
    s.send()
    assert os.listdir(s.folder + "/run") == []


def test_sigusr1_writes_them_to_the_log(used):
    used.signal(signal.SIGUSR1)
    used.wait_until(lambda: used.lines("accepted=7"), "the counters")
    used.send()


def test_refusals_are_in_the_log(used):
    assert used.lines("552") or used.lines("status=refused") or \
        used.lines("5.3.4")


def test_no_text_and_no_control_characters_in_the_log(smtpd):
    s = smtpd()
    with s.client() as c:
        c.send(b"EHLO a\x1b[31m\r\n")
        c.reply()
        c.send(b"FOO \x1b]0;x\x07\xff\r\n")
        c.reply()
        c.ehlo()
        c.expect('MAIL FROM:<"x status=sent to=<root>"@from.test>', "250 ")
        c.expect("RCPT TO:<bob@to.test>", "250 ")
        c.data("Subject: a secret\r\n\r\nhunter2\r\n")
        c.quit()
    log = s.log()
    assert "hunter2" not in log and "secret" not in log
    assert not re.search(r"[^\n\t\x20-\x7e]", log)
    line, = s.lines("from=")
    # The words of a sender are no keys: nothing in <> ends it.
    assert re.findall(r" status=\w+", re.sub("<[^>]*>", "", line)) == [
        " status=accepted"], line


def test_syslog(smtpd):
    """Opened before the children are confined; one datagram a line."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        log.settimeout(10)
        try:
            s = smtpd(LOG="syslog")
            s.send("bob@to.test")
            got = b""
            while b"to=<bob@to.test>" not in got:
                got = log.recv(9000)
            # <facility of mail, informational>
            assert re.match(rb"<22>.*dma-smtpd(\[\d+\])?: id=", got), got
            assert s.lines("to=<bob") == []
        finally:
            os.unlink("/dev/log")
