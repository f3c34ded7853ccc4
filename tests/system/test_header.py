"""Header repair, as the reader of the mailbox sees it."""
import email.utils
import re
import time

import pytest


def message_of(world, text, *args, **more):
    world.send("-i", *args, "bob", input=text, **more)
    return world.wait_mail("bob")[0]


def test_missing_fields_are_added(world):
    message = message_of(world, b"Subject: s\n\nx\n")
    assert message["From"] == "alice@host.test" or \
        "<alice@host.test>" in message["From"]
    when = email.utils.parsedate_to_datetime(message["Date"])
    assert abs(when.timestamp() - time.time()) < 60
    assert re.fullmatch(r"<[^@<>\s]+@host\.test>", message["Message-ID"])
    assert "host.test" in message["Received"]


def test_present_fields_are_left_alone(world):
    message = message_of(
        world, b"From: X Y <x@y.test>\nDate: Thu, 1 Jan 1970 00:00:00 +0000\n"
        b"Message-Id: <a@b>\nSubject: =?utf-8?q?=C3=BC?=\n\nx\n")
    assert message.get_all("From") == ["X Y <x@y.test>"]
    assert message.get_all("Date") == ["Thu, 1 Jan 1970 00:00:00 +0000"]
    assert message.get_all("Message-ID") == ["<a@b>"]
    assert message["Subject"] == "=?utf-8?q?=C3=BC?="


def test_received_stands_on_top_and_hides_the_login(world):
    message = message_of(world, b"Received: from elsewhere\nSubject: s\n\nx\n")
    received = message.get_all("Received")
    assert len(received) == 2
    assert received[1] == "from elsewhere"
    assert "alice" not in received[0]
    assert re.search(r"\bid [0-9a-z]+;", received[0])


def test_bare_names_are_qualified(world):
    message = message_of(
        world, b"From: root (Cron Daemon)\nTo: bob\nCc: Carol <carol>, x@y\n"
        b"Subject: s\n\nx\n")
    assert message["From"] == "root@host.test (Cron Daemon)"
    assert message["To"] == "bob@host.test"
    assert message["Cc"] == "Carol <carol@host.test>, x@y"


def test_full_name_option(world):
    message = message_of(world, b"Subject: s\n\nx\n", "-FCron, Daemon")
    name, address = email.utils.parseaddr(message["From"])
    assert (name, address) == ("Cron, Daemon", "alice@host.test")


@pytest.mark.parametrize("text, body", (
    (b"", b""),
    (b"\n", b""),
    (b"\nbody\n", b"body\n"),
    (b"not a header\nSubject: in body\n", b"not a header\nSubject: in body\n"),
    (b"Subject: only\n", b""),
    (b" leading blank\n", b" leading blank\n"),
))
def test_input_without_a_header_gets_one(world, text, body):
    message = message_of(world, text)
    assert message.body == body
    assert message["From"] and message["Date"] and message["Message-ID"]


def test_line_that_is_no_header_ends_it(world):
    message = message_of(world, b"Subject: s\nhello there\nX: y\n\nz\n")
    assert message["Subject"] == "s"
    assert message.body == b"hello there\nX: y\n\nz\n"


def test_leading_from_line_is_dropped(world):
    message = message_of(
        world, b"From alice Thu Jan  1 00:00:00 1970\nSubject: s\n\nx\n")
    assert message["Subject"] == "s"
    assert b" 1970" not in message.header_bytes


def test_return_path_of_the_input_is_dropped(world):
    message = message_of(world, b"Return-Path: <evil@x>\nSubject: s\n\nx\n")
    assert message.get_all("Return-Path") == ["<alice@host.test>"]


def test_sender_option_is_the_envelope(world):
    message = message_of(world, b"Subject: s\n\nx\n", "-f", "Eve <eve@y.test>")
    assert message["Return-Path"] == "<eve@y.test>"
    assert "eve@y.test" in message["From"]
    assert message.from_line.startswith("From eve@y.test ")


def test_bare_sender_is_qualified(world):
    message = message_of(world, b"Subject: s\n\nx\n", "-r", "carol")
    assert message["Return-Path"] == "<carol@host.test>"


@pytest.mark.parametrize("null", ("", "<>"))
def test_null_sender_stays_null(world, null):
    message = message_of(world, b"Subject: s\n\nx\n", "-f", null)
    assert message["Return-Path"] == "<>"
    assert message.from_line.startswith("From MAILER-DAEMON ")


def test_email_variable_is_the_sender(world):
    done = world.run(["env", "EMAIL=me@else.test", "sendmail", "bob"],
                     user="alice", input=b"Subject: s\n\nx\n")
    assert done.returncode == 0
    assert world.wait_mail("bob")[0]["Return-Path"] == "<me@else.test>"


def test_masquerade(world):
    world.write_conf({"MASQUERADE": "host@corp.test"})
    message = message_of(world, b"Subject: s\n\nx\n")
    assert message["Return-Path"] == "<host@corp.test>"


def test_huge_header_is_refused_or_kept_whole(world):
    lines = b"".join(b"X-%d: %s\n" % (i, b"y" * 100) for i in range(5000))
    message = message_of(world, lines + b"Subject: s\n\nx\n")
    assert message["X-4999"] == "y" * 100
    world.send("bob", input=lines * 3 + b"\nx\n", status=65)


def test_delivered_to_names_the_recipient(world):
    message = message_of(world, b"Subject: s\n\nx\n")
    assert message["Delivered-To"] in ("bob", "bob@host.test")


def test_full_name_with_an_ampersand(world):
    """BSD: the login name with a capital; the rest is room and telephone."""
    world.run(["usermod", "-c", "& of Wonderland,room 1", "alice"])
    try:
        world.send("bob")
        m, = world.wait_mail("bob")
        assert m["From"] == "Alice of Wonderland <alice@host.test>"
    finally:
        world.run(["usermod", "-c", "", "alice"])
