"""DANE with a real validating resolver: unbound, and zones that ldns signed."""
import hashlib
import subprocess
import tempfile

import pytest

import resolver as resolvers
from smtp_peer import Script


def der(*argv, data=None):
    return subprocess.run(("openssl",) + argv, input=data, check=True,
                          stdout=subprocess.PIPE).stdout


def key_digest(path):
    """SHA-256 of the public key of a certificate, in hexadecimal."""
    key = der("x509", "-in", path, "-pubkey", "-noout")
    return hashlib.sha256(der("pkey", "-pubin", "-outform", "DER",
                              data=key)).hexdigest()


def whole(path):
    return der("x509", "-in", path, "-outform", "DER").hex()


def zone(octet, tlsa):
    return ("@ MX 10 mx\nmx A 127.0.0.%d\n" % octet +
            "".join("_25._tcp.mx TLSA %s\n" % t for t in tlsa))


@pytest.fixture(scope="module")
def resolver(certs):
    r = resolvers.Resolver(tempfile.mkdtemp(prefix="zones", dir="/etc"))
    own, ca = key_digest(certs["lone"]), whole(certs["ca"])
    r.add("key.test", zone(11, ["3 1 1 " + own]))
    r.add("two.test", zone(11, ["3 1 1 " + "00" * 32, "3 1 1 " + own]))
    r.add("ca.test", zone(12, ["2 0 0 " + ca]))
    # The certificate is for smart.test: this is where that zone is.
    r.add("smart.test", "@ MX 10 smart.test.\n@ A 127.0.0.12\n"
          "_25._tcp TLSA 2 0 0 %s\n" % ca)
    r.add("wrong.test", zone(11, ["3 1 1 " + "00" * 32]))
    r.add("none.test", zone(11, []))
    r.add("plain.test", zone(11, ["3 1 1 " + "00" * 32]), signed=False)
    r.add("bogus.test", zone(11, ["3 1 1 " + own]),
          spoil=(own, "11" * 32))
    r.add("clear.test", zone(13, ["3 1 1 " + own]))
    r.add("alias.test", "@ MX 10 mx\nmx CNAME mx.key.test.\n")
    # Its exchanger is signed, but not the answer that says which one it is.
    r.add("loose.test", "@ MX 10 mx.wrong.test.\n", signed=False)
    r.start()
    yield r
    r.stop()


@pytest.fixture
def site(world, resolver, certs, exchangers):
    """DANE is on; nothing else says whom to trust."""
    with open("/etc/hosts") as f:
        hosts = f.read()
    with open("/etc/hosts", "w") as f:
        f.write("127.0.0.1 localhost host.test\n")
    world.write_conf({"DANE": "on"})
    world.peers = {
        11: exchangers(11, Script(tls="starttls", certificate=certs["lone"])),
        12: exchangers(12, Script(tls="starttls",
                                  certificate=certs["smart"])),
        13: exchangers(13)}
    yield world
    with open("/etc/hosts", "w") as f:
        f.write(hosts)


def taken(site):
    return {n: len(p.taken) for n, p in site.peers.items() if p.taken}


@pytest.mark.parametrize("domain, octet", (
    ("key.test", 11), ("two.test", 11), ("smart.test", 12),
    ("alias.test", 11)))
def test_good_record(site, domain, octet):
    site.send("a@" + domain)
    site.wait_quiet(30)
    assert taken(site) == {octet: 1}
    assert site.log_lines("verified by DANE")


@pytest.mark.parametrize("domain, words", (
    ("wrong.test", "TLSA"),
    ("ca.test", "expected mx.ca.test"),
    ("bogus.test", "name servers gave no usable answer"),
    ("clear.test", "STARTTLS")))
def test_record_that_is_not_met_defers(site, domain, words):
    site.leaves("queue")
    site.send("a@" + domain)
    site.wait_tried("a@" + domain, 40)
    assert words in site.mailq()
    assert taken(site) == {}


@pytest.mark.parametrize("domain", ("none.test", "plain.test", "loose.test"))
def test_no_record_that_counts(site, domain):
    """As without DANE: TLS where it is offered, whatever the certificate."""
    site.send("a@" + domain)
    site.wait_quiet(30)
    assert taken(site) == {11: 1}
    assert site.log_lines("not verified")


def test_without_dane_nobody_asks(site):
    site.write_conf({})
    site.send("a@wrong.test")
    site.wait_quiet(30)
    assert taken(site) == {11: 1}
