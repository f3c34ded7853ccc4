"""The module queue: into dma's queue through its submission socket."""
import os
import signal
import socket
import threading

import pytest

import acceptor
import intake

SUBMIT = "/run/dma/submit"


@pytest.fixture
def submit(world):
    """What init does with the socket."""
    pid = acceptor.start()
    yield
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.unlink(SUBMIT)


@pytest.fixture
def queue(smtpd):
    def make(*lines, **keys):
        return smtpd(MODULE="queue", queue=lines, **keys)
    return make


def offer(server, *to, text="Subject: t\r\n\r\nhello\r\n", **more):
    with server.hello() as c:
        c.envelope(*to, **more)
        return c.data(text)


def test_a_message_goes_into_the_queue(world, submit, queue):
    text = "Subject: t\r\n\r\n.dot\r\n.\r\n" + "x" * 100000 + "\r\n"
    assert offer(queue(), "alice@host.test", sender="ann@from.test",
                 text=text).startswith("250 ")
    message, = world.wait_mail("alice")
    assert message["Subject"] == "t"
    assert message["Return-Path"] == "<ann@from.test>"
    assert any("with ESMTP" in r for r in message.get_all("Received"))
    assert b"\n.dot\n.\nxxxx" in message.text
    assert b"Forward-Path" not in message.text


def test_a_null_sender_and_many_recipients(world, submit, queue):
    to = ["alice+%s%d@host.test" % ("n" * 40, i) for i in range(400)]
    assert offer(queue(), "alice@host.test", "bob@host.test", *to,
                 sender="").startswith("250 ")
    message, = world.wait_mail("bob")
    assert message["Return-Path"] == "<>"


def test_what_dma_refuses_is_refused(world, submit, queue):
    server = queue()
    assert offer(server, "nobody.here@host.test").startswith("550 5.1.1 ")
    assert server.lines("status 67", "nobody.here@host.test")
    assert offer(server, "alice@host.test").startswith("250 ")


def test_without_the_socket_mail_is_deferred(world, queue):
    server = queue()
    assert offer(server, "alice@host.test").startswith("451 4.3.0 ")
    assert server.lines(SUBMIT + ": does not exist: enable dma-submit.socket")


def test_without_the_socket_the_fallback_takes_it(world, queue):
    server = queue(FALLBACK="minute")
    assert offer(server, "alice@host.test").startswith("250 ")
    assert server.only().to == ["alice@host.test"]


def test_more_sessions_than_calls(world, submit, queue):
    server = queue("CALLS 2")
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(
        offer(server, "alice@host.test"))) for _ in range(30)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert [r[:4] for r in replies] == ["250 "] * 30
    world.wait_mail("alice", 30)


def test_a_call_that_has_no_place_is_tried_again(world, queue):
    """The acceptor closes connections above its limit; then it has room."""
    refused = acceptor.listen()
    server = queue()
    with server.hello() as c:
        c.envelope("alice@host.test")
        c.expect("DATA", "354 ")
        c.send("Subject: t\r\n\r\nhello\r\n.\r\n")
        for _ in range(3):
            connection, _ = refused.accept()
            connection.close()
        refused.close()
        os.unlink(SUBMIT)
        pid = acceptor.start()
        # In between there may have been no socket at all.
        assert c.reply()[:4] in ("250 ", "451 ")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.unlink(SUBMIT)


def test_an_end_without_a_status_is_no_success(world, queue):
    """dma gets the call and dies: nothing is acknowledged."""
    server = queue()
    listener = acceptor.listen()

    def serve():
        connection, _ = listener.accept()
        connection.sendall(b"\x50\0\0\0\0\0\0\0")   # IPC_SUBMIT_READY
        _, fds, _, _ = socket.recv_fds(connection, 1024, 4)
        for fd in fds:
            os.close(fd)
        connection.close()
    t = threading.Thread(target=serve)
    t.start()
    assert offer(server, "alice@host.test").startswith("451 ")
    t.join()
    listener.close()
    os.unlink(SUBMIT)
    assert server.lines("without a status")


@pytest.mark.parametrize("line", ["CALLS 0", "CALLS 65", "CALLS x", "CALLS",
                                  "TEMPORARY tmp", "OTHER 1"])
def test_a_bad_setting_is_an_error(line):
    folder = intake.new_folder()
    status, said = intake.check_conf("MODULE queue\nqueue %s\n" % line, folder)
    assert status == 78 and "dma-smtpd" in said and ":2" in said
