"""Who we are and what is ours: MASQUERADE, LOCALDOMAINS, NOREMOTE,
NULLCLIENT, as dma.conf(5) has them."""
import functools
import re
import subprocess

import pytest

from smtp_peer import Script


@pytest.fixture
def relay(world, peer):
    """Configures and gives one smarthost for the whole test."""
    return functools.partial(world.smarthost, peer(Script()))


MASKS = (
    # MASQUERADE, arguments, envelope sender, From:
    ("post@corp.test", (), "post@corp.test", "post@corp.test"),
    ("corp.test", (), "alice@corp.test", "alice@corp.test"),
    ("post@", (), "post@host.test", "post@host.test"),
    ("post@corp.test", ("-f", "eve@x.test"), "post@corp.test",
     "post@corp.test"),
    ("post@corp.test", ("-f", "eve"), "post@corp.test", "post@corp.test"),
    ("post@corp.test", ("-f", "eve@host.test"), "post@corp.test",
     "post@corp.test"),
    ("post@corp.test", ("-f", "<>"), "", None),
    ("post@corp.test", ("-f", ""), "", None),
    ("post@", ("-f", "eve"), "eve@host.test", "eve@host.test"),
    ("post@", ("-f", "eve@x.test"), "eve@x.test", "eve@x.test"),
    # GNU mailutils names the caller, with one of the names of this host.
    ("post@", ("-f", "alice@host.test"), "post@host.test", "post@host.test"),
    ("post@", ("-f", "Alice <alice@localhost>"), "post@host.test",
     "post@host.test"),
    ("corp.test", ("-f", "alice@host.test"), "alice@corp.test",
     "alice@corp.test"),
    ("corp.test", ("-f", "alice@HOST.test."), "alice@corp.test",
     "alice@corp.test"),
    ("corp.test", ("-f", "alice@localhost"), "alice@corp.test",
     "alice@corp.test"),
    ("corp.test", ("-f", "alice@x.test"), "alice@x.test", "alice@x.test"),
    ("corp.test", ("-f", ""), "", None),
)


def test_masquerade(world, relay):
    for n, (mask, args, sender, author) in enumerate(MASKS):
        p = relay(MASQUERADE=mask)
        world.send(*args, "ann@far.test")
        world.wait_until(lambda: len(p.taken) > n)
        t = p.taken[-1]
        assert t.sender == sender, (mask, args)
        if author:
            assert b"<%s>" % author.encode() in t.header or \
                b"From: %s\r\n" % author.encode() in t.header, (mask, args)


def test_c10_masquerade_and_email(world, relay):
    for n, (mask, sender) in enumerate((
            ("post@corp.test", "post@corp.test"), ("corp.test", "me@x.test"),
            ("post@", "me@x.test"))):
        p = relay(MASQUERADE=mask)
        world.send_with({"EMAIL": "me@x.test"}, "ann@far.test")
        world.wait_until(lambda: len(p.taken) > n)
        assert p.taken[-1].sender == sender


def test_masquerade_leaves_what_is_given(world, relay):
    """A From: that is there, and the sender of mail that is forwarded."""
    p = relay(MASQUERADE="corp.test")
    world.send("ann@far.test", input="From: me@mine.test\n\nx\n")
    world.forward("bob", "bob@far.test\n")
    world.send("-f", "eve@x.test", "bob")
    world.wait_quiet()
    one, two = sorted(p.taken, key=lambda t: t.sender)
    assert (one.sender, two.sender) == ("alice@corp.test", "eve@x.test")
    assert b"From: me@mine.test\r\n" in one.header


def test_local_domains(world, relay):
    p = relay(LOCALDOMAINS="Corp.test  lists.corp.test")
    world.write_aliases("team: bob, carol\n")
    world.send("bob@corp.test", "carol@CORP.TEST", "team@lists.corp.test",
               "x@sub.corp.test", "bob@host.test", "bob@localhost")
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["x@sub.corp.test"]]
    assert len(world.mailbox("bob")) == len(world.mailbox("carol")) == 1
    done = world.send("nobody-here@corp.test", status=67)
    assert b"no such user here" in done.stderr


