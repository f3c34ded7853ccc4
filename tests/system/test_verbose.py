"""-v: the dialogue as it happens, of one's own mail, without secrets."""
import base64
import fcntl
import os
import signal
import subprocess

import pytest

from smtp_peer import Script
from test_login import PASSWORD, USER, configure, login


def watch(world, *args, user="alice", **more):
    done = world.send("-v", *args, user=user, **more)
    return done.stderr.decode().splitlines()


def test_dialogue(world, peer):
    p = peer(Script(rcpt_rules=((r"^bad@", "550 5.1.1 no such person"),)))
    world.smarthost(p)
    lines = watch(world, "ann@far.test", "bad@far.test")
    text = "\n".join(lines)
    assert lines[0].startswith("=== smart.test[127.0.0.1]: connecting")
    order = ["<<< 220 smart.test", ">>> EHLO host.test", "<<< 250-PIPELINING",
             ">>> MAIL FROM:<alice@host.test>", ">>> RCPT TO:<ann@far.test>",
             ">>> RCPT TO:<bad@far.test>", "<<< 250 2.1.0 sender ok",
             "<<< 550 5.1.1 no such person", ">>> .",
             "<<< 250 2.0.0 taken"]
    places = [text.index(x) for x in order]
    assert places == sorted(places)
    assert "=== ann@far.test: sent" in text
    assert "=== bad@far.test: failed" in text
    assert "hello" not in text          # nothing of the message
    world.wait_quiet()


@pytest.mark.parametrize("mechanism", ("PLAIN", "LOGIN", "CRAM-MD5",
                                       "SCRAM-SHA-256"))
@pytest.mark.parametrize("good", (True, False))
def test_secrets_are_masked(world, peer, certs, mechanism, good):
    p = peer(login(auth=(mechanism,), certificate=certs["smart"],
                   auth_reply=None if good else "535 5.7.8 not %said"))
    configure(world, certs, p)
    world.leaves("queue")
    text = "\n".join(watch(world, "ann@far.test"))
    assert ">>> AUTH %s\n" % mechanism in text and "TLS: TLSv1" in text
    said = [base64.b64encode(x) for x in (
        PASSWORD.encode(), b"\0%s\0%s" % (USER.encode(), PASSWORD.encode()))]
    lines = [x.strip() for x in p.connections[0].lines]
    since = [x[:4].upper() for x in lines].index(b"AUTH")
    said += [lines[since].split()[2]] if lines[since].count(b" ") > 1 else []
    if mechanism != "PLAIN":
        said += [x for x in lines[since + 1:] if b" " not in x and
                 len(x) > 8]
    for word in said + [PASSWORD.encode()]:
        assert word.decode() not in text
    if mechanism not in ("PLAIN",):
        assert "<<< 334\n" in text and ">>> (secret)" in text
    assert ("=== ann@far.test: sent" if good else
            "=== ann@far.test: deferred") in text


def test_others_see_nothing(world, peer):
    """One connection carries both; each sees their own, root all."""
    p = peer(Script())
    world.smarthost(p)
    world.send("-odq", "a@far.test", user="alice")
    world.send("-odq", "b@far.test", user="bob")
    done = world.run(["sendmail", "-q", "-v"], user="bob")
    assert done.returncode == 0
    assert b"<b@far.test>" in done.stderr and b"a@far" not in done.stderr
    assert b"EHLO" in done.stderr and b"alice" not in done.stderr
    world.wait_quiet()
    world.send("-odq", "a@far.test", user="alice")
    world.send("-odq", "b@far.test", user="bob")
    done = world.run(["sendmail", "-q", "-v"])
    assert b"<b@far.test>" in done.stderr and b"<a@far.test>" in done.stderr
    # nobody watches: nothing is said
    world.send("-odq", "a@far.test", user="alice")
    assert world.run(["sendmail", "-q"], user="alice").stderr == b""
    world.wait_quiet()


def test_local_and_nobody_to_read(world):
    assert watch(world, "bob")[-1].startswith("=== bob: sent")
    done = world.run(["sh", "-c", "exec sendmail -v carol 2>&-"],
                     user="alice", input=b"Subject: s\n\nx\n")
    assert done.returncode == 0
    world.wait_mail("carol")


def test_hostile_host_does_not_write_to_the_terminal(world, peer):
    p = peer(Script(banner="220 \x1b]0;evil\x07\x1b[2J hi",
                    final_reply="250 2.0.0 \x1b[31mred"))
    world.smarthost(p)
    text = "\n".join(watch(world, "ann@far.test"))
    assert "\x1b" not in text and "\x07" not in text and "evil" in text


def test_who_does_not_read_holds_nobody_up(world, peer):
    """1000 recipients make more than the pipes hold; the reader sleeps."""
    p = peer(Script())
    world.smarthost(p)
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    child = world.start(
        ["sendmail", "-v"] + ["u%d@far.test" % i for i in range(1000)],
        user="alice", stdin=open("/dev/null"), stderr=w)
    os.close(w)
    world.wait_until(lambda: p.taken and p.taken[0].taken, 20)
    world.send("eve@far.test", user="bob")
    # The lines about the recipients come last, before the queue is empty.
    world.wait_until(lambda: len(p.taken) == 2 and not world.queue(), 20)
    text = b""
    while True:
        piece = os.read(r, 65536)
        if not piece:
            break
        text += piece
    os.close(r)
    assert child.wait(20) == 0 and b">>> MAIL" in text
    assert b"omitted" in text and len(text) < 100000
    world.wait_quiet()


@pytest.mark.parametrize("option", ("-D", "-v"))
def test_an_interrupt_ends_the_wait_and_not_the_delivery(world, peer, option):
    p = peer(Script(mute_at="MAIL"))
    world.smarthost(p)
    world.leaves("queue")
    caller = world.start(["sendmail", option, "ann@far.test"], user="alice",
                         stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    caller.stdin.write(b"Subject: s\n\nhello\n")
    caller.stdin.close()
    world.wait_until(lambda: p.connections and
                     "MAIL" in p.connections[0].verbs)
    caller.send_signal(signal.SIGINT)
    assert caller.wait(20) == 0
    assert len(world.queue()) == 1 and len(world.processes()) >= 4
