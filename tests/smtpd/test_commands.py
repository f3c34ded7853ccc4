"""Commands and replies, one by one."""
import re

import pytest

MAIL = ("MAIL FROM:<ann@from.test>", "250 2.1.0 ")
RCPT = ("RCPT TO:<bob@to.test>", "250 2.1.5 ")
EHLO = ("EHLO client.test", "250-")
LONG = "a" * 63
UTF8 = ("MAIL FROM:<grüße@müller.test> SMTPUTF8", "250 ")

# Each is a session after the banner: commands and how their replies begin.
DIALOGUES = {
    "HELO": [("HELO client.test", "250 "), ("NOOP", "250 ")],
    "HELO with a literal": [("HELO [192.0.2.1]", "250 ")],
    "EHLO with a literal": [("EHLO [IPv6:2001:db8::1]", "250-")],
    "EHLO with an underscore": [("EHLO my_host", "250-")],
    "EHLO with U-labels": [("EHLO müller.test", "250-")],
    "EHLO without a name": [("EHLO", "501 5.5.4 "), ("HELO", "501 5.5.4 ")],
    "EHLO with two names": [("EHLO a b", "501 5.5.4 ")],
    "EHLO with a bad name": [("EHLO -<>", "501 5.5.4 ")],
    "case does not matter": [
        ("ehlo client.test", "250-"), ("mail from:<a@b>", "250 "),
        ("Rcpt To:<b@c>", "250 "), ("rSet", "250 "), ("quit", "221 2.0.0 ")],
    "no MAIL before EHLO": [
        ("MAIL FROM:<a@b>", "503 5.5.1 "), ("RCPT TO:<a@b>", "503 5.5.1 "),
        ("DATA", "503 5.5.1 "), ("RSET", "250 "), ("NOOP", "250 "),
        ("VRFY ann", "25?[02]"), EHLO, MAIL],
    "no RCPT before MAIL": [EHLO, ("RCPT TO:<a@b>", "503 5.5.1 ")],
    "no DATA before RCPT": [EHLO, ("DATA", "503 5.5.1 "), MAIL,
                            ("DATA", "503 5.5.1 "), RCPT],
    "no second MAIL": [EHLO, MAIL, MAIL[:1] + ("503 5.5.1 ",), RCPT],
    "no DATA when all recipients were refused": [
        EHLO, MAIL, ("RCPT TO:<", "501 "), ("DATA", "503 5.5.1 ")],
    "RSET ends a transaction": [
        EHLO, MAIL, RCPT, ("RSET", "250 2.0.0 "), ("DATA", "503 5.5.1 "),
        ("RCPT TO:<a@b>", "503 5.5.1 "), MAIL, RCPT],
    "EHLO ends a transaction": [
        EHLO, MAIL, RCPT, EHLO, ("DATA", "503 5.5.1 "), MAIL],
    "HELO ends a transaction": [
        EHLO, MAIL, RCPT, ("HELO a.test", "250 "), ("RCPT TO:<a@b>", "503 ")],
    "NOOP": [("NOOP", "250 2.0.0 "), ("NOOP what ever", "250 2.0.0 "), EHLO,
             MAIL, ("NOOP", "250 2.0.0 "), RCPT],
    "VRFY": [EHLO, ("VRFY ann", "252 2.[0-9].[0-9] ")],
    "VRFY without a name": [EHLO, ("VRFY", "(252|501) ")],
    "EXPN": [EHLO, ("EXPN list", "502 5.5.1 ")],
    "HELP": [("HELP", "214"), EHLO, ("HELP MAIL", "214")],
    "STARTTLS without a certificate": [EHLO, ("STARTTLS", "502 5.5.1 ")],
    "unknown commands": [
        ("FOO", "500 5.5.[12] "), EHLO, ("XCLIENT ADDR=192.0.2.1", "500 "),
        ("XFORWARD ADDR=192.0.2.1", "500 "), ("AUTH PLAIN AGEAYg==", "50"),
        ("TURN", "50"), ("ETRN x", "50"), ("SEND FROM:<a@b>", "50"),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2", "500 "), MAIL],
    "empty lines": [("", "500 5.5.[12] "), EHLO, ("", "500 "),
                    (" NOOP", "500 ")],
    "RSET and DATA take no argument": [
        EHLO, ("RSET now", "501 5.5.4 "), MAIL, RCPT,
        ("DATA now", "501 5.5.4 ")],
    "bytes that no command has": [
        (b"\xff\xfe", "500 "), (b"EHLO a\x00b", "50[01] "),
        (b"NOOP \x80", "(250|50[01]) "), EHLO],
    "the null sender": [EHLO, ("MAIL FROM:<>", "250 2.1.0 "), RCPT],
    "postmaster alone": [EHLO, MAIL, ("RCPT TO:<Postmaster>", "250 "),
                         ("RCPT TO:<postMASTER>", "250 "),
                         ("RCPT TO:<other>", "501 5.1.3 ")],
    "source routes": [
        EHLO, ("MAIL FROM:<@one.test,@two.test:a@b.test>", "250 "),
        ("RCPT TO:<@one.test:b@c.test>", "250 ")],
    "quoted local parts": [
        EHLO, ('MAIL FROM:<"a b"@from.test>', "250 "),
        (r'RCPT TO:<"a\"b>c"@to.test>', "250 "),
        ('RCPT TO:<"a"b@to.test>', "501 ")],
    "literals": [
        EHLO, ("MAIL FROM:<a@[192.0.2.1]>", "250 "),
        ("RCPT TO:<b@[IPv6:2001:db8::1]>", "250 "),
        ("RCPT TO:<b@[192.0.2.256]>", "501 "), ("RCPT TO:<b@[]>", "501 ")],
    "bad paths": [
        EHLO] + [("MAIL FROM:" + x, "501 5.(1.7|5.2|5.4) ") for x in (
            "", "ann@from.test", "<ann@from.test", "ann@from.test>",
            " <ann@from.test>", "<ann@>", "<@from.test>", "<ann>",
            "<a b@from.test>", "<a@b@c>", "<.a@b>", "<a..b@c>", "<a.@b>",
            "<a@b..c>", "<a@.b>", "<a@-b.c>",
            "<a,b@c>", "<a@b>x", "<<a@b>>")],
    "bad recipients": [
        EHLO, MAIL] + [("RCPT TO:" + x, "501 5.(1.3|5.2|5.4) ") for x in (
            "", "<>", "b@c", "<b@c", " <b@c>", "<b>", "<b@c d>")],
    "long paths": [
        EHLO, ("MAIL FROM:<%s@b.test>" % ("a" * 64), "250 "),
        ("RCPT TO:<%s@b.test>" % ("a" * 65), "501 5.1.3 "),
        ("RCPT TO:<b@%s.test>" % ".".join([LONG] * 3), "250 "),
        ("RCPT TO:<b@%s.test>" % ".".join([LONG] * 4), "501 5.1.3 ")],
    "unknown parameters": [
        EHLO, ("MAIL FROM:<a@b> FOO=1", "555 5.5.4 "),
        ("MAIL FROM:<a@b> AUTH=<>", "555 5.5.4 "),
        ("MAIL FROM:<a@b> BODY=BINARYMIME", "(501|555) 5.5.4 "), MAIL,
        ("RCPT TO:<a@b> FOO", "555 5.5.4 "),
        ("RCPT TO:<a@b> SIZE=1", "555 5.5.4 ")],
    "values of parameters": [
        EHLO, ("MAIL FROM:<a@b> SIZE=x", "501 5.5.4 "),
        ("MAIL FROM:<a@b> SIZE", "501 5.5.4 "),
        ("MAIL FROM:<a@b> SIZE=-1", "501 5.5.4 "),
        ("MAIL FROM:<a@b> SIZE=1 SIZE=1", "501 5.5.4 "),
        ("MAIL FROM:<a@b> SIZE=123456789012345678901", "501 5.5.4 "),
        ("MAIL FROM:<a@b> SIZE=12345678901234567890", "552 5.3.4 "),
        ("MAIL FROM:<a@b> BODY=9BIT", "(501|555) 5.5.4 "),
        ("MAIL FROM:<a@b> RET=ALL", "501 5.5.4 "),
        ("MAIL FROM:<a@b> ENVID=a+b", "501 5.5.4 "),
        ("MAIL FROM:<a@b> SMTPUTF8=1", "501 5.5.4 "),
        ("MAIL FROM:<a@b> body=8bitmime size=1 ret=hdrs envid=x smtputf8",
         "250 "),
        ("RCPT TO:<a@b> NOTIFY=", "501 5.5.4 "),
        ("RCPT TO:<a@b> NOTIFY=NEVER,FAILURE", "501 5.5.4 "),
        ("RCPT TO:<a@b> NOTIFY=OFTEN", "501 5.5.4 "),
        ("RCPT TO:<a@b> ORCPT=nobody", "501 5.5.4 "),
        ("RCPT TO:<a@b> ORCPT=rfc822;a+ZZ", "501 5.5.4 "),
        ("RCPT TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a+2Bb@c",
         "250 ")],
    "UTF-8 takes SMTPUTF8": [
        EHLO, ("MAIL FROM:<grüße@müller.test>", "55[03] 5.6.7 "), MAIL,
        ("RCPT TO:<grüße@müller.test>", "55[03] 5.6.7 "), ("RSET", "250 "),
        UTF8, ("RCPT TO:<jörg@müller.test>", "250 ")],
    "UTF-8 that is none": [
        EHLO, (b"MAIL FROM:<\xc3(@b.test> SMTPUTF8", "501 "),
        (b"MAIL FROM:<\xed\xa0\x80@b.test> SMTPUTF8", "501 "),
        (b"MAIL FROM:<\xc0\xaf@b.test> SMTPUTF8", "501 ")],
    "BDAT": [
        EHLO, ("BDAT 0", "503 5.5.1 "), MAIL, ("BDAT 0", "503 5.5.1 "),
        ("RSET", "250 "), MAIL, RCPT, ("BDAT 0", "250 "), ("RSET", "250 ")],
    "no DATA after BDAT": [
        EHLO, MAIL, RCPT, ("BDAT 0", "250 "), ("DATA", "503 5.5.1 "),
        ("RSET", "250 ")],
    "a bare CR in a command": [
        (b"NOOP\rNOOP", "50[01] 5.5.[24] "), EHLO],
    "QUIT": [("QUIT", "221 2.0.0 ")],
}
ENHANCED = re.compile(r"([245])\d\d[ -]\1\.\d{1,3}\.\d{1,3} ")


@pytest.fixture(scope="module")
def server(module_smtpd):
    return module_smtpd(MAX_ERRORS="1000")


@pytest.mark.parametrize("name", DIALOGUES)
def test_a_dialogue(server, name):
    with server.client() as c:
        reply = ""
        for line, pattern in DIALOGUES[name]:
            c.send(line if isinstance(line, bytes) else line.encode())
            c.send(b"\r\n")
            reply = c.reply()
            assert re.match(pattern, reply), (line, reply, pattern)
            if not re.match("(?i)(EHLO|HELO) .*", str(line)) or \
                    reply.code != 250:
                for one in reply.split("\n"):
                    assert ENHANCED.match(one), (line, one)
        if reply.code != 221:
            c.quit()
    assert server.tree.paths() == []


def test_the_banner_and_what_ehlo_offers(smtpd):
    s = smtpd(MAX_SIZE="12345", MAX_RECIPIENTS="77")
    with s.client() as c:
        assert re.match(r"220 \S+ ESMTP", c.banner)
        offered = c.capabilities()
        assert offered.pop("SIZE") == "12345"
        assert "RCPTMAX=77" in offered.pop("LIMITS").split()
        assert offered == dict.fromkeys((
            "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN",
            "ENHANCEDSTATUSCODES", "CHUNKING"), "")
        c.expect("HELO client.test", "250 [^\n]*$")
        c.quit()


@pytest.mark.parametrize("args", [
    "", "x", "-1", "+1", "1 FIRST", "1 LAST LAST", "0x10", "1.5",
    "99999999999999999999999", "LAST"])
def test_a_chunk_of_unknown_size_ends_the_session(server, args):
    """Where the next command begins cannot be known."""
    with server.hello() as c:
        c.envelope()
        c.expect(("BDAT " + args).strip(), "501 5.5.4 ")
        c.expect("RSET", "421 ")
        assert c.wait_closed() == ""


def test_a_bare_lf_ends_a_command_that_is_refused(server):
    """Nothing after it is taken for a part of the command; none of it is
    done."""
    with server.hello() as c:
        for line in ("MAIL FROM:<a@b>\n", "\n", "\0\n", "NOOP\r\r\n"):
            c.send(line)
            assert c.reply().startswith("500 5.5.2 "), line
        c.expect("RCPT TO:<c@d>", "503 ")
        c.expect("MAIL FROM:<a@b>", "250 ")
        c.quit()


def test_bytes_after_quit_are_not_read(server):
    with server.client() as c:
        c.send("QUIT\r\nEHLO x\r\nMAIL FROM:<a@b>\r\n")
        assert c.reply().code == 221
        assert c.wait_closed() == ""


def test_a_client_that_leaves(server):
    """At each point, in an orderly way or not: nothing is stored and others
    are served."""
    steps = [b"EHLO c.test\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n",
             b"DATA\r\n", b"Subject: x\r\n\r\nhalf a l"]
    for n in range(len(steps) + 1):
        for leave in ("close", "reset"):
            c = server.client()
            for step in steps[:n]:
                c.send(step)
                if step in steps[:4]:
                    c.reply()
            getattr(c, leave)()
    for leave in ("close", "reset"):
        c = server.hello()
        c.envelope()
        c.send("BDAT 100 LAST\r\nhalf")
        getattr(c, leave)()
    with server.client() as c:
        c.ehlo()
        c.quit()
    assert server.tree.paths() == []
    assert server.tree.litter() == []
