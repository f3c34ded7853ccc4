"""Which host gets the mail: exchangers, relays by look-up, the dead ones."""
import hashlib
import select
import socket
import subprocess

import pytest

from dns_peer import A, AAAA, CNAME, MX, SRV, TLSA, NameServer
from smtp_peer import Script


@pytest.fixture
def hole():
    """Makes addresses that never answer a connection: their queue is full."""
    made = []

    def make(host, port=25):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        made.append(listener)
        for _ in range(20):
            made.append(socket.socket(family, socket.SOCK_STREAM))
            made[-1].setblocking(False)
            made[-1].connect_ex((host, port))
            # A busy machine may take that long to answer.
            if not select.select([], [made[-1]], [], 1)[1]:
                return
        raise AssertionError("%s answers" % host)
    yield make
    for s in made:
        s.close()


@pytest.fixture
def six():
    """An address of IPv6 that leads here, without being one of this host's."""
    def ip(verb):
        subprocess.run(["ip", "addr", verb, "2001:db8::1/128", "dev", "lo",
                        "nodad"], check=True)
        subprocess.run(["ip", "-6", "route", verb, "local",
                        "2001:db8::11/128", "dev", "lo"], check=True)
    with open("/proc/sys/net/ipv6/ip_nonlocal_bind", "w") as f:
        f.write("1")
    ip("add")
    yield "2001:db8::11"
    ip("del")


def far(*exchangers, **more):
    """MX records of far.test: (preference, last octet of its address)."""
    table = {("far.test", MX): [(p, "mx%d.far.test" % n)
                                for p, n in exchangers]}
    for _, n in exchangers:
        table["mx%d.far.test" % n, A] = ["127.0.0.%d" % n]
    table.update(more.pop("table", {}))
    return NameServer(table, **more)


# -- exchangers --------------------------------------------------------------

def test_aliases_are_followed(world, exchangers):
    """The domain is one, and so is its exchanger."""
    one = exchangers(11)
    with far((10, 11), table={
            ("alias.test", CNAME): ["far.test"],
            ("far.test", MX): [(10, "also.far.test")],
            ("also.far.test", CNAME): ["mx11.far.test"]}):
        world.send("a@alias.test")
        world.wait_quiet()
    assert [t.accepted for t in one.taken] == [["a@alias.test"]]


def test_answer_too_big_for_udp(world, exchangers):
    one = exchangers(11)
    with far(*[(20, n) for n in range(20, 60)], table={
            ("mx11.far.test", A): ["127.0.0.11"]}) as server:
        server.table["far.test", MX].append((10, "mx11.far.test"))
        world.send("a@far.test")
        world.wait_quiet()
        assert server.over_tcp > 0
    assert len(one.taken) == 1


def test_answer_that_is_no_answer_defers(world):
    world.leaves("queue")
    with far(table={("far.test", MX): "GARBAGE"}):
        world.send("a@far.test")
        world.wait_tried("a@far.test", limit=40)
    assert world.mailbox("alice") == []
    assert world.log_lines("to=<a@far.test>", "relay=far.test ",
                           "status=deferred")


@pytest.mark.parametrize("table", (
    {("far.test", MX): [(10, "host.test")]},
    {("far.test", MX): [(10, "us.test")], ("us.test", A): ["127.0.0.1"]},
    {("far.test", MX): [(10, "us.test"), (20, "mx11.far.test")],
     ("us.test", A): ["127.0.0.1"], ("mx11.far.test", A): ["127.0.0.11"]}))
def test_mail_that_would_come_back_fails_at_once(world, exchangers, table):
    one, us = exchangers(11), exchangers(1)
    with far(table=table):
        world.send("a@far.test")
        bounce, = world.wait_mail("alice")
    assert b"5.4.6" in bounce.text
    assert one.connections == [] and us.connections == []


def test_exchangers_that_are_no_better_than_we_are_left_out(world,
                                                            exchangers):
    """The one that is better is away: mail waits for it."""
    world.leaves("queue")
    late = exchangers(13)
    with far((10, 11), (20, 1), (30, 13)):
        world.send("a@far.test")
        world.wait_tried("a@far.test")
    assert late.connections == []
    assert world.mailbox("alice") == []


def test_equal_exchangers_share(world, exchangers):
    """One that is never chosen in 40 new processes: 1 in 10^12."""
    both = [exchangers(11), exchangers(12)]
    with far((10, 11), (10, 12), (20, 13)):
        for i in range(40):
            world.send("a%d@far.test" % i)
            world.wait_quiet()
            if all(p.taken for p in both):
                break
    assert all(p.taken for p in both)


