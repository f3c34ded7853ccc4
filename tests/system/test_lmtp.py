"""MAILBOX lmtp: a mail store gets the mail of users (RFC 2033)."""
import grp
import os
import pwd
import socket
import struct
import subprocess
import threading

import pytest

SOCK = "/run/store"


class Store:
    """A store that answers by a table: command word -> replies in turn."""

    def __init__(self, family=socket.AF_UNIX, mode=0o666, **replies):
        self.listener = socket.socket(family)
        if family == socket.AF_UNIX:
            if os.path.lexists(SOCK):
                os.unlink(SOCK)
            self.listener.bind(SOCK)
            os.chmod(SOCK, mode)
        else:
            self.listener.bind(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(20)
        self.replies = {k: list(v) for k, v in replies.items()}
        self.lines, self.texts, self.peers = [], [], []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(conn,),
                             daemon=True).start()

    def answer(self, conn, word, usual):
        queue = self.replies.get(word)
        reply = queue.pop(0) if queue else usual
        if reply is None:
            conn.shutdown(socket.SHUT_RDWR)
            return False
        conn.sendall(reply.encode() + b"\r\n")
        return reply[0] in "23"

    def talk(self, conn):
        if conn.family == socket.AF_UNIX:
            self.peers.append(struct.unpack("3i", conn.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))
        usual = {"LHLO": "250-store\r\n250-8BITMIME\r\n250 PIPELINING",
                 "DATA": "354 go on", "QUIT": "221 bye"}
        try:
            self.answer(conn, "greeting", "220 store LMTP")
            with conn.makefile("rb") as f:
                for line in f:
                    self.lines.append(line)
                    word = line.split()[0].decode()
                    ok = self.answer(conn, word, usual.get(word, "250 ok"))
                    if word == "DATA" and ok:
                        text = b""
                        for x in iter(f.readline, b".\r\n"):
                            if not x:
                                return
                            text += x
                        self.texts.append(text)
                        self.answer(conn, "dot", "250 2.1.5 stored")
        except OSError:
            pass

    def close(self):
        # A close alone leaves accept() waiting, on a number that the next
        # server may get.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def store(world):
    made = []

    def make(**more):
        made.append(Store(**more))
        where = SOCK if made[-1].listener.family == socket.AF_UNIX else \
            "127.0.0.1:%d" % made[-1].port
        world.write_conf({"MAILBOX": "lmtp:" + where})
        return made[-1]
    yield make
    for s in made:
        s.close()


def test_store_gets_the_message(world, store):
    s = store()
    world.send("-i", "bob+ext",
               input=b"Subject: s\n\n.\n..dots\nFrom here\nend\n")
    world.wait_quiet()
    text, = s.texts
    assert text.endswith(b"\r\n\r\n..\r\n...dots\r\nFrom here\r\nend\r\n")
    assert b"From alice" not in text.split(b"\r\n")[0]
    assert s.lines == [
        b"LHLO host.test\r\n",
        b"MAIL FROM:<alice@host.test> BODY=8BITMIME\r\n",
        b"RCPT TO:<bob+ext>\r\n", b"DATA\r\n", b"QUIT\r\n"]
    assert world.log_lines("to=<bob+ext>", "dsn=2.1.5", "status=sent",
                           "stored")
    assert world.mailbox("bob") == []


@pytest.mark.parametrize("offers, options", (
    ("250 SMTPUTF8", " SMTPUTF8"),
    ("250-8BITMIME\r\n250 SMTPUTF8", " BODY=8BITMIME SMTPUTF8")))
def test_smtputf8_where_an_address_needs_it(world, store, offers, options):
    s = store(LHLO=2 * ["250-store\r\n" + offers])
    for sender in "j\u00fcrgen@host.test", "alice@host.test":
        world.send("-f", sender, "bob")
        world.wait_quiet()
    assert [x.decode() for x in s.lines if x.startswith(b"MAIL")] == [
        "MAIL FROM:<j\u00fcrgen@host.test>%s\r\n" % options,
        "MAIL FROM:<alice@host.test>%s\r\n" %
        options.replace(" SMTPUTF8", "")]


def test_a_header_in_utf8_needs_smtputf8(world, store):
    offers = "250-store\r\n250-8BITMIME\r\n250 SMTPUTF8"
    s = store(LHLO=[offers, offers, "250 8BITMIME"])
    for subject in "x", "\u00fc", "\u00fc":
        world.send("bob", input=("Subject: %s\n\n\u00fc\n" %
                                 subject).encode())
        world.wait_quiet()
    assert [x.split(b">")[1] for x in s.lines if x.startswith(b"MAIL")] == [
        b" BODY=8BITMIME\r\n", b" BODY=8BITMIME SMTPUTF8\r\n",
        b" BODY=8BITMIME\r\n"]
    assert len(s.texts) == 3


