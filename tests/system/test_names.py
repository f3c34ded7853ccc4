"""Who we are and what is ours: MASQUERADE, LOCALDOMAINS, NOREMOTE,
NULLCLIENT, as dma.conf(5) has them."""
import functools

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
    ("post@corp.test", ("-f", "eve@x.test"), "eve@x.test", "eve@x.test"),
    ("post@corp.test", ("-f", "eve"), "eve@corp.test", "eve@corp.test"),
    ("post@", ("-f", "eve"), "eve@host.test", "eve@host.test"),
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


def test_masquerade_leaves_what_is_given(world, relay):
    """A From: that is there, and the sender of mail that is forwarded."""
    p = relay(MASQUERADE="post@corp.test")
    world.send("ann@far.test", input="From: me@mine.test\n\nx\n")
    world.forward("bob", "bob@far.test\n")
    world.send("-f", "eve@x.test", "bob")
    world.wait_quiet()
    one, two = sorted(p.taken, key=lambda t: t.sender)
    assert (one.sender, two.sender) == ("eve@x.test", "post@corp.test")
    assert b"From: me@mine.test\r\n" in two.header


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
