"""The lines before a message, exactly."""
import email.utils
import re
import time

import pytest


@pytest.fixture(scope="module")
def server(module_smtpd):
    return module_smtpd(DURABLE="none")


@pytest.fixture(autouse=True)
def emptied(server):
    yield
    server.tree.empty()


# MAIL, RCPTs; the lines.
LINES = {
    "plain": (
        "<ann@from.test>", ["<bob@to.test>"],
        ["Forward-Path: <bob@to.test>", "Return-Path: <ann@from.test>"]),
    "in the order of RCPT": (
        "<a@b>", ["<z@z.test>", "<a@a.test>", "<m@z.test>"],
        ["Forward-Path: <z@z.test>", "Forward-Path: <a@a.test>",
         "Forward-Path: <m@z.test>", "Return-Path: <a@b>"]),
    "the null sender": (
        "<>", ["<bob@to.test>"],
        ["Forward-Path: <bob@to.test>", "Return-Path: <>"]),
    "case and quotes": (
        '<"An N"@From.Test>', [r'<"B\"ob >"@To.TEST>', "<postMaster>"],
        [r'Forward-Path: <"B\"ob >"@To.TEST>', "Forward-Path: <postMaster>",
         'Return-Path: <"An N"@From.Test>']),
    "source routes are dropped": (
        "<@x.test,@y.test:ann@from.test>", ["<@x.test:bob@to.test>"],
        ["Forward-Path: <bob@to.test>", "Return-Path: <ann@from.test>"]),
    "DSN": (
        "<a@b> RET=HDRS ENVID=QQ314159",
        ["<c@d> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;c+2Bx@d",
         "<e@d> NOTIFY=NEVER", "<f@d>"],
        ["Forward-Path: <c@d> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;c+2Bx@d",
         "Forward-Path: <e@d> NOTIFY=NEVER", "Forward-Path: <f@d>",
         "Return-Path: <a@b> RET=HDRS ENVID=QQ314159"]),
    "8BITMIME, not SIZE": (
        "<a@b> BODY=8BITMIME SIZE=100", ["<c@d>"],
        ["Forward-Path: <c@d>", "Return-Path: <a@b> BODY=8BITMIME"]),
    "SMTPUTF8": (
        "<grüße@müller.test> SMTPUTF8", ["<jörg@Müller.test>"],
        ["Forward-Path: <jörg@Müller.test>",
         "Return-Path: <grüße@müller.test> SMTPUTF8"]),
    "all of them, in an order of its own": (
        "<a@b> SMTPUTF8 BODY=8BITMIME ENVID=x RET=FULL",
        ["<c@d> ORCPT=rfc822;x@y NOTIFY=DELAY"],
        None),
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("how", ["data", "bdat"])
def test_lines(server, name, how):
    sender, recipients, lines = LINES[name]
    text = b"Subject: x\r\n\r\nhello\r\n"
    with server.hello() as c:
        c.expect("MAIL FROM:" + sender, "250 ")
        for recipient in recipients:
            c.expect("RCPT TO:" + recipient, "250 ")
        reply = c.data(text) if how == "data" else c.bdat(text, last=True)
        assert reply.code == 250
        c.quit()
    m = server.only()
    head = m.raw[:m.raw.index(b"Received: ")].decode()
    if lines is None:
        first, last, end = head.split("\r\n")
        assert end == ""
        assert sorted(first.split()) == sorted(
            "Forward-Path: <c@d> ORCPT=rfc822;x@y NOTIFY=DELAY".split())
        assert sorted(last.split()) == sorted(
            "Return-Path: <a@b> SMTPUTF8 BODY=8BITMIME ENVID=x "
            "RET=FULL".split())
    else:
        assert head == "".join(line + "\r\n" for line in lines)
    assert m.text == text


PROTOCOLS = [("HELO client.test", "SMTP", ""),
             ("EHLO client.test", "ESMTP", ""),
             ("EHLO client.test", "UTF8SMTP", " SMTPUTF8"),
             ("EHLO [192.0.2.1]", "ESMTP", "")]


@pytest.mark.parametrize("hello, protocol, more", PROTOCOLS)
def test_received(server, hello, protocol, more):
    """RFC 5321 4.4: from, by, with, id, and the date."""
    before = int(time.time())
    with server.client() as c:
        name = c.banner.split()[1]
        c.expect(hello, "250")
        reply = c.message(more=more)
        c.quit()
    received = server.only().received
    match = re.fullmatch(
        r"from (\S+) \(\[127\.0\.0\.1\]\)\s+by (\S+)(?: \(.*?\))?\s+"
        r"with (\S+)(?: \(.*?\))?\s+id (\S+?)(?:\s+for <bob@to\.test>)?;"
        r"\s+(.*)", received)
    assert match, received
    helo, by, proto, ident, date = match.groups()
    assert helo == hello.split()[1] and by == name
    assert proto == protocol
    assert ident in reply
    when = email.utils.parsedate_to_datetime(date)
    assert when.utcoffset() is not None
    assert before - 1 <= when.timestamp() <= time.time() + 1
    assert server.lines("id=" + ident)
    assert max(len(x) for x in received.split("\r\n")) <= 998


def test_a_helo_cannot_forge_a_line(server):
    """Whatever EHLO is accepted with, Received is one field."""
    for name in ("a) by evil (b", "a\tb", "x;y", "(x", "\x7f", "a\\b",
                 "\x1b[1m"):
        with server.client() as c:
            c.send("EHLO %s\r\n" % name)
            if c.reply().code != 250:
                c.ehlo()
            c.message()
            c.quit()
        received = server.only().received
        assert len(re.findall(r"\sby\s", received)) == 1, received
        assert received.count(";") == 1, received
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", received)
        server.tree.empty()


def test_one_log_line_a_message(server):
    with server.hello() as c:
        ident = re.search(r"\S+$|id[= ](\S+)", c.message(
            "a@to.test", "b@other.test", sender="ann+log@from.test"))
        assert ident
        c.quit()
    line, = server.lines("from=<ann+log@from.test>")
    for pair in ("client=127.0.0.1", "helo=client.test", "size=24",
                 "proto=ESMTP", "id="):
        assert " " + pair in " " + line, line
    assert "to=<a@to.test>" in line and re.search(r"status=\w+", line)
    assert len(line) < 2000


def test_a_message_to_many_has_a_bounded_log_line(server):
    with server.hello() as c:
        c.message(*("%s%d@to.test" % ("x" * 50, i) for i in range(1000)),
                  sender="many@from.test")
        c.quit()
    line, = server.lines("from=<many@from.test>")
    assert len(line) <= 8192
