"""Without a smarthost: to the mail exchangers that DNS names."""
import pytest

from dns_peer import A, AAAA, MX, NameServer
from smtp_peer import Script


def names(**more):
    table = {("far.test", MX): [(10, "mx1.far.test"), (20, "mx2.far.test")],
             ("mx1.far.test", A): ["127.0.0.11"],
             ("mx2.far.test", A): ["127.0.0.12"],
             ("plain.test", A): ["127.0.0.11"],
             ("null.test", MX): [(0, ".")],
             ("broken.test", MX): "SERVFAIL", ("broken.test", A): "SERVFAIL",
             ("broken.test", AAAA): "SERVFAIL"}
    table.update(more)
    return NameServer(table)


def test_best_exchanger_first(world, exchangers):
    one, two = exchangers(11, Script()), exchangers(12, Script())
    with names():
        world.send("a@far.test", "b@far.test")
        world.wait_quiet()
    assert [t.accepted for t in one.taken] == [["a@far.test", "b@far.test"]]
    assert two.connections == []


def test_next_exchanger_when_the_best_is_away(world, exchangers):
    two = exchangers(12, Script())
    with names():
        world.send("a@far.test")
        world.wait_quiet()
    assert len(two.taken) == 1


@pytest.mark.parametrize("words", (
    dict(rcpt_reply="450 4.2.0 greylisted"), dict(mail_reply="451 4.3.0 no"),
    dict(final_reply="452 4.3.1 full")))
def test_next_exchanger_when_the_best_puts_it_off(world, exchangers, words):
    exchangers(11, Script(**words))
    two = exchangers(12, Script())
    with names():
        world.send("a@far.test")
        world.wait_quiet()
    assert len(two.taken) == 1
    assert len(world.log_lines("to=<a@far.test>", "status=sent")) == 1


@pytest.mark.seconds(14)
def test_host_that_does_not_read_holds_nobody(world, exchangers):
    """Its own connection waits for as long as it may, others go on."""
    one = exchangers(11, Script(deaf_at="TEXT", capabilities=(
        "PIPELINING", "8BITMIME")))
    exchangers(13, Script())
    world.write_conf({"TIMEOUT": "12s"})
    world.leaves("queue")
    with names() as server:
        server.table[("good.test", MX)] = [(10, "mx.good.test")]
        server.table[("mx.good.test", A)] = ["127.0.0.13"]
        del server.table[("far.test", MX)][1]
        world.send("a@far.test", input=b"Subject: big\n\n" +
                   b"x" * 72 * 1000000)
        world.wait_until(lambda: one.connections)
        world.send("b@good.test")
        world.send("bob")
        world.wait_mail("bob")
        world.wait_until(lambda: world.log_lines("b@good.test", "sent"))
        assert not world.log_lines("a@far.test", "status=deferred")
        world.wait_until(lambda: world.log_lines(
            "a@far.test", "status=deferred", "timed out"), 12)


def test_permanent_refusal_of_one_is_final(world, exchangers):
    exchangers(11, Script(rcpt_reply="550 5.1.1 unknown"))
    two = exchangers(12, Script())
    with names():
        world.send("a@far.test")
        bounce, = world.wait_mail("alice")
    assert b"unknown" in bounce.text
    assert two.taken == []


def test_address_where_there_is_no_mx(world, exchangers):
    one = exchangers(11, Script())
    with names():
        world.send("a@plain.test")
        world.wait_quiet()
    assert len(one.taken) == 1


def test_address_literal(world, exchangers):
    one = exchangers(11, Script())
    world.send("a@[127.0.0.11]")
    world.wait_quiet()
    assert len(one.taken) == 1


@pytest.mark.parametrize("domain, code", (("null.test", b"5.1.10"),
                                          ("no-such.test", b"5.1.2")))
def test_domains_without_mail_fail_at_once(world, domain, code):
    with names():
        world.send("a@" + domain)
        bounce, = world.wait_mail("alice")
    assert b"a@" + domain.encode() in bounce.text
    assert code in bounce.text


def test_trouble_with_the_resolver_defers(world):
    world.leaves("queue")
    with names():
        world.send("a@broken.test")
        world.wait_tried("a@broken.test", limit=40)
    assert world.mailbox("alice") == []


def test_no_name_server_at_all_defers(world):
    world.leaves("queue")
    world.send("a@far.test")
    world.wait_tried("a@far.test", limit=40)
    assert world.mailbox("alice") == []


def test_domains_do_not_wait_for_each_other(world, exchangers):
    exchangers(11, Script(mute_at="CONNECT"))
    exchangers(13, Script())
    world.leaves("queue")
    with names(**{}) as server:
        server.table[("good.test", MX)] = [(10, "mx.good.test")]
        server.table[("mx.good.test", A)] = ["127.0.0.13"]
        world.send("a@far.test")
        world.send("b@good.test")
        world.wait_until(lambda: world.log_lines("b@good.test", "sent"), 10)


@pytest.mark.parametrize("table", (
    {("mx.big.test", A): ["127.0.1.%d" % i for i in range(1, 31)],
     ("big.test", MX): [(10, "mx.big.test")]},
    {("big.test", MX): [(i, "mx%d.big.test" % i) for i in range(1, 31)],
     **{("mx%d.big.test" % i, A): ["127.0.1.%d" % i] for i in range(1, 31)}}))
def test_n10_more_addresses_than_an_attempt_tries(world, exchangers, table):
    """The first 29 are dead; each attempt goes on where the last one ended."""
    last = exchangers("127.0.1.30", Script())
    with NameServer(table):
        world.send("a@big.test")
        world.wait_tried("a@big.test")
        assert last.connections == []
        for _ in range(3):
            world.run(["/usr/sbin/sendmail", "-q"])
        world.wait_quiet()
    assert len(last.taken) == 1
