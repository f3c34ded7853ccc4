"""SENDER_RELAY: each sender's mail by its own relay, with its own login."""
import base64
import os
import re

import pytest

import smtp_peer
from dns_peer import A, MX, NameServer
from smtp_peer import Script

PATH = "/etc/dma/senders"


def account(certs, user, **more):
    return Script(**{**dict(tls="starttls", certificate=certs["smart"],
                            auth=("PLAIN",), user=user,
                            password="pw-" + user, require_auth=True),
                     **more})


def lines(world, text, mode=0o644):
    world._fresh(PATH, text, mode)


def auth(world, *users, host="smart.test"):
    world.write_auth("".join("%s|%s:pw-%s\n" % (u, host, u) for u in users))


def configure(world, certs, default=None, **keys):
    world.write_conf({"SENDER_RELAY": PATH, "CAFILE": certs["ca"],
                      "SMARTHOST": default and "smart.test:%d" % default.port,
                      **keys})


def where(p):
    return sorted(t.sender for t in p.taken)


@pytest.fixture
def three(world, peer, certs):
    """The default relay, and accounts of ann and of work at others."""
    main, ann, work = (peer(account(certs, u)) for u in ("main", "ann",
                                                         "work"))
    configure(world, certs, main)
    auth(world, "main", "ann", "work")
    lines(world, "# whose mail goes where\n"
          "ann@corp.test smart.test:%d user ann\n"
          "@work.test    smart.test:%d user work  # all of them\n"
          "bob           smart.test:%d user work\n"
          % (ann.port, work.port, work.port))
    return main, ann, work


WAYS = (("alice", "ann@corp.test", 1), ("alice", "Ann@Corp.Test", 1),
        ("alice", "any@work.test", 2), ("alice", "any@sub.work.test", 0),
        ("alice", "joann@corp.test", 0), ("bob", "bob@host.test", 2),
        ("bob", "ann@corp.test", 1), ("alice", "alice@host.test", 0),
        ("carol", "", 0), ("bob", "", 0))


def test_ways(world, three):
    for i, (user, sender, _) in enumerate(WAYS):
        world.send("-f", sender, "u%d@far.test" % i, "more@else.test",
                   user=user)
    world.wait_quiet()
    for n, p in enumerate(three):
        assert sorted(t.accepted[0] for t in p.taken) == [
            "u%d@far.test" % i for i, x in enumerate(WAYS) if x[2] == n]
        assert all(len(t.accepted) == 2 for t in p.taken)
        assert set(p.logins) == {("PLAIN", ("main", "ann", "work")[n], True)}


def test_masquerade_comes_first(world, three, certs):
    main, ann, _ = three
    configure(world, certs, main, MASQUERADE="ann@corp.test")
    world.send("far@far.test", user="alice")
    world.wait_quiet()
    assert where(ann) == ["ann@corp.test"]


def test_report_goes_by_the_default(world, peer, certs, three):
    main, ann, _ = three
    ann.scripts[:] = [account(certs, "ann", rcpt_reply="550 5.1.1 nobody")]
    world.send("-f", "ann@corp.test", "far@far.test")
    world.wait_until(lambda: main.taken)
    world.wait_quiet()
    assert where(main) == [""]
    assert main.taken[0].accepted == ["ann@corp.test"]
    assert main.logins == [("PLAIN", "main", True)]


def test_star_takes_all_others_and_reports(world, three, certs):
    main, ann, work = three
    lines(world, "ann@corp.test smart.test:%d user ann\n"
          "* smart.test:%d user work\n" % (ann.port, work.port))
    world.send("-f", "", "far@far.test")
    world.send("far@far.test")
    world.send("-f", "ann@corp.test", "far@far.test")
    world.wait_quiet()
    assert where(work) == ["", "alice@host.test"]
    assert where(ann) == ["ann@corp.test"] and main.connections == []