def test_noremote(world, relay):
    p = relay(NOREMOTE="", LOCALDOMAINS="corp.test")
    world.forward("carol", "carol, carol@far.test\n")
    world.send("bob@corp.test", "ann@far.test", "carol")
    world.wait_mail("bob")
    world.wait_mail("carol")
    world.wait_quiet()
    text = b"".join(x.text for x in world.mailbox("alice"))
    assert b"ann@far.test" in text and b"carol@far.test" in text
    assert b"NOREMOTE" in text and p.connections == []
    assert world.send("ann@far.test", status=69).stderr


def test_nullclient(world, relay):
    """Nothing is ours: no alias, no .forward, no mailbox, reports neither."""
    p = relay(NULLCLIENT="")
    world.write_aliases("root: bob\nteam: bob\n")
    world.forward("bob", "|/bin/false\n")
    p.scripts[:] = [Script(rcpt_rules=((r"^bad@", "550 5.1.1 nobody"),))]
    world.send("bob", "root", "team", "postmaster", "x@localhost",
               "carol@host.test", "bad@far.test", "bob@host.test")
    world.wait_until(lambda: len(p.taken) == 2)
    world.wait_quiet()
    mail, report = p.taken
    assert sorted(mail.accepted) == [
        "bob@host.test", "carol@host.test", "postmaster@host.test",
        "root@host.test", "team@host.test", "x@localhost"]
    assert report.sender == "" and report.accepted == ["alice@host.test"]
    for user in ("alice", "bob", "root"):
        assert world.mailbox(user) == []


def test_nullclient_without_smarthost_waits(world):
    world.write_conf({"NULLCLIENT": ""})
    world.leaves("queue")
    world.send("bob")
    world.wait_tried("bob")
    world.wait_listed("SMARTHOST")
    assert world.mailbox("bob") == []


# -- names of this host in all their spellings --------------------------------

@pytest.fixture
def interface():
    """Addresses of this host besides those of the loopback."""
    for what in ("192.0.2.7/32", "2001:db8::7/128"):
        subprocess.run(["ip", "addr", "add", what, "dev", "lo"] +
                       (["nodad"] if ":" in what else []), check=True)
    yield
    for what in ("192.0.2.7/32", "2001:db8::7/128"):
        subprocess.run(["ip", "addr", "del", what, "dev", "lo"], check=True)


OWN = ("[127.0.0.1]", "[IPv6:::1]", "[::1]", "[ipv6:0:0::1]", "[192.0.2.7]",
       "[IPv6:2001:db8::7]", "[IPv6:::ffff:192.0.2.7]", "[0.0.0.0]",
       "host.test.", "HOST.Test", "localhost", "localhost.", "LocalHost",
       "localhost.localdomain", "corp.test.", "Corp.Test")


def test_c12_own_names_are_local(world, relay, interface):
    """As arguments, in -t, in aliases, in .forward; and one recipient."""
    p = relay(LOCALDOMAINS="corp.test")
    for i, name in enumerate(OWN):
        world.send("alice@" + name, "alice", user="carol",
                   input=b"Subject: %d\n\nx\n" % i)
        world.send("-t", user="carol", input=b"To: bob@%s\n\nx\n" %
                   name.encode())
    world.wait_quiet(40)
    assert len(world.mailbox("alice")) == len(OWN)
    assert len(world.mailbox("bob")) == len(OWN)
    world.write_aliases("team: alice@[127.0.0.1]\nroot: alice@[192.0.2.7]\n")
    world.forward("bob", "\\bob, bob@[127.0.0.1], carol@[IPv6:::1]\n")
    world.send("team", user="carol")
    world.send("root@[127.0.0.1]", user="carol")
    world.send("bob@[192.0.2.7]", user="alice")
    world.wait_quiet()
    assert len(world.mailbox("alice")) == len(OWN) + 2
    assert len(world.mailbox("bob")) == len(OWN) + 1
    assert len(world.mailbox("carol")) == 1
    assert p.connections == []
    assert b"no such user" in world.send("nobody-here@[127.0.0.1]",
                                         status=67).stderr


