"""SMTP on standard input and output: sendmail -bs."""
import contextlib
import os
import pty
import signal
import smtplib
import socket
import subprocess

import pytest

from report import Report
from smtp_peer import Script
from test_calls import full  # noqa: F401
from world import HOST, SENDMAIL

BS = (SENDMAIL, "-bs")
TEXT = b"Subject: one\r\n\r\nhello bob\r\n.\r\n"


class Pipes:
    """A client at two pipes, which sends what it likes."""

    def __init__(self, world, *args, user="alice"):
        self.process = world.start(
            [*BS, *args], user=user, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.expect("220")

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def reply(self):
        """All lines of the next reply, and that they end in CRLF."""
        lines = []
        while not lines or lines[-1][3:4] == b"-":
            line = self.process.stdout.readline()
            assert line.endswith(b"\r\n"), (lines, line)
            lines.append(line[:-2])
        return b"\n".join(lines).decode()

    def expect(self, *codes):
        replies = [self.reply() for _ in codes]
        for code, text in zip(codes, replies):
            assert text.startswith(code), replies
        return replies[-1]

    def say(self, command, code):
        self.send(command + b"\r\n")
        return self.expect(code)

    def end(self):
        """Ends the input; exit status, the rest of the output, the errors."""
        rest, errors = self.process.communicate(timeout=60)
        return self.process.returncode, rest, errors


def begin(client, recipient=b"bob"):
    client.send(b"MAIL FROM:<alice@host.test>\r\nRCPT TO:<" + recipient +
                b">\r\nDATA\r\n")
    client.expect("250", "250", "354")


@contextlib.contextmanager
def library(world, user="alice"):
    """Python's own client, at a socket as inetd would give it."""
    ours, theirs = socket.socketpair()
    process = world.start(BS, user=user, stdin=theirs, stdout=theirs,
                          stderr=subprocess.PIPE)
    theirs.close()
    client = smtplib.SMTP(local_hostname="client.test")
    client.sock = ours
    assert client.getreply()[0] == 220
    yield client
    client.quit()
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0


def test_a_library_sends_two_messages(world):
    with library(world) as client:
        for n in range(2):
            assert client.sendmail(
                "alice@host.test", ["bob", "carol"],
                "Subject: %d\n\n.dot\n..two\n" % n) == {}
    for user in "bob", "carol":
        got = world.wait_mail(user, 2)
        assert sorted(m["Subject"] for m in got) == ["0", "1"]
        assert {m.body for m in got} == {b".dot\n..two\n"}
        assert {m["Return-Path"] for m in got} == {"<alice@host.test>"}


def test_what_is_offered(world):
    world.write_conf({"MAX_SIZE": "10M"})
    with library(world) as client:
        code, text = client.ehlo()
        assert code == 250
        assert text.decode().split("\n") == [
            HOST, "PIPELINING", "SIZE 10485760", "8BITMIME", "SMTPUTF8",
            "DSN", "ENHANCEDSTATUSCODES", "HELP"]
        assert client.helo() == (250, HOST.encode())
        assert client.help().startswith(b"2.0.0 EHLO")
        assert client.verify("bob")[0] == 252
        assert client.expn("bob")[0] == 502
        assert client.noop()[0] == 250
        assert client.docmd("FOO")[0] == 500


def test_it_is_on_disk_before_250(world):
    client = Pipes(world, "-odq")
    begin(client)
    assert world.queue() == []
    client.send(TEXT)
    text = client.expect("250")
    assert world.queue() == [text.rsplit(" ", 1)[1]]
    client.process.kill()
    client.end()
    world.flush()
    assert world.wait_mail("bob")[0].body == b"hello bob\n"


def test_all_at_once(world):
    """PIPELINING, with the text before the reply to DATA."""
    one = (b"MAIL FROM:<>\r\nRCPT TO:<bob>\r\nDATA\r\n" + TEXT)
    done = world.run(BS, user="alice", input=b"EHLO a\r\n" + 3 * one +
                     b"QUIT\r\n")
    assert (done.returncode, done.stderr) == (0, b"")
    codes = [x[:3] for x in done.stdout.split(b"\r\n") if x[3:4] == b" "]
    assert codes == [b"220", b"250"] + 3 * [b"250", b"250", b"354", b"250"] \
        + [b"221"]
    assert [m["Return-Path"] for m in world.wait_mail("bob", 3)] == 3 * ["<>"]


def test_a_script_with_line_feeds_alone(world):
    done = world.run(BS, user="alice", input=b"HELO a\nMAIL FROM: <alice>\n"
                     b"RCPT TO: <bob>\nDATA\nSubject: s\n\na\n..b\nc\n.\n")
    assert (done.returncode, done.stderr) == (0, b"")
    message, = world.wait_mail("bob")
    assert message.body == b"a\n.b\nc\n"
    assert message["Return-Path"] == "<alice@host.test>"


BARE = {
    "LF . LF": b"a\n.\nMAIL FROM:<x@y>\r\n",
    "LF . CRLF": b"a\n.\r\nMAIL FROM:<x@y>\r\n",
    "CR . CR": b"a\r.\rMAIL FROM:<x@y>\r\n",
    "CRLF . LF": b"a\r\n.\nMAIL FROM:<x@y>\r\n",
    "CRLF . CR": b"a\r\n.\rMAIL FROM:<x@y>\r\n",
    "LF": b"a\nb\r\n",
}


@pytest.mark.parametrize("text", BARE)
def test_bare_line_ends_are_refused(world, text):
    client = Pipes(world)
    begin(client)
    client.send(b"Subject: s\r\n\r\n" + BARE[text] + b".\r\n")
    client.expect("550 5.6.11")
    begin(client)
    client.send(TEXT)
    client.expect("250 2.0.0")
    client.say(b"QUIT", "221")
    assert client.end() == (0, b"", b"")
    assert world.wait_mail("bob")[0]["Subject"] == "one"


def test_full_disk_defers_and_the_next_message_is_taken(world, full):  # noqa
    client = Pipes(world)
    full.fill()
    for to in b"bob", b"carol":
        client.send(b"MAIL FROM:<alice@host.test>\r\nRCPT TO:<%s>\r\n"
                    b"DATA\r\n" % to)
        client.expect("250", "250", "354")
        client.send(b"Subject: x\r\n\r\n" + b"hello\r\n" * 9000 + b".\r\n")
        if to == b"bob":
            assert "No space left" in client.expect("452 4.3.1")
            full.empty()
        else:
            client.expect("250")
    assert client.end()[0] == 0
    world.wait_mail("carol")
    assert world.mailbox("bob") == []


@pytest.mark.parametrize("text", [b"", b"Subject: s\r\n\r\nhello\r\n.\r"])
def test_an_end_within_the_text_sends_nothing(world, text):
    client = Pipes(world, "-odq")
    begin(client)
    client.send(text)
    status, rest, errors = client.end()
    assert (status, rest) == (66, b"")
    assert b"ended within a message" in errors
    assert world.spool_litter() == []


def test_an_end_before_the_text_is_no_error(world):
    client = Pipes(world)
    client.send(b"MAIL FROM:<alice>\r\nRCPT TO:<bob>\r\n")
    client.expect("250", "250")
    assert client.end() == (0, b"", b"")
    assert world.spool_litter() == []


def test_recipients_are_refused_at_once(world):
    world.write_conf({"NOREMOTE": ""})
    client = Pipes(world)
    client.say(b"MAIL FROM:<alice@host.test>", "250 2.1.0")
    client.say(b"RCPT TO:<nosuchuser>", "550 5.1.1")
    client.say(b"RCPT TO:<ann@far.test>", "550 5.7.1")
    client.say(b"RCPT TO:<|/bin/id>", "550 5.1.3")
    client.say(b"RCPT TO:<a b@c>", "501 5.1.3")
    client.say(b"RCPT TO:<>", "501 5.1.3")
    client.say(b"RCPT TO:<a@b> FOO=1", "555 5.5.4")
    # A client that does not wait must not have its text read as commands.
    client.say(b"DATA", "354")
    client.send(TEXT)
    client.expect("554 5.5.1")
    client.say(b"MAIL FROM:<alice@host.test>", "250")
    client.say(b"RCPT TO:<nosuchuser@host.test>", "550 5.1.1")
    client.say(b"RCPT TO:<bob@host.test>", "250 2.1.5")
    client.say(b"RCPT TO:<BOB@localhost>", "250 2.1.5")
    client.say(b"DATA", "354")
    client.send(TEXT)
    client.expect("250")
    client.say(b"QUIT", "221")
    assert client.end() == (0, b"", b"")
    world.wait_mail("bob")
    assert world.log_lines("uid=", "to=<nosuchuser>", "550 5.1.1")


def test_commands_out_of_order(world):
    client = Pipes(world)
    client.say(b"RCPT TO:<bob>", "503 5.5.1")
    client.say(b"DATA", "503 5.5.1")
    client.say(b"MAIL FROM:<alice>", "250")
    client.say(b"MAIL FROM:<alice>", "503 5.5.1")
    client.say(b"DATA", "503 5.5.1")
    client.say(b"RCPT TO:<bob>", "250")
    client.say(b"RSET", "250")
    client.say(b"RCPT TO:<bob>", "503 5.5.1")
    client.say(b"EHLO", "501 5.5.4")
    client.say(b"x" * 3000, "500 5.5.2")
    client.say(b"x" * 200000, "500 5.5.2")
    client.say(b"NOOP\0", "500 5.5.2")
    client.say(b"NOOP", "250")
    assert client.end() == (0, b"", b"")


def test_text_that_comes_at_once_is_never_a_command(world):
    done = world.run(BS, user="alice", input=b"DATA\r\nMAIL FROM:<>\r\n"
                     b"RCPT TO:<bob>\r\nDATA\r\n" + TEXT)
    assert done.returncode == 65
    assert [x[:3] for x in done.stdout.split(b"\r\n")] == \
        [b"220", b"503", b"421", b""]
    assert world.queue() == []


def test_too_many_errors_end_it(world):
    done = world.run(BS, user="alice", input=b"FOO\r\n" * 100)
    assert done.returncode == 65
    assert [x[:3] for x in done.stdout.split(b"\r\n")] == \
        [b"220"] + 20 * [b"500"] + [b"421", b""]


def test_limits(world):
    world.write_conf({"MAX_SIZE": "10000", "MAX_RECIPIENTS": "2"})
    client = Pipes(world)
    client.say(b"MAIL FROM:<alice> SIZE=10001", "552 5.3.4")
    client.say(b"MAIL FROM:<alice> SIZE=10000", "250")
    client.say(b"RCPT TO:<bob>", "250")
    client.say(b"RCPT TO:<carol>", "250")
    client.say(b"RCPT TO:<alice>", "452 4.5.3")
    client.say(b"DATA", "354")
    client.send(b"Subject: s\r\n\r\n" + 200 * (b"x" * 70 + b"\r\n") +
                b".\r\n")
    client.expect("552 5.3.4")
    client.say(b"MAIL FROM:<alice>", "250")
    client.say(b"RCPT TO:<carol>", "250")
    client.say(b"DATA", "354")
    client.send(TEXT)
    client.expect("250")
    assert client.end() == (0, b"", b"")
    world.wait_mail("carol")
    assert world.mailbox("bob") == []


def test_large_text(world):
    body = b"".join(b"%07d %s\r\n" % (i, b"." * (i % 90))
                    for i in range(40000))
    with library(world) as client:
        client.sendmail("alice", "bob", b"Subject: s\r\n\r\n" + body)
    message, = world.wait_mail("bob")
    assert message.body == body.replace(b"\r\n", b"\n")


def test_parameters_of_dsn_are_passed_on(world, peer):
    offers = ("PIPELINING", "8BITMIME", "SIZE 0", "DSN")
    p = world.smarthost(peer(Script(capabilities=offers)))
    client = Pipes(world)
    client.say(b"MAIL FROM:<alice@host.test> RET=HDRS ENVID=QQ+2B1 "
               b"BODY=8BITMIME", "250")
    client.say(b"RCPT TO:<ann@far.test> NOTIFY=SUCCESS,DELAY "
               b"ORCPT=rfc822;a+20b@c", "250")
    client.say(b"RCPT TO:<ben@far.test>", "250")
    client.say(b"DATA", "354")
    client.send(TEXT)
    client.expect("250")
    assert client.end() == (0, b"", b"")
    world.wait_quiet()
    mail, ann, ben = [c for c in p.connections[0].commands
                      if c.startswith(("MAIL", "RCPT"))]
    assert " RET=HDRS ENVID=QQ+2B1" in mail and " BODY=8BITMIME" in mail
    assert ann == ("RCPT TO:<ann@far.test> NOTIFY=SUCCESS,DELAY "
                   "ORCPT=rfc822;a+20b@c")
    assert ben == "RCPT TO:<ben@far.test> ORCPT=rfc822;ben@far.test"


def test_a_local_delivery_is_reported_if_asked(world):
    client = Pipes(world)
    client.say(b"MAIL FROM:<alice@host.test> ENVID=QQ2", "250")
    client.say(b"RCPT TO:<bob> NOTIFY=SUCCESS ORCPT=rfc822;x@y.test", "250")
    client.say(b"DATA", "354")
    client.send(TEXT)
    client.expect("250")
    assert client.end() == (0, b"", b"")
    report = Report(world.wait_mail("alice")[0])
    assert report.message["Original-Envelope-Id"] == "QQ2"
    bob, = report.recipients.values()
    assert bob["Original-Recipient"] == "rfc822;x@y.test"


def test_smtputf8(world):
    address = "bücher@host.test".encode()
    world.write_aliases("bücher: bob\n".encode())
    client = Pipes(world)
    client.say(b"MAIL FROM:<alice>", "250")
    client.say(b"RCPT TO:<" + address + b">", "553 5.6.7")
    client.say(b"RSET", "250")
    client.say(b"MAIL FROM:<" + address + b"> SMTPUTF8", "250")
    client.say(b"RCPT TO:<" + address + b">", "250")
    client.say(b"DATA", "354")
    client.send(TEXT)
    client.expect("250")
    assert client.end() == (0, b"", b"")
    assert world.wait_mail("bob")[0]["Subject"] == "one"


def test_received_names_the_protocol(world):
    """RFC 3848; and not what the client calls itself."""
    client = Pipes(world)
    for hello, parameters in ((None, b""), (b"EHLO client.test", b""),
                              (b"HELO client.test", b""),
                              (b"EHLO client.test", b" SMTPUTF8")):
        if hello:
            client.say(hello, "250")
        client.say(b"MAIL FROM:<> " + parameters, "250")
        client.say(b"RCPT TO:<bob>", "250")
        client.say(b"DATA", "354")
        client.send(TEXT)
        client.expect("250")
    assert client.end() == (0, b"", b"")
    got = [m["Received"] for m in world.wait_mail("bob", 4)]
    assert not any("client.test" in text for text in got)
    assert sorted(text.split("\n\t")[1].split(" id ")[0] for text in got) == [
        "with ESMTP", "with SMTP", "with SMTP", "with UTF8SMTP"]


def test_ten_thousand_recipients(world):
    """Each is an alias, and the file of the aliases is read once."""
    n = 10000
    world.write_aliases("".join("a%d: bob\n" % i for i in range(n)))
    lines = [b"EHLO a", b"MAIL FROM:<alice>"]
    lines += [b"RCPT TO:<a%d>" % i for i in range(n)] + [b"DATA"]
    done = world.run(BS, user="alice",
                     input=b"\r\n".join(lines) + b"\r\n" + TEXT)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\r\n250 2.1.5 ") == n
    assert b"\r\n250 2.0.0 " in done.stdout
    world.wait_mail("bob")
    world.wait_quiet()


def test_one_that_is_killed_between_messages_loses_none(world):
    """It stays its caller's to end, also after a message was taken."""
    client = Pipes(world, "-odq")
    begin(client)
    client.send(TEXT)
    client.expect("250")
    begin(client)
    client.send(b"Subject: two\r\n\r\n")
    who = world.identity("alice")
    who.pop("preexec_fn", None)
    subprocess.run(["kill", "-TERM", str(client.process.pid)], check=True,
                   **who)
    client.process.wait(timeout=60)
    assert client.process.returncode == -signal.SIGTERM
    client.end()
    world.wait_until(lambda: not world.processes(), what="its end")
    assert len(world.queue()) == 1
    world.flush()
    assert world.wait_mail("bob")[0]["Subject"] == "one"


def test_output_that_nobody_reads_ends_it(world):
    read, write = os.pipe()
    os.close(read)
    process = world.start(BS, user="alice", stdin=subprocess.PIPE,
                          stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert b"standard output" in process.communicate(timeout=60)[1]
    assert process.returncode == 74


def test_a_person_at_a_terminal(world):
    ours, terminal = pty.openpty()
    process = world.start(BS, user="alice", stdin=terminal,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(terminal)
    for line, code in ((b"", b"220"), (b"helo me", b"250"),
                       (b"mail from:<alice>", b"250"),
                       (b"rcpt to:<bob>", b"250"), (b"data", b"354"),
                       (b"Subject: s\n\nhello\n.", b"250"),
                       (b"quit", b"221")):
        os.write(ours, line + b"\n" if line else b"")
        assert process.stdout.readline().startswith(code)
    assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 0
    os.close(ours)
    assert world.wait_mail("bob")[0].body == b"hello\n"


@pytest.mark.parametrize("args", [("-odb", "-oem", "-om"), ("-odb", "-oem"),
                                  ("-t",), ("-i", "-f", "carol")])
def test_arguments_of_known_callers_are_taken(world, args):
    client = Pipes(world, *args)
    begin(client)
    client.send(TEXT)
    client.expect("250")
    client.say(b"QUIT", "221")
    assert client.end() == (0, b"", b"")
    assert world.wait_mail("bob")[0]["Return-Path"] == "<alice@host.test>"