def test_what_one_puts_off_goes_to_its_equal(world, exchangers):
    """Whichever of them is asked first."""
    one = exchangers(11)
    exchangers(12, Script(rcpt_reply="450 4.2.0 not here"))
    with far((10, 11), (10, 12)):
        for n in range(3):
            world.send("a%d@far.test" % n)
            world.wait_quiet()
    assert len(one.taken) == 3
    assert not world.log_lines("status=deferred")


# -- quick fallback ----------------------------------------------------------

def dual(six, **more):
    table = {("far.test", MX): [(10, "mx.far.test")],
             ("mx.far.test", A): ["127.0.0.11"],
             ("mx.far.test", AAAA): [six]}
    table.update(more)
    return NameServer(table)


@pytest.mark.seconds(6)
def test_other_family_is_tried_after_five_seconds(world, exchangers, six,
                                                  hole):
    """In the same attempt, and long before TIMEOUT_CONNECT."""
    hole(six)
    one = exchangers(11)
    with dual(six):
        world.send("a@far.test")
        world.wait_quiet(60)
    assert len(one.taken) == 1
    assert not world.log_lines("status=deferred")


def test_good_address_is_the_only_one_connected_to(world, exchangers, six):
    first, other = exchangers(six), exchangers(11)
    with dual(six):
        for i in range(10):
            world.send("a%d@far.test" % i)
        world.wait_quiet()
    assert len(first.taken) == 10
    assert other.connections == []


def test_address_literal_of_ipv6(world, exchangers, six):
    one = exchangers(six)
    world.send("a@[IPv6:%s]" % six)
    world.wait_quiet()
    assert len(one.taken) == 1


@pytest.mark.seconds(6)
def test_less_good_exchanger_is_tried_if_the_best_is_silent(world, exchangers,
                                                            hole):
    hole("127.0.0.11")
    two = exchangers(12)
    with far((10, 11), (20, 12)):
        world.send("a@far.test")
        world.wait_quiet(30)
    assert len(two.taken) == 1
    assert world.log_lines("mx11.far.test", "timed out")


# -- relays by look-up ---------------------------------------------------------

def test_relays_by_mx(world, exchangers):
    """The best is dead and passed over, for all messages at the cost of one."""
    two, three = exchangers(12), exchangers(13)
    world.write_conf({"SMARTHOST": "mx:far.test"})
    with far((10, 11), (20, 12), (30, 13)):
        for i in range(5):
            world.send("u%d@elsewhere.test" % i)
        world.wait_quiet()
    assert len(two.taken) == 5
    assert three.connections == []
    assert len(world.log_lines("mx11.far.test", "connect")) == 1


def test_relays_by_mx_at_another_port(world, exchangers):
    one = exchangers(11, port=2525)
    world.write_conf({"SMARTHOST": "mx:far.test:2525"})
    with far((10, 11)):
        world.send("a@elsewhere.test")
        world.wait_quiet()
    assert len(one.taken) == 1


@pytest.mark.parametrize("smarthost", ("mx:no-such.test", "srv:no-such.test",
                                       "srv:far.test", "mx:null.test"))
def test_relay_that_is_not_found_defers(world, smarthost):
    world.leaves("queue")
    world.write_conf({"SMARTHOST": smarthost})
    with far((10, 11), table={
            ("null.test", MX): [(0, ".")],
            ("_submission._tcp.far.test", SRV): [(0, 0, 0, ".")]}):
        world.send("a@elsewhere.test")
        world.wait_tried("a@elsewhere.test")
    assert world.mailbox("alice") == []


def test_second_entry_when_nothing_is_found_for_the_first(world, exchangers):
    one = exchangers(11)
    world.write_conf({"SMARTHOST": "mx:no-such.test mx11.far.test"})
    with far((10, 11)):
        world.send("a@elsewhere.test")
        world.wait_quiet()
    assert len(one.taken) == 1


def services(*, tls=(), clear=(), **more):
    table = {("_submissions._tcp.smart.test", SRV): list(tls),
             ("_submission._tcp.smart.test", SRV): list(clear)}
    for _, _, _, name in table["_submissions._tcp.smart.test", SRV] + \
            table["_submission._tcp.smart.test", SRV]:
        if name != ".":
            table[name, A] = ["127.0.0.%s" % name[1:3]]
    return NameServer({k: v for k, v in table.items() if v}, **more)