def test_c12_other_literals_go_out(world, relay):
    p = relay()
    world.send("ann@[192.0.2.99]", "ann@[127.0.0.99]", "ann@[IPv6:2001:db8::99]")
    world.wait_quiet()
    assert sorted(a for t in p.taken for a in t.accepted) == [
        "ann@[127.0.0.99]", "ann@[192.0.2.99]", "ann@[ipv6:2001:db8::99]"]


def test_c12_literal_of_another_host_directly(world, exchangers):
    p = exchangers(11)
    world.send("ann@[127.0.0.11]")
    world.wait_quiet()
    assert len(p.taken) == 1


@pytest.mark.parametrize("conf, said", (
    ("müller.example", "xn--mller-kva.example"),
    ("müller.example", "MÜLLER.example"),
    ("xn--mller-kva.example.", "müller.example"),
    ("XN--MLLER-KVA.example", "Müller.Example.")))
@pytest.mark.parametrize("key", ("MAILNAME", "LOCALDOMAINS"))
def test_c12_own_name_beyond_ascii(world, relay, conf, said, key):
    p = relay(**{key: conf})
    world.send("bob@" + said, "bob@" + conf, user="alice")
    world.wait_quiet()
    assert len(world.mailbox("bob")) == 1 and p.connections == []


def test_c16_final_dot_of_a_name(world, peer):
    p = peer(Script())
    world.write_conf({"MAILNAME": "host.example.", "SMARTHOST":
                      "smart.test.:%d" % p.port, "LOCALDOMAINS": "b.test."})
    world.send("bob@host.example", "bob@b.test", "ann@far.test")
    world.wait_quiet()
    assert len(world.mailbox("bob")) == 1
    assert p.connections[0].commands[0] == "EHLO host.example"
    assert p.taken[0].sender == "alice@host.example"
    assert b"host.example.>" not in p.taken[0].data


def test_c9_provider_with_one_account(world, relay):
    """As the README has it: every message is from that address, and a reply
    reaches who wrote it."""
    p = relay(MASQUERADE="me@example.test", FROM_HEADER="force")
    world.send("-FCronDaemon", "-i", "-oem", "ann@far.test", user=None,
               input="From: root (Cron Daemon)\nTo: ann@far.test\n\nx\n")
    world.send("-f", "eve@x.test", "ann@far.test",
               input="From: Eve <eve@x.test>\nReply-To: y@x.test\n\nx\n")
    world.send("ann@far.test", input="Subject: none\n\nx\n")
    world.wait_until(lambda: len(p.taken) == 3)
    assert {t.sender for t in p.taken} == {"me@example.test"}
    cron, eve, none = sorted(p.taken, key=lambda t: (
        b"Subject: none" in t.header, b"Eve" in t.header))
    assert b"From: me@example.test (Cron Daemon)\r\n" in cron.header
    assert b"Reply-To: root@host.test (Cron Daemon)\r\n" in cron.header
    assert b"From: Eve <me@example.test>\r\n" in eve.header
    assert b"X-Original-From: Eve <eve@x.test>\r\n" in eve.header
    assert eve.header.count(b"Reply-To:") == 1
    assert b"me@example.test" in none.header
    assert b"Reply-To" not in none.header


def test_c9_provider_that_refuses_any_other_sender(world, peer):
    """In the envelope and in From, and reports as well: those that cannot go
    to the account are root's."""
    ours = "me@example.test"

    def hook(connection, verb, said):
        if verb == "MAIL" and "<%s>" % ours not in said:
            return "550 5.7.60 not your address"
        if verb == "BODY" and not re.search(
                rb"(?im)^From: .*\b%s\b" % ours.encode(), said):
            return "550 5.7.60 not your address"
        return None
    p = world.smarthost(peer(Script(hook=hook, rcpt_rules=(
        (r"^gone@", "550 5.1.1 no such user"),))),
        MASQUERADE=ours, FROM_HEADER="force")
    for text in ("", "From: root (Cron Daemon)\n", "From: Eve <eve@x.test>\n",
                 "Sender: eve@x.test\nFrom: a, b@x.test\n", "From:\n",
                 "From: me@example.test (Me)\n", "From: \"x\n"):
        world.send("ann@far.test", input=text + "Subject: s\n\nx\n")
    world.wait_quiet()
    assert len(p.taken) == 7 and world.mailbox("root") == []
    world.send("gone@far.test", input="Subject: lost\n\nx\n")
    report, = world.wait_mail("root")
    assert b"no such user" in report.text and len(p.taken) == 7


