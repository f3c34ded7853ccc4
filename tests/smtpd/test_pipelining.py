"""Commands in groups of any shape."""
import socket
import time

import pytest

MESSAGE = b"Subject: %d\r\n\r\n..stuffed\r\n"
ONE = (b"MAIL FROM:<ann@from.test>\r\nRCPT TO:<u%d@to.test>\r\nDATA\r\n"
       + MESSAGE + b".\r\n")


def codes(c, n):
    return [c.reply().code for _ in range(n)]


@pytest.fixture
def server(smtpd):
    return smtpd(DURABLE="none", MAX_COMMANDS="100000000")


def test_all_in_one_segment(server):
    with server.client() as c:
        c.send(b"EHLO c.test\r\n" + ONE % (1, 1) + b"NOOP\r\n" +
               ONE % (2, 2) + b"RSET\r\nQUIT\r\nNOOP\r\n")
        assert codes(c, 12) == [250, 250, 250, 354, 250, 250,
                                250, 250, 354, 250, 250, 221]
        assert c.wait_closed() == ""
    got = {m.to[0]: m.text for m in server.tree.messages()}
    assert got == {"u%d@to.test" % i: b"Subject: %d\r\n\r\n.stuffed\r\n" % i
                   for i in (1, 2)}


def test_one_byte_a_segment(server):
    with server.client() as c:
        for byte in b"EHLO c.test\r\n" + ONE % (1, 1) + b"QUIT\r\n":
            c.send(bytes([byte]))
            time.sleep(0.0005)
        assert codes(c, 6) == [250, 250, 250, 354, 250, 221]
    assert server.only().text == b"Subject: 1\r\n\r\n.stuffed\r\n"


def test_a_thousand_transactions_without_a_pause(server):
    """The replies are read only after all was sent."""
    n = 1000
    with server.hello() as c:
        c.send(b"".join(ONE % (i, i) for i in range(n)) + b"QUIT\r\n")
        for i in range(n):
            assert codes(c, 4) == [250, 250, 354, 250], i
        assert c.reply().code == 221
    assert sorted(m.to[0] for m in server.tree.messages()) == sorted(
        "u%d@to.test" % i for i in range(n))


def test_a_client_that_never_reads_its_replies(server):
    """It is not served any further, costs no memory, and disturbs no one."""
    with server.hello() as deaf:
        deaf.sock.setblocking(False)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += deaf.sock.send(b"NOOP\r\n" * 10000)
        except BlockingIOError:
            pass
        server.send()
        deaf.reset()
    assert len(server.tree.paths()) == 1


def test_every_way_to_cut_a_session_in_two(server):
    session = b"EHLO c.test\r\n" + ONE % (7, 7) + b"BDAT 1\r\nxQUIT\r\n"
    for cut in range(1, len(session)):
        with server.client() as c:
            c.send(session[:cut])
            time.sleep(0.0005)
            c.send(session[cut:])
            assert codes(c, 7) == [250, 250, 250, 354, 250, 503, 221], cut
    got = server.tree.messages()
    assert len(got) == len(session) - 1
    assert {m.text for m in got} == {b"Subject: 7\r\n\r\n.stuffed\r\n"}


def test_refusals_inside_of_a_group(server):
    """A text that follows a refused DATA is not read as one."""
    with server.hello() as c:
        c.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<>\r\nDATA\r\nRSET\r\n")
        assert codes(c, 4) == [250, 501, 503, 250]
        c.send(b"MAIL FROM:<\r\nRCPT TO:<a@b>\r\nDATA\r\nRSET\r\n")
        assert codes(c, 4) == [501, 503, 503, 250]
        c.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\n"
               b"BDAT 5\r\nhelloBDAT 7 LAST\r\n world\nRSET\r\n")
        assert codes(c, 2) == [250, 250]
        assert codes(c, 3) == [250, 550, 250]
        c.expect("NOOP", "250 ")
        c.quit()
    assert server.tree.paths() == []


def test_many_sessions_interleaved(server):
    """Each gets its own replies and its own message."""
    clients = [server.hello() for _ in range(40)]
    for i, c in enumerate(clients):
        c.send(b"MAIL FROM:<s%d@from.test>\r\nRCPT TO:<r%d@to.test>\r\n"
               % (i, i))
    for c in clients:
        assert codes(c, 2) == [250, 250]
    for c in reversed(clients):
        c.expect("DATA", "354 ")
    for part in range(5):
        for i, c in enumerate(clients):
            c.send(b"%d.%d\r\n" % (i, part))
    for c in clients:
        c.send(".\r\n")
    for c in clients:
        assert c.reply().code == 250
        c.quit()
    got = {m.sender: m for m in server.tree.messages()}
    assert len(got) == 40
    for i in range(40):
        m = got["<s%d@from.test>" % i]
        assert m.to == ["r%d@to.test" % i]
        assert m.text == b"".join(b"%d.%d\r\n" % (i, x) for x in range(5))


def test_a_client_that_closes_its_half_gets_its_replies(server):
    """As nc(1) and many scripts do."""
    with server.client() as c:
        c.send(b"EHLO c.test\r\n" + ONE % (1, 1) + ONE % (2, 2) + b"QUIT\r\n")
        c.sock.shutdown(socket.SHUT_WR)
        assert codes(c, 10) == [250, 250, 250, 354, 250, 250, 250, 354, 250,
                                221]
    assert len(server.tree.messages()) == 2
