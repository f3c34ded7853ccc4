"""STARTTLS."""
import re
import ssl
import subprocess
import time

import pytest

import client as clients


@pytest.fixture
def server(smtpd, certificate):
    return smtpd(CERTIFICATE=certificate["smart"], DURABLE="none",
                 PRIVATE_KEY=certificate["smart"], COMMAND_TIMEOUT="20")


def versions(*names):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if names:
        context.minimum_version = context.maximum_version = \
            ssl.TLSVersion[names[0]]
    return context


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_message_over_tls(server, certificate, version):
    context = ssl.create_default_context(cafile=certificate["ca"])
    context.minimum_version = context.maximum_version = \
        ssl.TLSVersion[version]
    with server.hello() as c:
        assert "STARTTLS" in c.capabilities()
        c.starttls(context)
        # It is a new session: nothing that was said before counts.
        c.expect("MAIL FROM:<a@b>", "503 ")
        assert "STARTTLS" not in c.capabilities()
        c.expect("STARTTLS", "503 5.5.1 ")
        big = b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n"
        big += b"y" * 998 + b"\r\n" * 3000
        c.message(text=big)
        cipher = c.sock.cipher()[0]
        c.quit()
    m = server.only()
    assert m.text == big
    assert " with ESMTPS" in m.received
    assert cipher in m.received
    line, = server.lines("from=<ann@from.test>")
    assert " proto=ESMTPS " in line and cipher in line


def rest(c):
    """What comes until the server closes, as bytes."""
    got = b""
    try:
        while piece := c.sock.recv(1000):
            got += piece
    except OSError:
        pass
    return got


def test_old_versions_are_refused(server):
    """The hello of a client that has TLS 1.0 and nothing newer."""
    with server.hello() as c:
        c.expect("STARTTLS", "220 ")
        c.send(bytes.fromhex("160301002d010000290301") + b"r" * 32 +
               bytes.fromhex("000002002f0100"))
        got = rest(c)
        assert got == b"" or got[0] == 21, got      # an alert
    assert server.lines("client=127.0.0.1 status=closed: TLS handshake "
                        "failed: unsupported protocol")
    server.send()


@pytest.mark.parametrize("behind", [
    b"EHLO evil\r\n", b"MAIL FROM:<evil@from.test>\r\n", b"\r\n", b"x",
    b"\x16"])
def test_bytes_after_starttls_end_the_session(server, behind):
    """In the same segment: what was sent in the clear is never taken for
    what came over TLS."""
    with server.hello() as c:
        c.send(b"STARTTLS\r\n" + behind)
        assert re.fullmatch("(220 [^\n]*\r\n)?(5[^\n]*\r\n)?",
                            c.wait_closed())
    server.send()


def test_injection_before_the_handshake(server):
    """The same a moment later, when it is no TLS."""
    with server.hello() as c:
        c.expect("STARTTLS", "220 ")
        c.send(b"MAIL FROM:<evil@from.test>\r\nRCPT TO:<bob@to.test>\r\n")
        assert b"250" not in rest(c)
    server.send()
    assert server.only().sender == "<ann@from.test>"


def test_a_stuck_handshake_blocks_nobody(smtpd, certificate):
    s = smtpd(CERTIFICATE=certificate["smart"], COMMAND_TIMEOUT="2",
              PRIVATE_KEY=certificate["smart"], MIN_SPARE="1",
              MAX_SPARE="1", MAX_CHILDREN="1")
    stuck = []
    for n in range(12):
        c = s.hello()
        c.expect("STARTTLS", "220 ")
        c.send(bytes.fromhex("1603010200010001fc0303")[:n])
        stuck.append(c)
    for _ in range(3):
        with s.hello() as c:
            c.starttls()
            c.ehlo()
            c.message()
            c.quit()
    for c in stuck:
        c.wait_closed()
        c.close()