def test_c9_from_header_off(world, relay):
    p = relay(FROM_HEADER="off")
    world.send("ann@far.test", input="From: root\nTo: bob\n\nx\n")
    world.wait_until(lambda: p.taken)
    assert b"From: root\r\nTo: bob@host.test\r\n" in p.taken[0].header


FROM_MAP = """\
# who sends, what is shown
root me@example.test "Root of host"
bob  bob@example.test
@old.test new@example.test
nonsense
"""


def test_from_map(world, relay):
    """Envelope, From, Sender and Reply-To; a bad line harms itself only."""
    world.write_from_map(FROM_MAP)
    p = relay(FROM_MAP="/etc/dma/from", MASQUERADE="masq.test")
    world.send("-FCronDaemon", "-i", "-oem", "ann@far.test", user=None,
               input="From: root (Cron Daemon)\nSubject: 1\n\nx\n")
    world.send("ann@far.test", user=None, input="Subject: 2\n\nx\n")
    world.send("-f", "x@old.test", "ann@far.test", user="bob",
               input="From: X <x@old.test>\nSender: bob\n"
               "Reply-To: x@old.test, y@y.test\nSubject: 3\n\nx\n")
    world.send("ann@far.test", input="From: alice\nSubject: 4\n\nx\n")
    world.wait_until(lambda: len(p.taken) == 4)
    one, two, three, four = sorted(
        p.taken, key=lambda t: t.header.partition(b"Subject: ")[2][:1])
    assert one.sender == two.sender == "me@example.test"
    assert b"From: me@example.test (Cron Daemon)\r\n" in one.header
    assert b'From: Root of host <me@example.test>\r\n' in two.header
    assert three.sender == "new@example.test"
    assert b"From: X <new@example.test>\r\n" in three.header
    assert b"Sender: bob@example.test\r\n" in three.header
    assert b"Reply-To: new@example.test, y@y.test\r\n" in three.header
    assert four.sender == "alice@masq.test"
    assert b"From: alice@host.test\r\n" in four.header
    assert "/etc/dma/from:5: " in world.log() or \
        "/etc/dma/from: line 5" in world.log()


def test_from_map_that_is_missing_stops_no_mail(world, relay):
    p = relay(FROM_MAP="/etc/dma/none")
    world.send("ann@far.test", input="From: alice\n\nx\n")
    world.wait_until(lambda: p.taken)
    assert p.taken[0].sender == "alice@host.test"
    assert "/etc/dma/none" in world.log()


def test_own_output_submitted_again_changes_received_only(world, relay):
    world.write_from_map(FROM_MAP)
    relay(FROM_MAP="/etc/dma/from")
    world.send("bob", user=None, input="From: root (Cron Daemon)\nTo: bob\n"
               "Cc: x@y.test,\n Carol <carol>\nSubject: a\n b\n\nx\n")
    first = world.wait_mail("bob", 1)[0]
    keep = [h for h in first.header.items()
            if h[0] not in ("Return-Path", "Delivered-To")]
    text = "".join("%s: %s\n" % h for h in keep) + "\nx\n"
    world.send("-f", "me@example.test", "bob", user=None, input=text)
    second = world.wait_mail("bob", 2)[1]
    items = [h for h in second.header.items()
             if h[0] not in ("Return-Path", "Delivered-To")]
    assert items[0][0] == "Received" and items[1:] == keep


def test_user_whose_entry_is_too_long_waits(world):
    """A home that is cut would be another one; the mail is no loss."""
    world.add_user("dave")
    try:
        world.run(["usermod", "-d", "/home/" + "x" * 1100, "dave"])
        world.send("dave")
        world.wait_tried("user lookup failed")
        assert len(world.queue()) == 1
        world.run(["usermod", "-d", "/home/dave", "dave"])
        world.flush()
        world.wait_mail("dave")
    finally:
        world.stop()
        world.remove_user("dave")