def test_service_with_tls_first(world, exchangers, certs):
    secret = exchangers(11, Script(tls="implicit",
                                   certificate=certs["smart"]), port=4650)
    clear = exchangers(12, port=587)
    world.write_conf({"SMARTHOST": "srv:smart.test"})
    with services(tls=[(10, 0, 4650, "s11.smart.test")],
                  clear=[(0, 0, 587, "s12.smart.test")]):
        world.send("a@far.test")
        world.wait_quiet()
    assert len(secret.taken) == 1
    assert secret.connections[0].handshakes == 1
    assert clear.connections == []


def test_service_by_priority_and_the_dead(world, exchangers, certs):
    """No TLS service but "."; the best of the others is dead."""
    two = exchangers(12, Script(tls="starttls", certificate=certs["smart"]),
                     port=587)
    three = exchangers(13, port=587)
    world.write_conf({"SMARTHOST": "srv:smart.test"})
    with services(tls=[(0, 0, 0, ".")],
                  clear=[(30, 0, 587, "s13.smart.test"),
                         (20, 0, 587, "s12.smart.test"),
                         (10, 0, 587, "s11.smart.test")]):
        world.send("a@far.test")
        world.wait_quiet()
    assert len(two.taken) == 1
    assert three.connections == []


def test_service_weight(world, exchangers):
    """A weight of 0 beside 65535 is chosen once in millions."""
    heavy, light = exchangers(11, port=587), exchangers(12, port=587)
    world.write_conf({"SMARTHOST": "srv:smart.test"})
    with services(clear=[(10, 0, 587, "s12.smart.test"),
                         (10, 65535, 587, "s11.smart.test")]):
        for i in range(3):
            world.send("a%d@far.test" % i)
            world.wait_quiet()
    assert len(heavy.taken) == 3
    assert light.connections == []


# What DNS says, the entry of auth.conf, and whether the password may go to a
# host that has a certificate for smart.test.
LOGINS = {
    "certificate of the domain": (
        "mx:smart.test", "mx.evil.test", "smart.test", (), True),
    "host that is not below": (
        "mx:far.test", "smart.test", "far.test", (), False),
    "the same, but signed": (
        "mx:far.test", "smart.test", "far.test", ("far.test",), True),
    "host with its own entry": (
        "mx:far.test", "smart.test", "smart.test", (), True),
    "the same, but nobody wanted to know": (
        "mx:far.test", "smart.test", "far.test", ("far.test",), False),
    "service of another domain": (
        "srv:far.test", "smart.test", "far.test", (), False),
    "signed service": (
        "srv:far.test", "smart.test", "far.test",
        ("_submission._tcp.far.test",), True),
}


@pytest.mark.parametrize("case, tls", [(case, None) for case in LOGINS] + [
    ("host that is not below", "opportunistic"),
    ("service of another domain", "opportunistic")])
def test_who_gets_the_password(world, exchangers, certs, case, tls):
    smarthost, host, entry, secure, is_good = LOGINS[case]
    one = exchangers(11, Script(tls="starttls", certificate=certs["smart"],
                                auth=("PLAIN",), user="me",
                                password="s3cret"))
    world.write_conf({"SMARTHOST": smarthost, "CAFILE": certs["ca"],
                      "TLS": tls, "INSECURE": "" if tls else None,
                      "DANE": "on" if secure and is_good else None})
    world.write_auth("me|%s:s3cret\n" % entry)
    domain = smarthost.split(":")[1]
    with NameServer({(domain, MX): [(10, host)],
                     ("_submission._tcp." + domain, SRV): [(0, 0, 25, host)],
                     (host, A): ["127.0.0.11"]}, secure=secure) as server:
        with open("/etc/hosts", "r+") as f:
            hosts = f.read()
            f.seek(0)
            f.truncate()
            f.write("127.0.0.1 localhost host.test\n")
        try:
            if not is_good:
                world.leaves("queue")
            world.send("a@elsewhere.test")
            if is_good:
                world.wait_quiet()
            else:
                world.wait_tried("a@elsewhere.test")
        finally:
            with open("/etc/hosts", "w") as f:
                f.write(hosts)
        assert server.asked
    logins = [x for c in one.connections for x in c.logins]
    assert logins == ([("PLAIN", "me", True)] if is_good else [])
    if not is_good:
        assert "expected far.test" in world.mailq()


# -- DANE, as a resolver tells it ------------------------------------------------

def digest(path):
    """SHA-256 of a certificate's public key."""
    key = subprocess.run(["openssl", "x509", "-in", path, "-pubkey",
                          "-noout"], check=True, stdout=subprocess.PIPE)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"],
                         input=key.stdout, check=True, stdout=subprocess.PIPE)
    return hashlib.sha256(der.stdout).digest()


