"""Submission: what becomes of a message, and the exit status.  What callers
pass is in test_argv.py."""
import itertools
import os
import signal
import subprocess

import pytest

from world import SENDMAIL, SPOOL

PLAIN = b"Subject: plain\n\nhello\n"


def test_message_arrives_in_the_mailbox(world):
    world.send("bob", input=b"Subject: one\n\nhello bob\n")
    message, = world.wait_mail("bob")
    assert message["Subject"] == "one"
    assert message.body == b"hello bob\n"


def test_header_and_argument_recipients_are_joined_each_once(world):
    world.send("-t", "bob", "carol",
               input=b"To: Bob <bob>,\n carol@host.test\nCc: alice\n\nx\n")
    for user in ("alice", "bob", "carol"):
        world.wait_mail(user)
    world.wait_quiet()
    for user in ("alice", "bob", "carol"):
        assert len(world.mailbox(user)) == 1


def test_hundred_thousand_spellings_are_one_recipient(world):
    """As many as may be given; bob gets one copy, for the first of them."""
    names = ["".join(x) for x in itertools.islice(itertools.product(
        *zip("ALICE", "alice")), 32)]
    given = ["bob"] + ["%s@%s" % (name, host) for name in (
        "Bob", "bOb", "boB", "BOB") for host in ("localhost", "HOST.test")]
    text = "Cc: " + ",\n ".join(itertools.islice(itertools.cycle(
        given[1:] + names), 100000)) + "\n\nx\n"
    world.send("-t", "bob", input=text.encode())
    message, = world.wait_mail("bob")
    assert message["Delivered-To"].startswith("bob@")
    assert len(world.wait_mail("alice")) == 1
    world.wait_quiet()
    assert len(world.mailbox("bob")) == 1


def test_extensions_of_one_user_stay_apart(world):
    """However many there are, they are not compared with each other."""
    names = ["bob+" + "".join(x) for x in itertools.islice(itertools.product(
        *zip("abcdefghijklmno", "ABCDEFGHIJKLMNO")), 20000)]
    text = "Bcc: " + ",\n ".join(names) + "\n\nx\n"
    world.leaves("queue")
    world.send("-odq", "-t", input=text.encode())
    ident, = world.queue()
    with open("%s/queue/%s" % (SPOOL, ident), "rb") as f:
        assert f.read().count(b"\nR\t") == len(names)


def test_bcc_gets_the_mail_and_is_never_shown(world):
    world.send("-t", input=b"To: bob\nBcc: carol,\n alice\nSubject: s\n\nx\n")
    for user in ("alice", "bob", "carol"):
        message, = world.wait_mail(user)
        assert b"\nbcc:" not in message.header_bytes.lower()
    assert b"carol" not in world.mailbox("bob")[0].header_bytes


def test_bcc_is_removed_without_t_too(world):
    world.send("bob", input=b"To: bob\nBcc: carol\n\nx\n")
    message, = world.wait_mail("bob")
    assert message["Bcc"] is None
    world.wait_quiet()
    assert world.mailbox("carol") == []


def test_resent_recipients_count_alone(world):
    world.send("-t", input=b"To: bob\nResent-To: carol\n\nx\n")
    world.wait_mail("carol")
    world.wait_quiet()
    assert world.mailbox("bob") == []


