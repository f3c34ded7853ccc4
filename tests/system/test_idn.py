"""Internationalized domain names leave as DNS and SMTP have them."""
import re
import subprocess

import pytest

from dns_peer import A, MX, NameServer
from smtp_peer import Script
from test_login import login

pytestmark = pytest.mark.skipif(
    "libidn2" not in subprocess.run(
        ["ldd", "/usr/libexec/dma/dma-remote"], stdout=subprocess.PIPE,
        check=False).stdout.decode(), reason="built without libidn2")
U, ALABEL = "müller.example", "xn--mller-kva.example"
CAPS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 0")


def servers():
    return NameServer({(ALABEL, MX): [(10, "mx." + ALABEL)],
                       ("mx." + ALABEL, A): ["127.0.0.11"]})


@pytest.mark.parametrize("name", (U, "MÜLLER.example", ALABEL))
def test_c13_by_mx(world, exchangers, name):
    p = exchangers(11, Script(capabilities=CAPS))
    with servers():
        world.send("info@" + name)
        world.wait_quiet()
    t, = p.taken
    assert t.accepted == ["info@" + ALABEL]
    assert "SMTPUTF8" not in t.mail


def test_c13_local_part_beyond_ascii_by_mx(world, exchangers):
    p = exchangers(11, Script(capabilities=CAPS))
    with servers():
        world.send("jörg@" + U)
        world.wait_quiet()
    assert "SMTPUTF8" in p.taken[0].mail


@pytest.mark.parametrize("caps", (CAPS, CAPS[:2], ()))
def test_c13_by_relay(world, peer, caps):
    """Envelope and header: no SMTPUTF8 is needed for any of them."""
    p = peer(Script(capabilities=caps))
    world.smarthost(p, MAILNAME="grüße.test")
    world.send("info@" + U, input="From: Jürg <juerg@grüße.test>\n"
               "To: <info@%s>, root@grüße.test (x)\nSubject: Grüße\n\nx\n" % U)
    world.wait_quiet()
    t, = p.taken
    assert t.mail.startswith("FROM:<alice@xn--gre-6ka8l.test>")
    assert t.accepted == ["info@" + ALABEL]
    assert "SMTPUTF8" not in t.mail and t.data.isascii()
    assert p.connections[0].commands[0] == "EHLO xn--gre-6ka8l.test"
    assert b"<juerg@xn--gre-6ka8l.test>" in t.header
    assert b"<info@xn--mller-kva.example>, root@xn--gre-6ka8l.test (x)" in \
        re.sub(rb"\r\n[ \t]+", b" ", t.header)
    assert b"by xn--gre-6ka8l.test" in t.header


def test_c13_name_of_a_relay_and_of_its_login(world, peer, certs):
    p = peer(login(auth=("PLAIN",), user="me", password="word", tls=None))
    with NameServer({("xn--grn-ioa.test", A): ["127.0.0.1"]}):
        world.write_conf({"SMARTHOST": "grün.test:%d" % p.port,
                          "INSECURE": "", "TLS": "opportunistic"})
        world.write_auth("me|grün.test:word\n")
        world.send("ann@far.test")
        world.wait_quiet()
    assert p.logins == [("PLAIN", "me", True)]


@pytest.mark.parametrize("bad", ("a" + "ü" * 60 + ".test", "-ü.test",
                                 "a\u0301\u0378.test"))
def test_c13_bad_label_fails_with_a_reason(world, peer, bad):
    p = peer(Script(capabilities=CAPS))
    world.smarthost(p)
    done = world.run(["sendmail", "x@" + bad, "ann@far.test"], user="alice",
                     input=b"Subject: s\n\nx\n")
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]
    if done.returncode == 0 and not done.stderr:
        bounce, = world.wait_mail("alice")
        assert b"is not a domain name" in bounce.text