def test_two_accounts_at_one_provider(world, peer, certs):
    """Same host and port: never one connection, never the other's login."""
    p = peer(account(certs, "x", require_auth=True))
    logins = {"ann": "pw-ann", "work": "pw-work", "main": "pw-main"}

    def by_login(self, first):
        parts = base64.b64decode(first).decode().split("\0")
        return parts[1], logins.get(parts[1]) == parts[2]
    old = smtp_peer.Connection._auth_plain
    smtp_peer.Connection._auth_plain = by_login
    try:
        configure(world, certs, p)
        auth(world, "main", "work", "ann")
        lines(world, "ann@corp.test smart.test:%d user ann\n"
              "@work.test smart.test:%d user work\n" % (p.port, p.port))
        for sender in ("ann@corp.test", "x@work.test", "a@host.test") * 4:
            world.send("-odq", "-f", sender, "far@far.test")
        world.flush()
        world.wait_quiet()
    finally:
        smtp_peer.Connection._auth_plain = old
    assert len(p.taken) == 12
    mine = {"ann": "ann@corp.test", "work": "x@work.test",
            "main": "a@host.test"}
    for c in p.connections:
        for t in c.transactions:
            assert t.sender == mine[c.logins[0][1]]


def test_login_that_a_line_is_bound_to(world, three, certs):
    """Whoever else gives that sender goes by the next line that fits."""
    main, ann, work = three
    lines(world, "ann@corp.test smart.test:%d user ann login alice\n"
          "ann@corp.test smart.test:%d user work login bob\n"
          % (ann.port, work.port))
    for user in ("alice", "bob", "carol", None):
        world.send("-f", "ann@corp.test", "far@far.test", user=user)
    world.wait_quiet()
    assert [len(p.taken) for p in three] == [2, 1, 1]
    assert ann.logins == [("PLAIN", "ann", True)]
    assert {x[1] for x in main.logins} == {"main"}


def test_lines_of_others_are_not_for_the_default(world, three, certs):
    """The last line of auth.conf for the host is ann's: not for bob."""
    main, ann, _ = three
    auth(world, "ann")
    world.leaves("queue")
    world.send("-f", "carol@host.test", "far@far.test", user="carol")
    world.wait_tried("far@far.test")
    assert main.connections == []
    world.wait_listed("reserved for senders of SENDER_RELAY")
    world.send("-f", "ann@corp.test", "far@far.test")
    world.wait_until(lambda: ann.taken)


def test_no_such_user_in_auth_conf_waits(world, three, certs):
    main, ann, _ = three
    auth(world, "main")
    world.leaves("queue")
    world.send("-f", "ann@corp.test", "far@far.test")
    world.wait_tried("far@far.test")
    world.wait_listed("no entry for this host and the user")
    assert main.connections == ann.connections == []


def test_several_relays_of_a_sender(world, three, certs):
    main, ann, _ = three
    lines(world, "@corp.test smart.test:1 smart.test:%d user ann\n" % ann.port)
    world.send("-f", "x@corp.test", "far@far.test")
    world.wait_quiet()
    assert where(ann) == ["x@corp.test"] and main.connections == []


BAD = ("", "smart.test:99999", "smart.test:25 user",
       "smart.test user ann smart.test", "user ann", "smart.test login a@b",
       "smart.test user a user b", "smart.test \1", "smart.test " * 600)


def test_bad_line_harms_its_sender_alone(world, three):
    main, ann, work = three
    lines(world, "".join("u%d@corp.test %s\n" % x for x in enumerate(BAD)) +
          "@corp.test smart.test:%d user ann\n"
          "@work.test smart.test:%d user work\n" % (ann.port, work.port))
    world.leaves("queue")
    for i in range(len(BAD)):
        world.send("-f", "u%d@corp.test" % i, "far@far.test")
    world.send("-f", "x@work.test", "far@far.test")
    world.send("-f", "x@host.test", "far@far.test")
    world.wait_until(lambda: work.taken and main.taken)
    world.wait_until(lambda: len(world.log_lines("entry of this sender is invalid"))
                     == len(BAD))
    assert where(main) == ["x@host.test"] and ann.connections == []
    done = world.run(["newaliases"])
    for i in range(len(BAD)):
        assert world.log_lines("%s:%d: " % (PATH, i + 1))
        assert b"%s:%d: " % (PATH.encode(), i + 1) in done.stderr


