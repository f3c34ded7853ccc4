"""What leaves by SMTP: byte for byte where the host takes it, otherwise in a
form that the host takes and readers see as the same."""
import quopri
import re
import socket

import pytest
from aiosmtpd.controller import Controller

import message_corpus as corpus
from message_corpus import MESSAGES
from smtp_peer import Script

ALL = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 0", "ENHANCEDSTATUSCODES")
NO_UTF8 = tuple(c for c in ALL if c != "SMTPUTF8")
BARE = ("PIPELINING", "SIZE 0")


def send_all(world, messages):
    for message in messages:
        world.send("-odq", "-i", "ben@far.test", input=message.raw)
    world.flush(120)
    world.wait_quiet(60)


def name_of(data):
    return re.search(rb"(?m)^X-Case: (\S+?)\r?$", data).group(1).decode()


def check_form(data):
    """Only CRLF ends a line, none is too long, and the end is there."""
    assert data.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", data)
    assert max(map(len, data.split(b"\r\n"))) <= 998


def check_same(message, data):
    """The bytes, or what a reader sees."""
    raw, data = message.wire(), corpus.without_received(data)
    if "b" in message.needs:         # broken lines, and not a byte more
        assert data.replace(b"\r\n", b"") == raw.replace(b"\r\n", b"")
    elif "f" in message.needs:       # folded
        assert (re.sub(rb"\s", b"", data) == re.sub(rb"\s", b"", raw))
    else:
        assert corpus.content(data) == corpus.content(message.raw)


def check_taken(got, messages, offers):
    """got: (arguments of MAIL, data).  Each message once, as it must be."""
    seen = {name_of(data): (mail, data) for mail, data in got}
    assert len(seen) == len(got)
    assert sorted(seen) == sorted(x.name for x in messages)
    for message in messages:
        mail, data = seen[message.name]
        check_form(data)
        if mail is not None and "SIZE=" in mail:
            assert "SIZE=%d" % len(data) in mail, message.name
        if set(message.needs) <= offers:
            assert corpus.without_received(data) == message.wire(), (
                message.name)
        else:
            check_same(message, data)
        is_8bit = any(c > 127 for c in data)
        if "8" not in offers:
            assert not is_8bit, message.name
        if mail is not None:
            assert ("BODY=8BITMIME" in mail) == is_8bit, message.name
            assert ("SMTPUTF8" in mail) == ("u" in offers and any(
                c > 127 for c in data.partition(b"\r\n\r\n")[0])), (
                    message.name)


def test_a_host_that_takes_all_gets_the_bytes(world, peer):
    p = peer(Script(capabilities=ALL))
    world.smarthost(p)
    send_all(world, MESSAGES.values())
    check_taken([(t.mail, t.data) for t in p.taken], MESSAGES.values(),
                {"8", "u"})
    # Each text ended once: what follows an end too many is no command.
    assert 500 not in [code for c in p.connections for code in c.replies]
    for name in ("nul", "nul-storm"):
        assert corpus.without_received(next(
            t.data for t in p.taken if name_of(t.data) == name)).count(
                b"\0") == 0
    assert len(world.log_lines("NUL")) == 2


@pytest.mark.parametrize("capabilities", (BARE, NO_UTF8))
@pytest.mark.seconds(5)
def test_a_host_that_takes_less_gets_what_reads_the_same(world, peer,
                                                         capabilities):
    offers = {"8"} if "8BITMIME" in capabilities else set()
    fit, refused = [], []
    for message in MESSAGES.values():
        is_refused = message.refused and not set(message.needs) <= offers
        (refused if is_refused else fit).append(message)
    p = peer(Script(capabilities=capabilities))
    world.smarthost(p)
    send_all(world, MESSAGES.values())
    check_taken([(t.mail, t.data) for t in p.taken], fit, offers)
    # The sender gets each that could not be sent, with the reason.
    bounces = world.wait_mail("alice", len(refused))
    codes = {}
    for bounce in bounces:
        name = re.search(rb"X-Case: (\S+)", bounce.text).group(1).decode()
        codes[name] = re.search(rb"Status: (\S+)", bounce.text).group(
            1).decode()
    assert codes == {x.name: x.refused for x in refused}


