"""Real mail software sends to dma-smtpd."""
import os
import pwd
import re
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "smtpd"))

import intake   # noqa: E402
import smtp_clients     # noqa: E402
from fixtures import certificate, machine, smtpd    # noqa: E402,F401

TEXT = "Subject: %d\r\n\r\n.a line with a dot\r\n.\r\nlast %d\r\n"


@pytest.fixture(params=["postfix", "postfix, TLS", "opensmtpd",
                        "opensmtpd, TLS"])
def relayed(request, smtpd, certificate):   # noqa: F811
    """A server, and a relay before it."""
    s = smtpd(CERTIFICATE=certificate["smart"])
    kind, _, tls = request.param.partition(", ")
    own = next(intake.ports)
    relay = (smtp_clients.Postfix(own, s.port, "encrypt" if tls else "none")
             if kind == "postfix" else
             smtp_clients.OpenSMTPD(own, s.port, bool(tls)))
    with relay:
        yield s, relay, bool(tls)


def test_a_relay(relayed):
    """Every message comes once, as it was sent."""
    s, relay, is_tls = relayed
    n = 60
    for i in range(n):
        relay.send("s%d@from.test" % i,
                   ["u%d@d%d.test" % (i, i % 4), "v%d@other.test" % i],
                   TEXT % (i, i))
    intake.wait_until(relay.is_empty, "the relay's queue", 60)
    got = {}
    for m in s.tree.messages():
        number = re.match(r"<s(\d+)@from.test>", m.sender).group(1)
        got.setdefault(int(number), []).append(m)
    assert sorted(got) == list(range(n))
    for i, parts in got.items():
        assert sorted(to for m in parts for to in m.to) == [
            "u%d@d%d.test" % (i, i % 4), "v%d@other.test" % i]
        for m in parts:
            assert m.text.endswith((TEXT % (i, i)).partition("\r\n\r\n")[2]
                                   .encode())
            assert (" with ESMTPS " in m.received) == is_tls


def test_what_postfix_passes_on(smtpd):     # noqa: F811
    """DSN, SMTPUTF8, 8BITMIME, the null sender, long lines, large texts."""
    s = smtpd(MAX_SIZE="20M")
    cases = [
        ("ann@from.test", "bob@to.test", ("ret=HDRS", "envid=abc+2B1"),
         ("NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;x@to.test")),
        ("", "bob@to.test", (), ()),
        ("ann@from.test", "bob@to.test", ("BODY=8BITMIME",), ()),
        ("grüße@from.test", "jörg@müller.test", ("SMTPUTF8",), ())]
    with smtp_clients.Postfix(next(intake.ports), s.port) as relay:
        for sender, recipient, options, rcpt_options in cases:
            relay.send(sender, [recipient], "Subject: x\r\n\r\nü\r\n".encode(),
                       options, rcpt_options)
            intake.wait_until(relay.is_empty, "the relay's queue")
            m = s.only()
            assert m.sender.startswith("<%s>" % sender)
            assert m.to == [recipient]
            for option in options:
                assert option.lower() in m.sender.lower(), m.sender
            for option in rcpt_options:
                assert option in m.forward[0], m.forward
            assert m.text.endswith("\r\n\r\nü\r\n".encode())
            s.tree.empty()
        big = "Subject: big\r\n\r\n" + ("x" * 70 + "\r\n") * 100000
        relay.send("ann@from.test", ["bob@to.test"], big)
        intake.wait_until(relay.is_empty, "the relay's queue")
        assert s.only().text.endswith(big[20:].encode())


@pytest.mark.parametrize("options, n, recipients", [
    (("-s", "1", "-m", "50"), 50, 1), (("-s", "20", "-m", "200"), 200, 1),
    (("-s", "5", "-m", "50", "-d"), 50, 1),
    (("-s", "5", "-m", "20", "-r", "50"), 20, 50)])
def test_smtp_source(smtpd, options, n, recipients):    # noqa: F811
    s = smtpd(DURABLE="full")
    done = subprocess.run(
        ["smtp-source", *options, "-l", "4096", "-f", "ann@from.test", "-t",
         "bob@to.test", "127.0.0.1:%d" % s.port], capture_output=True,
        timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    got = s.tree.messages()
    assert len(got) == n
    assert {len(m.forward) for m in got} == {recipients}
    assert len({len(m.text) for m in got}) <= 4


@pytest.mark.parametrize("more", [(), ("--tls",), ("--protocol", "SMTP"),
                                  ("--pipeline",)])
def test_swaks(smtpd, certificate, more):   # noqa: F811
    s = smtpd(CERTIFICATE=certificate["smart"])
    done = subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(s.port), "--from",
         "ann@from.test", "--to", "bob@to.test,amy@other.test", "--helo",
         "swaks.test", "--h-Subject", "from swaks", "--body", "hello\n.\n",
         *more], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout
    m = s.only()
    assert m.to == ["bob@to.test", "amy@other.test"]
    assert b"Subject: from swaks\r\n" in m.text
    proto = ("ESMTPS" if "--tls" in more else "SMTP" if "SMTP" in more
             else "ESMTP")
    assert " with %s " % proto in m.received


@pytest.mark.parametrize("how", ["send-proxy", "send-proxy-v2",
                                 "send-proxy-v2 check-send-proxy"])
def test_behind_haproxy(smtpd, how):    # noqa: F811
    """The client's address is in Received; health checks harm nobody."""
    s = smtpd(PROXY_FROM="127.0.0.9", MAX_CONNECTIONS_PER_ADDRESS="3")
    own = next(intake.ports)
    with smtp_clients.HAProxy(own, s.port, how):
        time.sleep(0.5)     # some checks
        for source in ("127.0.0.31", "127.0.0.32"):
            held = [intake.Client(own, source=source) for _ in range(3)]
            assert all(c.banner.startswith("220 ") for c in held)
            with intake.Client(own, source=source) as c:
                assert c.banner.startswith("421 4.7.0 ")
            held[0].ehlo()
            held[0].message(sender="%s@from.test" % source)
            for c in held:
                c.quit()
    got = {m.sender: m.received for m in s.tree.messages()}
    for source in ("127.0.0.31", "127.0.0.32"):
        assert "([%s])" % source in got["<%s@from.test>" % source]


def test_from_postfix_through_all_to_a_mailbox(smtpd, world):   # noqa: F811
    """Postfix, dma-smtpd, the tree, dma-smtpd-drain, dma, the mailbox."""
    s = smtpd()
    with smtp_clients.Postfix(next(intake.ports), s.port) as relay:
        for i in range(40):
            relay.send("s%d@from.test" % i, ["alice@host.test"],
                       TEXT % (i, i))
        intake.wait_until(relay.is_empty, "the relay's queue")
    s.stop()
    now = time.time()
    for i, path in enumerate(s.tree.files()):
        folder = "%s/%s/host.test" % (s.root, time.strftime(
            "%Y%m%d%H%M", time.gmtime(now - 60 * (3 + i % 5))))
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, pwd.getpwnam(intake.USER).pw_uid, -1)
        os.chown(os.path.dirname(folder), pwd.getpwnam(
            intake.USER).pw_uid, -1)
        os.rename(path, folder + "/" + os.path.basename(path))
    done = subprocess.run([intake.DRAIN, s.root], capture_output=True,
                          timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    got = world.wait_mail("alice", 40, 60)
    assert sorted(int(m["Subject"]) for m in got) == list(range(40))
    assert all(b".a line with a dot\n.\nlast " in m.body for m in got)