def test_a_store_without_smtputf8_is_given_no_such_address(world, store):
    s = store()
    world.send("-f", "j\u00fcrgen@host.test", "bob")
    world.wait_quiet()
    assert world.log_lines("to=<bob>", "status=failed", "dsn=5.6.7",
                           "lmtp:" + SOCK)
    assert b"".join(s.lines).isascii()


def test_store_over_tcp(world, store):
    s = store(family=socket.AF_INET)
    world.send("bob", "carol")
    world.wait_quiet()
    assert len(s.texts) == 2


def test_root_has_mail_there_too(world, store):
    s = store()
    world.send("postmaster")
    world.wait_quiet()
    assert b"RCPT TO:<root>\r\n" in s.lines and len(s.texts) == 1


def test_the_spool_user_speaks(world, store):
    """Not the user, and not root."""
    s = store()
    world.send("bob")
    world.wait_quiet()
    assert [x[1] for x in s.peers] == [pwd.getpwnam("_dma").pw_uid]


def test_socket_for_a_group_of_the_spool_user(world, store):
    s = store(mode=0o660)
    os.chown(SOCK, 0, grp.getgrnam("mail").gr_gid)
    world.send("bob")
    world.wait_tried("Permission denied")
    assert s.texts == []
    try:
        subprocess.run(["usermod", "-a", "-G", "mail", "_dma"], check=True)
        world.flush()
        world.wait_quiet()
        assert len(s.texts) == 1
    finally:
        subprocess.run(["gpasswd", "-d", "_dma", "mail"], check=True,
                       stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("where,reply,status,dsn", (
    ("greeting", "421 busy", "deferred", "4.0.0"),
    ("greeting", "554 go away", "deferred", "4.0.0"),
    ("LHLO", "500 what", "deferred", "4.0.0"),
    ("MAIL", "550 5.7.1 not you", "failed", "5.7.1"),
    ("RCPT", "550 5.1.1 no such user", "failed", "5.1.1"),
    ("RCPT", "452 4.2.2 over quota", "deferred", "4.2.2"),
    ("RCPT", "530 5.7.0 log in", "deferred", "4.7.0"),
    ("DATA", "451 not now", "deferred", "4.0.0"),
    ("dot", "552-5.2.2 mailbox\r\n552 5.2.2 is full", "failed", "5.2.2"),
    ("dot", "452 4.2.2 mailbox is full", "deferred", "4.2.2"),
    ("dot", "nonsense", "deferred", "4.4.1"),
    ("dot", "250-a\r\n550 b", "deferred", "4.4.1"),
    ("dot", None, "deferred", "4.4.1"),
    ("LHLO", None, "deferred", "4.4.1"),
))
def test_replies(world, store, where, reply, status, dsn):
    world.leaves("queue")
    store(**{where: [reply]})
    world.send("-f", "<>", "bob")
    world.wait_until(lambda: world.log_lines("to=<bob>", "status=" + status,
                                             "dsn=" + dsn))


def test_one_recipients_reply_is_its_own(world, store):
    world.leaves("queue")
    s = store()
    world.send("-odq", "bob", "carol")
    s.replies["RCPT"] = ["452 4.2.2 full"]
    world.flush()
    assert len(s.texts) == 1
    assert len(world.log_lines("status=sent")) == 1
    assert len(world.log_lines("status=deferred", "4.2.2")) == 1
    world.flush()
    world.wait_quiet()
    assert len(s.texts) == 2


def test_no_store_lets_mail_wait(world, store):
    world.write_conf({"MAILBOX": "lmtp:/run/no-store"})
    world.send("bob")
    world.wait_tried("No such file")
    s = store()
    world.flush()
    world.wait_quiet()
    assert len(s.texts) == 1


def test_store_whose_name_is_unknown_lets_mail_wait(world, store):
    world.write_conf({"MAILBOX": "lmtp:no-store.test:24"})
    world.send("bob")
    world.wait_tried("lmtp:no-store.test")
    s = store()
    world.flush()
    world.wait_quiet()
    assert len(s.texts) == 1


def test_endless_reply_is_cut_off(world, store):
    world.leaves("queue")
    store(greeting=["220-x\r\n" * 20000 + "220 y"])
    world.send("bob")
    world.wait_tried("invalid LMTP reply")


def test_files_of_a_forward_are_the_users_all_the_same(world, store):
    s = store()
    world.forward("bob", "\\bob, ~/copy, |id -un > /home/bob/who\n")
    world.send("bob")
    world.wait_quiet()
    assert len(s.texts) == 1
    assert b"hello" in world.read_home("bob", "copy")
    assert world.read_home("bob", "who") == b"bob\n"
