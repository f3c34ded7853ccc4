"""The PROXY protocol, versions 1 and 2, from listed addresses."""
import ipaddress
import struct
import time

import pytest

V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v2(client="192.0.2.7", port=4321, command=1, kind=None, more=b"",
       version=2):
    address = ipaddress.ip_address(client)
    if kind is None:
        kind = 0x11 if address.version == 4 else 0x21
    other = b"\x7f\0\0\1" if address.version == 4 else b"\0" * 15 + b"\1"
    body = address.packed + other + struct.pack(">HH", port, 25) + more
    return V2 + bytes([version << 4 | command, kind]) + struct.pack(
        ">H", len(body)) + body


def v1(client="192.0.2.7", family="TCP4", other="192.0.2.8", port="4321"):
    return b"PROXY %s %s %s %s 25\r\n" % (
        family.encode(), client.encode(), other.encode(), port.encode())


@pytest.fixture(scope="module")
def server(module_smtpd):
    return module_smtpd(PROXY_FROM=["127.0.0.9", "127.1.0.0/16"],
                        DURABLE="none", COMMAND_TIMEOUT="2")


@pytest.fixture(autouse=True)
def emptied(request):
    yield
    if "server" in request.fixturenames:
        request.getfixturevalue("server").tree.empty()


TRUSTED = "127.0.0.9"
# A header, and the address that Received has.
GOOD = {
    "v1": (v1(), "192.0.2.7"),
    "v1, IPv6": (v1("2001:db8::7", "TCP6", "2001:db8::8"), "2001:db8::7"),
    "v1, UNKNOWN": (b"PROXY UNKNOWN\r\n", TRUSTED),
    "v1, UNKNOWN and more": (
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", TRUSTED),
    "v2": (v2(), "192.0.2.7"),
    "v2, IPv6": (v2("2001:db8::7"), "2001:db8::7"),
    "v2, a mapped address": (v2("::ffff:192.0.2.9"), "192.0.2.9"),
    "v2, LOCAL": (v2(command=0), TRUSTED),
    "v2, LOCAL without addresses": (V2 + b"\x20\0\0\0", TRUSTED),
    "v2, unspecified": (V2 + b"\x21\0\0\0", TRUSTED),
    "v2, further values": (
        v2(more=b"\x04\0\x05hello" + b"\x03\0\4abcd"), "192.0.2.7"),
    "v2, many of them": (v2(more=b"\x04\x0f\xa0" + b"\0" * 4000),
                         "192.0.2.7"),
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("how", ["whole", "bytes", "with commands"])
def test_a_header_gives_the_address(server, name, how):
    header, address = GOOD[name]
    more = {"source": TRUSTED}
    if how == "bytes":
        c = server.client(banner=False, **more)
        for byte in header[:200]:
            c.send(bytes([byte]))
            time.sleep(0.0003)
        c.send(header[200:])
        c.banner = c.reply()
    elif how == "with commands":
        c = server.client(proxy=header + b"NOOP\r\n", **more)
        assert c.reply().code == 250
    else:
        c = server.client(proxy=header, **more)
    with c:
        assert c.banner.startswith("220 ")
        c.ehlo()
        c.message()
        c.quit()
    assert "[%s%s]" % ("IPv6:" if ":" in address else "", address) in \
        server.only().received
    assert server.lines("client=" + address)


BAD = {
    "no header": b"EHLO client.test\r\n",
    "v1, an address that is none": v1("192.0.2.256"),
    "v1, the wrong family": v1("192.0.2.7", "TCP6"),
    "v1, a port too high": v1(port="65536"),
    "v1, no CR": b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\n",
    "v1, no end": b"PROXY TCP4 " + b"1" * 200,
    "v1, another protocol": v1(family="UDP4"),
    "v2, version 1": v2(version=1),
    "v2, an unknown command": v2(command=2),
    "v2, too short for its family": V2 + b"\x21\x11\0\x04\1\2\3\4",
    "v2, a wrong signature": v2().replace(b"QUIT", b"QUIX"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_listed_peer_without_a_good_header_is_left(server, name):
    with server.client(banner=False, source=TRUSTED) as c:
        c.send(BAD[name])
        said = c.wait_closed()
        assert not said.startswith("220"), said
    server.send()


def test_half_a_header_is_closed_in_the_command_timeout(server):
    waiting = []
    for half in (b"", b"PROXY TCP4 ", V2 + b"\x21\x11"):
        waiting.append(server.client(banner=False, source=TRUSTED))
        waiting[-1].send(half)
    for c in waiting:
        said = c.wait_closed()
        assert not said.startswith("220"), said
        c.close()


def test_an_unlisted_peer_announces_nothing(server):
    with server.client(source="127.0.0.1") as c:
        c.expect(v1()[:-2], "500 ")
        c.ehlo()
        c.message()
        c.quit()
    assert "[127.0.0.1]" in server.only().received


def test_listed_networks(server):
    with server.client(source="127.1.2.3", proxy=v1()) as c:
        assert c.banner.startswith("220 ")


def test_limits_count_the_announced_address(smtpd):
    s = smtpd(PROXY_FROM="127.0.0.9", MAX_CONNECTIONS_PER_ADDRESS="2",
              MIN_SPARE="2")
    with s.client(source=TRUSTED, proxy=v1()) as a, \
            s.client(source=TRUSTED, proxy=v2()) as b, \
            s.client(source=TRUSTED, proxy=v1()) as third, \
            s.client(source=TRUSTED, proxy=v1("192.0.2.99")) as other:
        assert [x.banner[:10] for x in (a, b, third, other)] == [
            a.banner[:10], a.banner[:10], "421 4.7.0 ", a.banner[:10]]
        assert a.banner.startswith("220")
        assert third.wait_closed() == ""


def test_limits_count_ipv6_addresses_by_their_network(smtpd):
    """A client has all addresses of one; IPv4 addresses count one by one."""
    s = smtpd(PROXY_FROM="127.0.0.9", MAX_CONNECTIONS_PER_ADDRESS="1")

    def announced(address):
        if ":" not in address:
            return s.client(source=TRUSTED, proxy=v1(address))
        return s.client(source=TRUSTED, proxy=v1(address, "TCP6", "::1"))

    with announced("2001:db8:0:1::1") as c:
        with announced("2001:db8:0:1:ffff::2") as same:
            assert same.banner.startswith("421 4.7.0 ")
        for address in ("2001:db8:0:2::1", "192.0.2.1", "192.0.2.2"):
            with announced(address) as other:
                assert other.banner.startswith("220 ")
        c.quit()
    with announced("2001:db8:0:1:ffff::2") as next_one:
        assert next_one.banner.startswith("220 ")


def test_the_block_list_has_the_announced_address(smtpd, tmp_path):
    path = tmp_path / "list"
    path.write_text("192.0.2.7\n127.0.0.9\n")
    for folder in (path, *list(path.parents)[:-1]):
        folder.chmod(0o755)
    s = smtpd(PROXY_FROM="127.0.0.9", BLOCKLIST=str(path))
    with s.client(source=TRUSTED, proxy=v1()) as c:
        assert c.banner.startswith("554 ")
        assert c.wait_closed() == ""
    with s.client(source=TRUSTED, proxy=v1("192.0.2.8")) as c:
        assert c.banner.startswith("220 ")
