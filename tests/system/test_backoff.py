"""Destinations that cannot be reached: one attempt for all of their mail."""
import pytest

import big_queue
from report import Report
from smtp_peer import Script
from world import BINARY, SENDMAIL, SPOOL

BUSY = "450 4.3.2 not now"
DAY = 86400


def journal(ident):
    with open("%s/queue/%s" % (SPOOL, ident), "rb") as f:
        data = f.read()
    length = int(data[:1024].split(b"length ")[1].split(b"\n")[0])
    return data[1024 + length:].decode().splitlines()


def attempts(ident):
    """As the last D of recipient 0 has them; None without one."""
    last = [r.split("\t") for r in journal(ident) if r.startswith("D\t0\t")]
    return int(last[-1][2]) if last else None


def is_deferred(ident):
    return attempts(ident) is not None


@pytest.mark.seconds(12)
def test_dead_relay_is_tried_by_one_message(world, peer):
    """The others are recorded as deferred once, whatever the number of
    attempts; after the first success all are delivered."""
    p = world.smarthost(peer(Script(banner=BUSY)), RETRY="1s 1s 5d",
                        CONCURRENCY="2")
    ids = big_queue.fill(400)
    world.start(["dma", "-q"])
    world.wait_until(lambda: all(map(is_deferred, ids)), 30)
    before = len(p.connections)
    assert before <= 8
    assert sum(attempts(i) == 0 for i in ids) >= 300
    records = sum(len(journal(i)) for i in ids)
    world.wait_until(lambda: len(p.connections) >= before + 4, 30)
    probes = len(p.connections) - before
    world.stop()
    assert sum(len(journal(i)) for i in ids) <= records + probes + 1
    assert len(world.log_lines("status=deferred")) <= 400 + probes + before
    p.scripts[:] = [Script()]
    world.send("-odq", "bob")
    world.start(["dma", "--runner"])
    world.wait_quiet(60)
    assert len(p.taken) == 400


def test_new_mail_waits_for_the_next_attempt(world, peer):
    """It says why, and has a time; a flush tries it at once."""
    p = world.smarthost(peer(Script(banner=BUSY)), RETRY="100s 100s 5d")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    n = len(p.connections)
    world.send("ben@far.test")
    world.wait_tried("ben@far.test")
    assert len(p.connections) == n
    line, = world.log_lines("to=<ben@far.test>", "status=deferred")
    assert "relay=smarthost" in line and "450 4.3.2 not now" in line
    entry = world.mailq().split("--\n")[1]
    assert "not now" in entry and "Tries" not in entry and "Next" in entry
    world.flush()
    assert len(p.connections) > n
    p.scripts[:] = [Script()]
    world.flush()
    world.wait_quiet()
    assert len(p.taken) == 2


def test_users_cannot_have_a_dead_host_tried_again_and_again(world, peer):
    """Nor one of others' mail by a flush, whoever has mail for it."""
    p = world.smarthost(peer(Script(banner=BUSY)), RETRY="1h 1h 5d")
    world.leaves("queue")
    world.send("ann@far.test", user="alice")
    world.wait_tried("ann@far.test")
    n = len(p.connections)
    for user in ("alice", "bob"):
        done = world.run([SENDMAIL, "-q"], user=user)
        assert (done.returncode, done.stderr) == (0, b"")
    out = world.run([BINARY, "queue", "retry", "--all"], user="alice").stdout
    assert out.endswith(b": deferred\n") and len(p.connections) == n
    world.flush()
    assert len(p.connections) > n


@pytest.mark.seconds(6)
def test_success_of_one_releases_the_others_at_once(world, peer):
    """Though their own time is far away."""
    p = world.smarthost(peer(Script(banner=BUSY)), RETRY="2s 1h 5d")
    ids = big_queue.fill(30)
    world.start(["dma", "-q"])
    world.wait_until(lambda: all(map(is_deferred, ids)), 30)
    p.scripts[:] = [Script()]
    world.wait_quiet(60)
    assert len(p.taken) == 30