def test_a_handshake_in_single_bytes(server):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = versions().wrap_bio(incoming, outgoing)
    with server.hello() as c:
        c.expect("STARTTLS", "220 ")

        def drive(call):
            while True:
                try:
                    value = call()
                except ssl.SSLWantReadError:
                    value = None
                for byte in outgoing.read():
                    c.sock.sendall(bytes([byte]))
                if value is not None:
                    return value
                incoming.write(c.sock.recv(65536))
        drive(lambda: tls.do_handshake() or True)
        assert drive(lambda: tls.write(b"EHLO a.test\r\n")) == 13
        assert drive(lambda: tls.read(1000)).startswith(b"250-")


def test_closing_in_the_middle(server):
    for leave in ("close", "reset"):
        c = server.hello()
        c.starttls()
        c.ehlo()
        c.envelope()
        c.expect("DATA", "354 ")
        c.send("half a l")
        getattr(c, leave)()
    server.send()
    assert len(server.tree.paths()) == 1


def test_quit_sends_a_close_notify(server):
    with server.hello() as c:
        c.starttls()
        c.ehlo()
        c.expect("QUIT", "221 ")
        assert c.sock.recv(10) == b""


def s_client(server, data, *args):
    """openssl s_client, which sends these lines; what it prints."""
    return subprocess.run(
        ["openssl", "s_client", "-starttls", "smtp", "-crlf", "-ign_eof",
         "-connect", "127.0.0.1:%d" % server.port, *args], input=data,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=60).stdout.decode()


def test_renegotiation_harms_nobody(server):
    before = server.children()
    subprocess.run(
        ["openssl", "s_client", "-starttls", "smtp", "-tls1_2", "-connect",
         "127.0.0.1:%d" % server.port], input=b"R\nR\nEHLO a\n",
        capture_output=True, timeout=60)
    server.send()
    assert set(before) <= set(server.children())


def test_openssl_as_client(server, certificate):
    said = s_client(
        server, b"EHLO openssl.test\nMAIL FROM:<ann@from.test>\n"
        b"RCPT TO:<bob@to.test>\nDATA\nSubject: x\n\nhello\n.\nQUIT\n",
        "-verify_return_error", "-CAfile", certificate["ca"],
        "-verify_hostname", "smart.test")
    assert "221 2.0.0 " in said, said
    m = server.only()
    assert m.text == b"Subject: x\r\n\r\nhello\r\n"
    assert "ESMTPS" in m.received and "openssl.test" in m.received


def test_many_sessions_over_tls_at_once(server):
    made = []
    for i in range(30):
        c = server.hello()
        c.starttls()
        made.append(c)
    for i, c in enumerate(made):
        c.ehlo()
        c.envelope("r%d@to.test" % i)
        c.expect("DATA", "354 ")
    for i, c in enumerate(made):
        c.send(b"x" * 40000 + b"\r\n%d\r\n.\r\n" % i)
    for c in made:
        assert c.reply().code == 250
        c.quit()
    got = {m.to[0]: m.text for m in server.tree.messages()}
    assert got == {"r%d@to.test" % i: b"x" * 40000 + b"\r\n%d\r\n" % i
                   for i in range(30)}


def test_a_new_certificate_comes_with_sighup(smtpd, certificate):
    s = smtpd(CERTIFICATE=certificate["smart"],
              PRIVATE_KEY=certificate["smart"])

    def names():
        context = ssl.create_default_context(cafile=certificate["ca"])
        context.check_hostname = False
        with clients.hello(s.port) as c:
            c.starttls(context)
            found = [v for _, v in c.sock.getpeercert()["subjectAltName"]]
            c.ehlo()
            c.quit()
        return found
    assert "smart.test" in names()
    s.write_conf({"CERTIFICATE": certificate["other"],
                  "PRIVATE_KEY": certificate["other"]})
    s.hup()
    assert names() == ["other.test"]
    # A pair that is none: the old one stays.
    s.write_conf({"CERTIFICATE": certificate["other"],
                  "PRIVATE_KEY": certificate["smart"]})
    s.signal(1)
    s.wait_until(lambda: s.lines(certificate["smart"]), "the error")
    time.sleep(0.1)
    assert names() == ["other.test"]