@pytest.mark.parametrize("is_7bit", (False, True))
@pytest.mark.seconds(5)
def test_second_opinion(world, is_7bit):
    """aiosmtpd, which is strict about lines; once as a 7-bit host."""
    got = []

    class Handler:
        async def handle_DATA(self, _server, _session, envelope):
            got.append((None, envelope.original_content))
            return "250 taken"

    controller = Controller(Handler(), hostname="127.0.0.1", port=0,
                            decode_data=is_7bit, enable_SMTPUTF8=not is_7bit)
    # It cannot say which port it got: so it is one that is free now.
    controller.port = free_port()
    controller.start()
    try:
        messages = [x for x in MESSAGES.values()
                   if not (is_7bit and x.refused)]
        world.smarthost(controller)
        send_all(world, messages)
    finally:
        controller.stop()
    check_taken(got, messages, set() if is_7bit else {"8", "u"})


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


# -- addresses ----------------------------------------------------------

def test_an_address_fails_alone_without_smtputf8(world, peer):
    p = peer(Script(capabilities=NO_UTF8))
    world.smarthost(p)
    world.send("jörg@far.test", "ben@far.test")
    bounce, = world.wait_mail("alice")
    assert b"Status: 5.6.7" in bounce.text
    assert "jörg@far.test".encode() in bounce.text
    assert b"ben@far.test" not in bounce.text
    t, = p.taken
    assert t.accepted == ["ben@far.test"]
    assert "SMTPUTF8" not in t.mail


def test_an_address_goes_out_with_smtputf8(world, peer):
    p = peer(Script(capabilities=ALL))
    world.smarthost(p)
    world.send("-f", "jürgen@host.test", "jörg@far.test")
    world.wait_quiet()
    t, = p.taken
    assert t.mail.encode("latin-1").startswith(
        "FROM:<jürgen@host.test> ".encode())
    assert t.mail.endswith(" SMTPUTF8")
    assert [a.encode("latin-1").decode() for a in t.accepted] == [
        "jörg@far.test"]


def test_a_sender_that_can_not_be_said(world, peer):
    """Nor can the report come back to it: it goes to postmaster."""
    p = peer(Script(capabilities=NO_UTF8))
    world.smarthost(p)
    world.send("-f", "jürgen@far.test", "ann@far.test", "ben@far.test")
    report, = world.wait_mail("root")
    world.wait_quiet()
    assert p.transactions == []
    assert "jürgen@far.test".encode() in report.text
    assert report.text.count(b"5.6.7") >= 1


# -- SMTPUTF8 is for what cannot do without it --------------------------------

HEADER = "From: Jürg Müller <alice@host.test>\nTo: Zoë <ben@far.test>\n" \
    "Subject: Grüße aus Köln\nX-Odd: ä\nMIME-Version: 1.0\n" \
    "Content-Type: text/plain; charset=utf-8; name=\"größe.txt\"\n" \
    "Content-Disposition: attachment; filename=\"größe.txt\"\n"


@pytest.mark.parametrize("text", (HEADER, HEADER.encode("latin-1")))
def test_c3_header_does_not_ask_for_smtputf8(world, peer, text):
    p = peer(Script(capabilities=ALL))
    world.smarthost(p)
    if isinstance(text, str):
        text = text.encode()
    world.send("ben@far.test", "bob", input=text + b"\nx\n")
    world.wait_quiet()
    t, = p.taken
    assert "SMTPUTF8" not in t.mail and "BODY" not in t.mail
    assert t.data.isascii()
    local, = world.mailbox("bob")
    assert b"\n" + text in local.text      # as it was written
    if b"\xc3" in text:
        assert corpus.content(corpus.without_received(t.data)) == \
            corpus.content(text + b"\nx\n" if b"Date:" in text else
                           header_of(t.data, text))


def header_of(data, text):
    """The caller's fields behind those that were added."""
    added = re.findall(rb"(?m)^(?:Date|Message-ID): .*\r\n", data)
    before = data.index(added[0]) < data.index(b"From:")
    lines = b"".join(x.replace(b"\r\n", b"\n") for x in added)
    return (lines + text if before else text + lines) + b"\nx\n"


def test_c3_only_whose_address_needs_it(world, peer):
    """The others get a transaction of their own."""
    p = peer(Script(capabilities=ALL))
    world.smarthost(p)
    world.send("ann@far.test", "jörg@far.test", "ben@far.test",
               input="Subject: Grüße\n\nx\n")
    world.wait_quiet()
    plain, wide = sorted(p.taken, key=lambda t: "SMTPUTF8" in t.mail)
    assert plain.accepted == ["ann@far.test", "ben@far.test"]
    assert "SMTPUTF8" not in plain.mail and plain.data.isascii()
    assert len(wide.accepted) == 1 and "SMTPUTF8" in wide.mail
    assert "Subject: Grüße\r\n".encode() in wide.data
    assert len(p.connections) == 1