REFUSED = {
    "no recipients": ((), PLAIN, 64),
    "no recipients in header": (("-t",), PLAIN, 64),
    "unknown option": (("-Z", "bob"), PLAIN, 64),
    "daemon": (("-bd",), b"", 64),
    "address test": (("-bt",), b"", 64),
    "newline in recipient": (("bob\nX: y",), PLAIN, (64, 65)),
    "newline in sender": (("-f", "a\nb@c", "bob"), PLAIN, (64, 65)),
    "carriage return": (("bob@a\rb",), PLAIN, (64, 65)),
    "unknown local user": (("nobody-here",), PLAIN, 67),
    "unknown at our name": (("nobody-here@host.test",), PLAIN, 67),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_has_its_status_and_queues_nothing(world, case):
    args, text, status = REFUSED[case]
    done = world.run([SENDMAIL, *args], user="alice", input=text)
    wanted = status if isinstance(status, tuple) else (status,)
    assert done.returncode in wanted
    assert done.stderr.strip()
    assert done.stdout == b""
    world.wait_quiet()
    assert world.mailbox("alice") == []


def test_unknown_option_leaves_the_input_unread(world):
    r, w = os.pipe()
    os.write(w, b"still here")
    done = subprocess.run([SENDMAIL, "-Z", "bob"], stdin=r,
                          stderr=subprocess.PIPE, timeout=20)
    os.close(w)
    assert done.returncode == 64
    assert os.read(r, 100) == b"still here"
    os.close(r)


def test_noremote_refuses_what_is_only_remote(world):
    world.write_conf({"NOREMOTE": ""})
    world.send("ann@far.test", status=69)


def test_one_bad_recipient_does_not_harm_the_good_one(world):
    done = world.run([SENDMAIL, "bob", "nobody-here"], user="alice",
                     input=PLAIN)
    assert done.returncode == 0
    world.wait_mail("bob")
    bounce, = world.wait_mail("alice")
    assert b"nobody-here" in bounce.text


def test_one_bad_address_in_a_header_does_not_sink_the_message(world):
    done = world.run([SENDMAIL, "-t"], user="alice",
                     input=b"To: bob, <broken@@, carol\n\nx\n")
    assert done.returncode == 0
    assert done.stderr.strip()
    world.wait_mail("bob")


def test_lone_dot_ends_the_message(world):
    world.send("bob", input=b"Subject: s\n\nabove\n.\nbelow\n")
    message, = world.wait_mail("bob")
    assert message.body == b"above\n"


@pytest.mark.parametrize("option", (("-i",), ("-oi",), ("-o", "i"),
                                    ("-O", "IgnoreDots=true")))
def test_lone_dot_is_text_with_i(world, option):
    world.send(*option, "bob", input=b"Subject: s\n\nabove\n.\n..\nbelow\n")
    message, = world.wait_mail("bob")
    assert message.body == b"above\n.\n..\nbelow\n"


def test_input_longer_than_the_dot_is_read_to_its_end(world):
    """The caller must not die of SIGPIPE behind the dot."""
    text = b"Subject: s\n\nabove\n.\n" + b"below\n" * 100000
    world.send("bob", input=text)
    assert world.wait_mail("bob")[0].body == b"above\n"


def test_crlf_input_is_the_same_as_lf(world):
    world.send("-i", "bob",
               input=b"Subject: s\r\nX-A: b\r\n\r\none\r\n.\r\ntwo\r\n")
    message, = world.wait_mail("bob")
    assert b"\r" not in message.raw
    assert message["X-A"] == "b"
    assert message.body == b"one\n.\ntwo\n"


def test_header_crlf_and_body_lf(world):
    world.send("bob", input=b"Subject: s\r\nX-A: b\r\n\r\none\ntwo\n")
    message, = world.wait_mail("bob")
    assert (message["X-A"], message.body) == ("b", b"one\ntwo\n")


def test_missing_final_newline_is_added(world):
    world.send("bob", input=b"Subject: s\n\nno end")
    assert world.wait_mail("bob")[0].body == b"no end\n"


def test_eight_bit_and_nul_stay_in_a_mailbox(world):
    body = bytes(range(1, 10)) + bytes(range(14, 256)) + b"\0 nul\n"
    world.send("-i", "bob", input=b"Subject: gr\xc3\xbc\xc3\x9fe\n\n" + body)
    message, = world.wait_mail("bob")
    assert message.body == body
    assert "gr\xc3\xbc\xc3\x9fe".encode("latin-1") in message.header_bytes


def test_very_long_lines_are_kept(world):
    body = b"x" * 300000 + b"\n" + b"y" * 998 + b"\n"
    world.send("bob", input=b"Subject: s\n\n" + body)
    assert world.wait_mail("bob")[0].body == body


def test_twenty_megabytes_in_bounded_memory(world):
    line = b"0123456789" * 7 + b"\n"
    body = line * (20 * 1024 * 1024 // len(line))
    with open("/tmp/big", "wb") as f:
        f.write(b"Subject: big\n\n" + body)
    with open("/tmp/big", "rb") as f:
        done = subprocess.run(
            ["/usr/bin/time", "-f", "%M", SENDMAIL, "-i", "bob"], stdin=f,
            stderr=subprocess.PIPE, timeout=60)
    os.unlink("/tmp/big")
    assert done.returncode == 0
    if not world.is_sanitized():
        assert int(done.stderr) < 12 * 1024     # KiB
    assert world.wait_mail("bob", limit=40)[0].body == body


@pytest.mark.parametrize("sig", (signal.SIGTERM, signal.SIGINT,
                                 signal.SIGHUP, signal.SIGKILL))
def test_signal_before_the_end_leaves_nothing(world, sig):
    p = world.start([SENDMAIL, "bob"], user="alice", stdin=subprocess.PIPE,
                    stderr=subprocess.DEVNULL)
    p.stdin.write(b"Subject: s\n\nhalf a mess")
    p.stdin.flush()
    # Not before it has put back what its caller ignores (nohup).
    world.wait_until(lambda: 1 << signal.SIGTTOU - 1 in [
        int(world.status_of(pid, "SigBlk")[0], 16)
        for pid in world.processes()])
    p.send_signal(sig)
    # Who reads for a client of RUNDIR/submit sees the end of the client's
    # connection and that of the message, in either order.
    if os.environ.get("WORLD_SUBMIT") == "socket":
        p.wait(15)
    p.stdin.close()
    assert p.wait(15) != 0
    world.wait_quiet()
    assert world.mailbox("bob") == []


def test_read_error_is_not_the_end_of_the_message(world):
    fd = os.open("/", os.O_RDONLY)      # read(2) says EISDIR
    done = subprocess.run([SENDMAIL, "bob"], stdin=fd,
                          stderr=subprocess.PIPE, timeout=20)
    os.close(fd)
    assert done.returncode == 66
    world.wait_quiet()
    assert world.mailbox("bob") == []


def test_it_returns_before_a_slow_delivery(world):
    world.forward("bob", "|until [ -e go ]; do sleep 0.1; done; echo >ended\n")
    world.send("bob")       # reads our pipes to their end
    assert world.queue()
    world.write_home("bob", "go", "")
    world.wait_until(lambda: world.read_home("bob", "ended"))


def test_spool_that_can_not_be_used_refuses(world):
    os.rename(SPOOL + "/queue", SPOOL + "/gone")
    try:
        with open(SPOOL + "/queue", "w"):
            pass
        done = world.run([SENDMAIL, "bob"], user="alice", input=PLAIN)
    finally:
        os.unlink(SPOOL + "/queue")
        os.rename(SPOOL + "/gone", SPOOL + "/queue")
    assert done.returncode in (71, 73, 74, 75)
    assert done.stderr.strip()
    world.wait_quiet()
    assert world.mailbox("bob") == []


def test_max_size_is_a_refusal(world):
    world.write_conf({"MAX_SIZE": "10k"})
    world.send("bob", input=b"Subject: s\n\n" + b"x\n" * 20000, status=65)
    world.send("bob")
    world.wait_mail("bob")


def test_queue_only(world):
    world.send("-odq", "bob")
    # The process that served the call by the socket ends after it.
    world.wait_until(lambda: not world.processes())
    assert len(world.queue()) == 1
    world.flush()
    world.wait_mail("bob")


def test_committed_file_is_for_the_spool_user_only(world):
    world.send("-odq", "bob")
    ident, = world.queue()
    st = os.stat("%s/queue/%s" % (SPOOL, ident))
    assert st.st_mode & 0o7777 == 0o600
    for folder in (SPOOL, SPOOL + "/queue"):
        st = os.stat(folder)
        assert st.st_mode & 0o7777 == 0o700
    world.flush()


def test_newaliases_counts_and_finds_errors(world):
    world.write_aliases("root: alice\nteam: alice, bob\n")
    done = world.run(["newaliases"], user="alice")
    assert done.returncode == 0
    assert b"2" in done.stdout
    world.write_aliases("root: alice\n:::\nteam: alice, bob\n")
    assert world.run(["newaliases"], user="alice").returncode == 65
    assert world.run([SENDMAIL, "-bi"], user="alice").returncode == 65