NAME = "_25._tcp.mx11.far.test"
SIGNED = ("far.test", "mx11.far.test", NAME)


def dane(world, exchangers, certs, data, secure=SIGNED, **script):
    """Mail for far.test, whose exchanger has the certificate "lone"."""
    keys = {"tls": "starttls", "certificate": certs["lone"], **script}
    one = exchangers(11, Script(**keys))
    world.write_conf({"DANE": "on"})
    with far((10, 11), table={(NAME, TLSA): data} if data else {},
             secure=secure):
        world.send("a@far.test")
        world.wait_until(lambda: world.log_lines("to=<a@far.test>", "status="),
                         20, "an attempt")
    return one


def test_dane(world, exchangers, certs):
    one = dane(world, exchangers, certs,
               [b"\3\1\1" + digest(certs["lone"])])
    assert len(one.taken) == 1
    assert one.connections[0].sni == "mx11.far.test"
    assert world.log_lines("verified by DANE")


@pytest.mark.parametrize("data, secure, word", (
    # records of another key
    ([b"\3\1\1" + b"x" * 32], SIGNED, "TLSA"),
    # nobody can say whether there are some
    ("SERVFAIL", SIGNED, "TLSA of mx11.far.test"),
    ("GARBAGE", SIGNED, "TLSA of mx11.far.test")))
def test_dane_that_is_not_met_defers(world, exchangers, certs, data, secure,
                                     word):
    world.leaves("queue")
    one = dane(world, exchangers, certs, data, secure)
    assert one.taken == []
    assert word in world.mailq()


def test_dane_without_starttls_defers(world, exchangers, certs):
    world.leaves("queue")
    one = dane(world, exchangers, certs,
               [b"\3\1\1" + digest(certs["lone"])], tls=None)
    assert one.taken == []
    assert "STARTTLS" in world.mailq()


@pytest.mark.parametrize("data, secure", (
    (None, SIGNED),
    # not signed: the records, the address, the exchanger's name
    ([b"\3\1\1" + b"x" * 32], SIGNED[:2]),
    ([b"\3\1\1" + b"x" * 32], (SIGNED[0], SIGNED[2])),
    ([b"\3\1\1" + b"x" * 32], SIGNED[1:])))
def test_dane_that_does_not_count(world, exchangers, certs, data, secure):
    one = dane(world, exchangers, certs, data, secure)
    assert len(one.taken) == 1
    assert world.log_lines("not verified")


@pytest.mark.parametrize("tls", ("starttls", None))
def test_dane_with_nothing_that_can_be_used(world, exchangers, certs, tls):
    """TLS is owed all the same (RFC 7672 2.2)."""
    if tls is None:
        world.leaves("queue")
    one = dane(world, exchangers, certs, [b"\1\0\1" + b"x" * 32], tls=tls)
    assert len(one.taken) == (tls is not None)


def test_dane_for_a_relay(world, exchangers, certs):
    """What dma.conf names needs no MX to be signed; and no CAFILE here."""
    one = exchangers(11, Script(tls="starttls", certificate=certs["lone"],
                                auth=("PLAIN",), user="me",
                                password="s3cret"), port=587)
    world.write_conf({"SMARTHOST": "mx11.far.test:587", "DANE": ""})
    world.write_auth("me|mx11.far.test:s3cret\n")
    with far((10, 11), table={("_587._tcp.mx11.far.test", TLSA):
                              [b"\3\1\1" + digest(certs["lone"])]},
             secure=("mx11.far.test", "_587._tcp.mx11.far.test")):
        world.send("a@elsewhere.test")
        world.wait_quiet()
    assert len(one.taken) == 1
    assert world.log_lines("verified by DANE", "login=PLAIN")


def test_dane_over_ipv6_to_the_resolver(world, exchangers, certs):
    """The resolver's address tells whether it is on this host."""
    exchangers(11, Script(tls="starttls", certificate=certs["lone"]))
    world.write_conf({"DANE": "on"})
    with open("/etc/resolv.conf") as f:
        old = f.read()
    with open("/etc/resolv.conf", "w") as f:
        f.write("nameserver ::1\n")
    try:
        with far((10, 11), table={(NAME, TLSA): [
                b"\3\1\1" + digest(certs["lone"])]}, secure=SIGNED,
                host="::1"):
            world.send("a@far.test")
            world.wait_quiet()
    finally:
        with open("/etc/resolv.conf", "w") as f:
            f.write(old)
    assert world.log_lines("verified by DANE")