@pytest.mark.seconds(6)
def test_killed_runner_is_followed_by_one_that_finds_out_anew(world, peer):
    p = world.smarthost(peer(Script(banner=BUSY)), RETRY="2s 1h 5d",
                        CONCURRENCY="1")
    ids = big_queue.fill(200)
    world.start(["dma", "-q"])
    world.wait_until(lambda: all(map(is_deferred, ids)), 30)
    for _ in range(2):
        n = len(p.connections)
        world.stop()
        world.start(["dma", "--runner"])
        world.wait_until(lambda: len(p.connections) > n, 20)
    p.scripts[:] = [Script()]
    world.wait_quiet(60)
    assert len(p.taken) == 200


@pytest.mark.seconds(6)
def test_mail_expires_with_the_reply_of_the_destination(world, peer):
    """After an attempt that was made since; each is reported once."""
    world.smarthost(peer(Script(banner=BUSY)), RETRY="1s 1s 3s",
                    CONCURRENCY="1")
    world.write_aliases("root: alice\n")
    big_queue.fill(20)
    world.start(["dma", "-q"])
    bounces = world.wait_mail("alice", 20, 40)
    for message in bounces:
        assert "not now" in Report(message).text
    world.wait_quiet(30)
    assert len(world.log_lines("status=failed", "expired")) == 20


@pytest.mark.seconds(5)
def test_clock_set_forward_costs_the_queue_one_attempt(world, peer):
    """All of it expired at once; what is tried then is delivered."""
    p = world.smarthost(peer(Script(banner=BUSY), Script()),
                        RETRY="1s 1s 5d", CONCURRENCY="1")
    ids = big_queue.fill(50, age=400 * DAY)
    world.start(["dma", "--runner"])
    world.wait_until(lambda: not world.queue(), 30)
    failed = len(world.log_lines("status=failed"))
    assert len(p.taken) + failed == len(ids)
    # Those that were handed over with the first had their last attempt.
    assert len(p.taken) == 0 and failed == 50 or p.taken


def test_notice_of_delay_is_in_time_while_it_waits(world, peer):
    world.smarthost(peer(Script(banner=BUSY)), RETRY="1h 3h 5d",
                    WARN_AFTER="3s")
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    world.send("ben@far.test")
    subjects = [m["Subject"] for m in world.wait_mail("alice", 2, 20)]
    assert subjects == ["Mail delivery is delayed"] * 2


def test_one_dead_destination_of_a_message_does_not_hold_up_the_other(
        world, peer):
    """Nor does the message wait for the one alone."""
    world.write_conf({"RETRY": "1s 1s 5d"})
    world.leaves("queue")
    world.send("x@dead.test", "bob")
    world.wait_mail("bob")
    ident, = world.queue()
    world.wait_until(lambda: is_deferred(ident))
    world.send("y@dead.test", "bob")
    world.wait_mail("bob", 2)


def test_host_that_defers_a_message_is_reached(world, peer):
    """450 to a recipient says nothing of the others' mail."""
    p = world.smarthost(peer(Script(rcpt_rules=(("^ann", BUSY),))))
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    world.send("ben@far.test")
    world.wait_until(lambda: p.taken)


@pytest.mark.seconds(5)
def test_login_that_is_mended_is_tried_with_the_next_mail(world, peer):
    p = world.smarthost(peer(Script(auth=("PLAIN",), auth_in_clear=True,
                                    user="me", password="right",
                                    require_auth=True)), INSECURE="",
                        TLS="off")
    world.write_auth("me|smart.test:wrong\n")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    n = len(p.connections)
    world.send("ben@far.test")
    world.wait_tried("ben@far.test")
    assert len(p.connections) == n
    world.write_auth("me|smart.test:right\n")
    world.send("eve@far.test")
    world.wait_quiet(20)
    assert len(p.taken) == 3