@pytest.mark.parametrize("field", ("From", "Cc", "Reply-To"))
def test_c3_address_in_the_header_needs_it(world, peer, field):
    p = peer(Script(capabilities=ALL))
    world.smarthost(p)
    world.send("ben@far.test", input="%s: Jürg <jürg@host.test>\n"
               "Subject: Grüße\n\nx\n" % field)
    world.wait_quiet()
    assert "SMTPUTF8" in p.taken[0].mail
    assert "Subject: Grüße\r\n".encode() in p.taken[0].data


@pytest.mark.parametrize("full", ({}, {"FULLBOUNCE": ""}))
def test_c3_report_of_such_a_message(world, peer, full):
    p = peer(Script(capabilities=ALL, rcpt_rules=(
        ("^ben@", "550 5.1.1 no such person"),)))
    world.smarthost(p, **full)
    world.send("-f", "ann@else.test", "ben@far.test",
               input="Subject: Grüße\n\nx\n")
    world.wait_quiet()
    report, = p.taken
    assert report.accepted == ["ann@else.test"]
    assert "SMTPUTF8" not in report.mail


def test_c3_extensions_are_for_what_needs_them(world, peer):
    p = peer(Script(capabilities=ALL + ("DSN",)))
    world.smarthost(p)
    world.send("ben@far.test")
    world.wait_quiet()
    assert re.fullmatch(r"FROM:<alice@host.test> SIZE=\d+", p.taken[0].mail)


# -- what the caller says of it -------------------------------------------

@pytest.mark.parametrize("said, text, is_8bit", (
    ("8BITMIME", "x", True), ("7BIT", "x", False), ("7BIT", "ü", True),
    ("8BITMIME", "x" * 999, False)))
def test_body_is_what_fits(world, peer, said, text, is_8bit):
    p = peer(Script(capabilities=ALL))
    world.smarthost(p)
    world.send("-B", said, "ann@far.test", input="Subject: s\n\n%s\n" % text)
    world.wait_quiet()
    assert ("BODY=8BITMIME" in p.taken[0].mail) == is_8bit


# -- reports -------------------------------------------------------------

@pytest.mark.parametrize("name", ("pgp-signed-8bit", "utf-8-address",
                                  "base64-with-8bit", "forwarded"))
def test_a_report_arrives_whatever_is_in_it(world, peer, name):
    """The report of what could not be encoded holds just that."""
    p = peer(Script(capabilities=BARE, rcpt_rules=(
        ("^ben@", "550 5.1.1 no such person"),)))
    world.smarthost(p, FULLBOUNCE="")
    world.send("-f", "ann@else.test", "ben@far.test",
               input=MESSAGES[name].raw)
    world.wait_quiet()
    report, = p.taken
    assert report.sender == "" and report.accepted == ["ann@else.test"]
    check_form(report.data)
    assert not any(c > 127 for c in report.data)
    assert (MESSAGES[name].refused or "5.1.1").encode() in report.data
    assert world.mailbox("root") == []


# -- sizes --------------------------------------------------------------

def test_size_is_that_of_what_is_sent(world, peer):
    """Encoded it is three times as long, and then too long."""
    text = "Subject: s\n\n" + ("ü" * 30 + "\n") * 1000
    for offers, fits in ((("8BITMIME",), True), ((), False)):
        p = peer(Script(capabilities=("SIZE 100000",) + offers))
        world.smarthost(p)
        world.send("ann@far.test", input=text)
        if fits:
            world.wait_quiet()
            assert len(p.taken) == 1
            continue
        bounce, = world.wait_mail("alice")
        assert b"Status: 5.3.4" in bounce.text
        assert p.transactions == []


def test_a_big_message_is_encoded_like_a_small_one(world, peer):
    """Looked at and sent in many pieces, beside others."""
    p = peer(Script(capabilities=BARE))
    world.smarthost(p, CONCURRENCY="2")
    line = ("ü" * 30 + " \n").encode()
    world.send("-odq", "big@far.test",
               input=b"Subject: big\n\n" + line * 50000)
    for n in range(5):
        world.send("-odq", "n%d@far.test" % n)
    world.flush()
    world.wait_quiet()
    assert len(p.taken) == 6
    big = next(t for t in p.taken if t.accepted == ["big@far.test"])
    check_form(big.data)
    assert "SIZE=%d" % len(big.data) in big.mail
    assert quopri.decodestring(big.body) == line.replace(
        b"\n", b"\r\n") * 50000
