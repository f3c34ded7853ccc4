"""Each limit, its reply, and what is served on the other side of it."""
import contextlib
import os
import shutil
import signal
import time

import intake
import pytest


def text_of(size):
    """A text of that many bytes, with dots that are to be stuffed."""
    line = b".234567890123456789012345678\r\n"
    last = size % len(line) + len(line)
    return line * (size // len(line) - 1) + b"y" * (last - 2) + b"\r\n"


SIZE = 100000


@pytest.fixture(scope="module")
def small(module_smtpd):
    return module_smtpd(MAX_SIZE=str(SIZE), DURABLE="none")


@pytest.fixture(autouse=True)
def emptied(request):
    yield
    if "small" in request.fixturenames:
        request.getfixturevalue("small").tree.empty()


def test_size_is_refused_at_mail(small):
    with small.hello() as c:
        c.expect("MAIL FROM:<a@b> SIZE=%d" % (SIZE + 1), "552 5.3.4 ")
        c.expect("MAIL FROM:<a@b> SIZE=%d" % SIZE, "250 ")
        c.quit()


@pytest.mark.parametrize("over", [0, 1, 1000, 10 * SIZE])
def test_size_in_data(small, over):
    """Octets after unstuffing, without the lines before it; exactly the
    size is in.  The rest is read to its end."""
    text = text_of(SIZE + over)
    assert len(text) == SIZE + over
    with small.hello() as c:
        c.envelope()
        reply = c.data(text)
        assert reply.startswith("552 5.3.4 " if over else "250 "), reply
        assert [m.text for m in small.tree.messages()] == (
            [] if over else [text])
        c.message()
        c.quit()


@pytest.mark.parametrize("over", [0, 1, 10 * SIZE])
@pytest.mark.parametrize("chunk", [1000, 99999, 10 ** 9])
def test_size_in_chunks(small, over, chunk):
    text = text_of(SIZE + over)
    pieces = [text[i:i + chunk] for i in range(0, len(text), chunk)]
    with small.hello() as c:
        c.envelope()
        replies = [c.bdat(x, last=i == len(pieces) - 1)
                   for i, x in enumerate(pieces)]
        if over:
            assert any(r.startswith("552 5.3.4 ") for r in replies)
            assert replies[-1].code >= 500
            assert small.tree.paths() == []
            c.expect("RSET", "250 ")
        else:
            assert {r.code for r in replies} == {250}
            assert small.only().text == text
        c.message()
        c.quit()


def test_a_chunk_of_any_announced_size(small):
    """Nothing is allocated for it; the bytes are swallowed."""
    with small.hello() as c:
        c.envelope()
        c.send("BDAT 18446744073709551615 LAST\r\n")
        c.send(b"x" * 3000000)
        c.reset()
    assert small.tree.paths() == []


@pytest.mark.parametrize("limit", [None, 512])
def test_long_commands(smtpd, limit):
    s = smtpd(MAX_LINE=limit and str(limit))
    limit = limit or 2048
    with s.hello() as c:
        for length, code in ((limit - 1, 250), (limit, 250),
                             (limit + 1, 500), (limit * 3, 500),
                             (1000000, 500)):
            c.send("NOOP " + "x" * (length - 7) + "\r\n")
            assert c.reply().code == code, length
            c.expect("NOOP", "250 ")
        c.quit()


@pytest.mark.parametrize("limit", [None, 3])
def test_recipients(smtpd, limit):
    """Those above the limit are for another transaction."""
    s = smtpd(MAX_RECIPIENTS=limit and str(limit), DURABLE="none")
    limit = limit or 1000
    with s.hello() as c:
        for _ in range(2):
            s.tree.empty()
            c.envelope(*("u%d@to.test" % i for i in range(limit)))
            for _ in range(2):
                c.expect("RCPT TO:<more@to.test>", "452 4.5.3 ")
            assert c.data("\r\n").code == 250
            assert s.only().to == ["u%d@to.test" % i for i in range(limit)]
        c.quit()


def loop_ns(pid):
    """Processor time of the thread that serves the sessions of a child."""
    with open("/proc/%d/task/%d/schedstat" % (pid, pid)) as f:
        return int(f.read().split()[0])


@pytest.mark.parametrize("module", ["minute", "maildir"])
def test_many_directories_delay_no_other_session(smtpd, module):
    """To sort out a message of many recipients is less work for the loop, in
    which the others wait, than their commands were."""
    s = smtpd(start=False)
    boxes = s.folder + "/boxes"
    os.mkdir(boxes)
    shutil.chown(boxes, intake.USER)
    keys = {"MODULE": module, "MAX_RECIPIENTS": "4000", "DURABLE": "none",
            "MIN_SPARE": "1", "MAX_SPARE": "1", "MAX_CHILDREN": "1"}
    if module == "maildir":
        keys["maildir"] = "PATH %s/%%d" % boxes
    s.write_conf(keys)
    s.start()
    with s.hello() as c:
        child, = s.children()
        begun = loop_ns(child)
        c.expect("MAIL FROM:<ann@from.test>", "250 ")
        for i in range(4000):
            c.expect("RCPT TO:<u@d%d.test> ORCPT=rfc822;%s" % (i, "x" * 400),
                     "250 ")
        asked = loop_ns(child)
        assert c.data("\r\n").code == 250
        assert loop_ns(child) - asked < asked - begun
        c.quit()


def answers_until_421(c, line, most):
    """How many replies come before 421 4.7.0 and the end."""
    for n in range(most + 1):
        try:
            c.send(line + "\r\n")
        except OSError:
            pass        # it has closed; what it said is still to be read
        reply = c.reply()
        if reply.code == 421:
            assert reply.startswith("421 4.7.0 ")
            assert c.wait_closed() == ""
            return n
    raise AssertionError("no 421 after %d" % n)


def test_errors(smtpd):
    s = smtpd(MAX_ERRORS="5")
    for line in ("FOO", "MAIL FROM:<", "RCPT TO:<a@b>", "EXPN x"):
        with s.hello() as c:
            assert answers_until_421(c, line, 6) in (4, 5)
    # Those of one session are not another's, and good commands go before.
    with s.hello() as c:
        for _ in range(4):
            c.expect("FOO", "500 ")
            c.expect("NOOP", "250 ")
        c.quit()


def test_commands(smtpd):
    s = smtpd(MAX_COMMANDS="10")
    for line in ("NOOP", "RSET", "EHLO x"):
        with s.hello() as c:
            assert answers_until_421(c, line, 12) in (8, 9, 10)


def wait_served(s, **more):
    """A place becomes free a little after its connection ended."""
    end = time.monotonic() + 20
    while True:
        c = s.client(**more)
        if c.banner.startswith("220"):
            return c
        assert c.banner.startswith("421 4.7.0 "), c.banner
        assert c.wait_closed() == ""
        assert time.monotonic() < end
        time.sleep(0.02)


def test_connections_in_all_over_several_children(smtpd):
    s = smtpd(MAX_CONNECTIONS="6", MIN_SPARE="3", MAX_SPARE="4",
              MAX_CHILDREN="8")
    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(s.client(
            source="127.0.0.%d" % (i + 1))) for i in range(6)]
        assert all(c.banner.startswith("220") for c in open_ones)
        for i in range(3):
            with s.client(source="127.0.1.%d" % (i + 1)) as c:
                assert c.banner.startswith("421 4.7.0 ")
                assert c.wait_closed() == ""
        open_ones[2].quit()
        open_ones[3].reset()
        for _ in range(2):
            stack.enter_context(wait_served(s))
        with s.client() as c:
            assert c.banner.startswith("421 4.7.0 ")