@pytest.mark.parametrize("how", ("missing", "empty", "unreadable", "key"))
def test_file_that_can_not_be_read_closes_every_way(world, three, certs, how):
    main, ann, _ = three
    if how == "missing":
        os.unlink(PATH)
    elif how == "key":
        configure(world, certs, main, SENDER_RELAY="senders")
    else:
        lines(world, "" if how == "empty" else "@a.test b\n", 0o600)
    world.leaves("queue")
    world.send("far@far.test", "bob", user="alice")
    world.wait_mail("bob")
    world.wait_tried("far@far.test")
    world.wait_listed("SENDER_RELAY cannot be read")
    assert main.connections == ann.connections == []
    # and it is found again without anybody's help but a flush
    lines(world, "ann@corp.test smart.test:%d user ann\n" % ann.port)
    configure(world, certs, main)
    auth(world, "ann", "main")
    world.flush()
    world.wait_quiet()
    assert where(main) == ["alice@host.test"]


def test_change_is_seen(world, three):
    main, ann, work = three
    world.leaves("queue")
    main.scripts[0].mute_at = "MAIL"        # the runner stays
    world.send("-f", "x@host.test", "slow@far.test")
    world.wait_until(lambda: main.logins)
    world.send("-f", "ann@corp.test", "far@far.test")
    world.wait_until(lambda: len(ann.taken) == 1)
    lines(world, "ann@corp.test smart.test:%d user work\n" % work.port)
    world.send("-f", "ann@corp.test", "far@far.test")
    world.wait_until(lambda: len(work.taken) == 1)
    # one that is just being written is not believed
    lines(world, "")
    world.send("-f", "ann@corp.test", "far@far.test")
    world.wait_until(lambda: len(work.taken) == 2)


def test_local_mail_does_not_care(world, three):
    os.unlink(PATH)
    world.send("-f", "ann@corp.test", "bob")
    world.wait_mail("bob")
    world.wait_quiet()


def test_nullclient_with_a_relay_of_the_sender(world, three, certs):
    main, ann, _ = three
    configure(world, certs, main, NULLCLIENT="")
    world.send("-f", "ann@corp.test", "bob")
    world.wait_quiet()
    assert ann.taken[0].accepted == ["bob@host.test"]


def test_without_smarthost_others_go_straight(world, three, certs):
    main, ann, _ = three
    configure(world, certs, None, TIMEOUT_CONNECT="1")
    world.leaves("queue")
    world.send("-f", "ann@corp.test", "far@far.test")
    world.wait_until(lambda: ann.taken)
    world.send("-f", "x@host.test", "other@far.test")
    world.wait_tried("other@far.test")
    assert not re.search("SMARTHOST|SENDER", world.mailq())


def test_relays_of_a_sender_by_look_up(world, exchangers, certs):
    """The name of the login holds for the domain's hosts, and for nobody
    else who would use it there."""
    one = exchangers(11, account(certs, "work"))
    world.write_conf({"SMARTHOST": "127.0.0.11", "SENDER_RELAY": PATH,
                      "CAFILE": certs["ca"]})
    lines(world, "@work.test mx:smart.test user work\n")
    world.write_auth("work|smart.test:pw-work\nwork|127.0.0.11:pw-work\n")
    world.leaves("queue")
    with NameServer({("smart.test", MX): [(10, "mx.smart.test")],
                     ("mx.smart.test", A): ["127.0.0.11"]}):
        world.send("-f", "x@work.test", "far@far.test")
        world.wait_until(lambda: one.taken)
    world.send("-f", "x@host.test", "other@far.test")
    world.wait_tried("other@far.test")
    world.wait_listed("reserved for senders of SENDER_RELAY")
    assert where(one) == ["x@work.test"]
    assert one.logins == [("PLAIN", "work", True)]