def test_connections_of_one_address(smtpd):
    s = smtpd(MAX_CONNECTIONS_PER_ADDRESS="3", MIN_SPARE="3",
              MAX_SPARE="4", MAX_CHILDREN="8")
    with contextlib.ExitStack() as stack:
        mine = [stack.enter_context(s.client()) for _ in range(3)]
        assert all(c.banner.startswith("220") for c in mine)
        with s.client() as c:
            assert c.banner.startswith("421 4.7.0 ")
            assert c.wait_closed() == ""
        for i in (2, 3):
            other = stack.enter_context(s.client(source="127.0.0.%d" % i))
            assert other.banner.startswith("220")
        mine[0].close()
        stack.enter_context(wait_served(s))


def test_a_killed_childs_connections_are_not_counted_any_more(smtpd):
    s = smtpd(MAX_CONNECTIONS="4", MAX_CONNECTIONS_PER_ADDRESS="4",
              MIN_SPARE="1", MAX_SPARE="1", MAX_CHILDREN="2")
    open_ones = [s.client() for _ in range(4)]
    for pid in s.children():
        os.kill(pid, signal.SIGKILL)
    for c in open_ones:
        c.wait_closed()
        c.close()
    wait_served(s).quit()


def test_a_silent_client_is_left_after_the_command_timeout(smtpd):
    s = smtpd(COMMAND_TIMEOUT="1")
    clients = [s.client(), s.hello(), s.hello(), s.hello(), s.hello()]
    clients[2].envelope()
    clients[3].envelope()
    clients[3].expect("DATA", "354 ")
    clients[3].send("half a l")
    clients[4].envelope()
    clients[4].send("BDAT 10 LAST\r\nhalf")
    for c in clients:
        reply = c.reply()
        assert reply.startswith("421 4.4.2 "), reply
        assert c.wait_closed() == ""
        c.close()
    assert s.tree.paths() == []


def test_noop_does_not_renew_a_transaction(smtpd):
    s = smtpd(TRANSACTION_TIMEOUT="1", COMMAND_TIMEOUT="30")
    with s.hello() as c:
        c.envelope()
        for _ in range(200):
            reply = c("NOOP")
            if reply.code == 421:
                break
            time.sleep(0.05)
        assert reply.startswith("421 4.4.2 "), reply
        assert c.wait_closed() == ""
    with s.hello() as c:
        c.envelope()
        c.expect("DATA", "354 ")
        c.sock.settimeout(0.05)
        got = b""
        for _ in range(400):
            try:
                c.sock.sendall(b"x\r\n")
                got = c.sock.recv(100)
                break
            except TimeoutError:
                continue
            except OSError:
                break
        assert got.startswith(b"421 4.4.2 "), got
    assert s.tree.paths() == []


def test_between_transactions_only_the_command_timeout_counts(smtpd):
    s = smtpd(TRANSACTION_TIMEOUT="1", COMMAND_TIMEOUT="30")
    with s.hello() as c:
        for _ in range(4):
            time.sleep(0.4)
            c.message()
        c.quit()
