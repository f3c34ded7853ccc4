"""However much one message, user or host asks for, another's mail passes.

Shared places go by turn (queue/limits.h).  The bounds here are far from what
it takes (3 times an idle system, plus a second), and from what it took when
they went by age (minutes).
"""
import contextlib
import ctypes
import itertools
import os
import time

import pytest

from dns_peer import A, NameServer
from smtp_peer import Script
from world import SENDMAIL

SOON_S = 8      # on a busy machine; idle: 0.1


def mail_passes(world, user="bob", to="carol", n=1):
    """The time that a local message takes."""
    began = time.monotonic()
    world.send(to, user=user)
    world.wait_mail(to, n, SOON_S)
    took = time.monotonic() - began
    print("another user's mail took %.2f s" % took)
    return took


def wait_begun(world, limit=30):
    world.wait_until(lambda: world.log_lines("status=queued"), limit)


def test_t5_names_of_one_message(world):
    world.send(*("nobody%d" % i for i in range(5000)), limit=60)
    wait_begun(world)
    mail_passes(world)
    world.wait_mail("alice", 1, 240)        # the report
    world.wait_quiet(60)


def test_t5_messages_with_many_names(world, exchangers):
    """For a host that never answers: they do not take all places."""
    exchangers(11, Script(mute_at="MAIL"))
    text = "To: %s\n\nx\n" % ",\n ".join("x%d@d.test" % i
                                         for i in range(50000))
    world.leaves("queue")
    with NameServer({("d.test", A): ["127.0.0.11"]}):
        for _ in range(3):
            world.send("-t", user="alice", input=text.encode(), limit=60)
        world.wait_until(lambda: len(world.log_lines("status=queued")) >= 3, 30)
        mail_passes(world)
        world.stop()


def test_t6_domains_of_one_message(world, exchangers):
    """Each has a host of its own, which never answers."""
    exchangers(11, Script(mute_at="MAIL"))
    domains = ["d%d.test" % i for i in range(30000)]
    world.leaves("queue")
    with NameServer({(d, A): ["127.0.0.11"] for d in domains}):
        world.send(*("x@" + d for d in domains), limit=60)
        wait_begun(world)
        mail_passes(world)
        world.stop()


def test_t5_names_of_one_user(world):
    """Each of them is bob; the next message is the same submitter's."""
    world.send(*("bob+%d" % i for i in range(1000)), user="alice", limit=60)
    wait_begun(world)
    mail_passes(world, user="alice")
    world.wait_mail("bob", 1000, 120)
    world.wait_quiet(30)


@pytest.mark.seconds(6)
def test_t5_users_of_one_message(world):
    """Mailboxes, each with its own child and sync; the same submitter."""
    names = ["mass%d" % i for i in range(60)]
    for name in names:
        world.add_user(name)
    try:
        for _ in range(5):
            world.send("-odq", *names)
        world.send(*names)
        mail_passes(world, user="alice")
        for name in names:
            world.wait_mail(name, 6, 60)
        world.wait_quiet(30)
    finally:
        for name in names:
            world.remove_user(name)


def from_alice(world, i, domain):
    world.send("-odq", "x@" + domain, user="alice")


def from_subordinate_uid(world, i, domain):
    """Of one user, who may have 65536 of them."""
    done = world.run(["setpriv", "--reuid", str(0x100000 + i),
                      "--regid", str(0x100000 + i), "--clear-groups",
                      SENDMAIL, "-odq", "-f", "a@b.test", "x@" + domain],
                     input=b"\nx\n")
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def silent_hosts(world, exchangers, submit=from_alice):
    """A message to each of 60 domains, whose hosts never answer; gives these,
    once they have connections, and the host of good.test and good2.test."""
    silent, good = exchangers(11, Script(mute_at="MAIL")), exchangers(12)
    domains = ["d%d.test" % i for i in range(60)]
    world.leaves("queue")
    with NameServer({(d, A): ["127.0.0.11"] for d in domains} |
                    {(d, A): ["127.0.0.12"]
                     for d in ("good.test", "good2.test")}):
        for i, domain in enumerate(domains):
            submit(world, i, domain)
        world.run([SENDMAIL, "-qd"])
        world.wait_until(lambda: len(silent.connections) >= 10)
        yield silent, good
        world.stop()


def another_users_passes(world, good):
    began = time.monotonic()
    world.send("ann@good.test", user="bob")
    world.wait_until(lambda: good.taken, SOON_S)
    print("another user's took %.2f s" % (time.monotonic() - began))


@pytest.mark.seconds(13)
def test_t6_silent_hosts(world, exchangers):
    """Hosts of one user that never answer; a good one of another's."""
    with silent_hosts(world, exchangers) as (_, good):
        another_users_passes(world, good)
        # The same user's: after those that had their time.
        world.send("ben@good2.test", user="alice")
        world.wait_until(lambda: len(good.taken) == 2, 60)


@pytest.mark.seconds(13)
def test_t6_silent_hosts_of_subordinate_uids(world, exchangers):
    with silent_hosts(world, exchangers, from_subordinate_uid) as (silent,
                                                                   good):
        another_users_passes(world, good)
        # Two turns of them have not passed meanwhile.
        assert len(silent.connections) < 40


@pytest.mark.seconds(13)
def test_t6_silent_hosts_are_all_tried(world, exchangers):
    """Each has its turn, and none is given up after its text was sent."""
    with silent_hosts(world, exchangers) as (silent, _):
        world.wait_until(lambda: len(silent.connections) >= 60, 60)


@pytest.mark.seconds(26)
def test_messages_of_one_user_for_a_relay(world, peer):
    """Ten thousand would do the same; the relay is slow."""
    p = peer(Script(final_delay=0.1))
    world.smarthost(p)
    for i in range(1000):
        world.send("-odq", "x%d@far.test" % i, user="alice")
    world.run([SENDMAIL, "-qd"])
    world.wait_until(lambda: p.taken)
    before = len(p.taken)
    world.send("ann@far.test", user="bob")
    world.wait_until(lambda: [t for t in p.taken
                              if t.accepted == ["ann@far.test"]], SOON_S)
    print("after %d messages of the other user" % (len(p.taken) - before))
    assert len(p.taken) - before < 200
    world.wait_quiet(60)


@pytest.mark.seconds(17)
def test_messages_of_one_user_for_a_mailbox(world):
    for _ in range(1000):
        world.send("-odq", "alice", user="alice")
    world.run([SENDMAIL, "-qd"])
    wait_begun(world)
    mail_passes(world)
    world.wait_mail("alice", 1000, 60)
    world.wait_quiet()


def colliding(n, bits=17):
    """Names that fall together in a table by an unkeyed FNV-1a."""
    mask, prime = (1 << bits) - 1, 0x100000001b3 & ((1 << bits) - 1)
    inverse = pow(prime, -1, 1 << bits)
    letters = b"abcdefghijklmnopqrstuvwxyz"
    # Forwards from the start with three letters, back from 0 with four.
    ends = {}
    for tail in itertools.product(letters, repeat=4):
        h = 0
        for c in reversed(tail):
            h = (h * inverse & mask) ^ c
        ends.setdefault(h, []).append(bytes(tail))
    for head in itertools.product(letters, repeat=3):
        h = 0xcbf29ce484222325 & mask
        for c in head:
            h = ((h ^ c) * prime) & mask
        for tail in ends.get(h, ()):
            yield (bytes(head) + tail).decode()
            n -= 1
            if n == 0:
                return


def test_t12_names_that_collide_cost_no_more_than_others(world):
    """60,000 recipients; the time of the processor, not the clock's."""
    def cost(names):
        text = ["Bcc: " + ",\n ".join(names[i:i + 100]) + "\n"
                for i in range(0, len(names), 100)]
        world.write_aliases("team: bob, carol\n")
        before = sum(os.times()[2:4])
        world.send("-odq", "-t", input="".join(text) + "\nhello\n")
        front = sum(os.times()[2:4]) - before
        world.run([SENDMAIL, "-qd"])
        world.wait_until(lambda: world.log_lines("status=queued"), 60)
        ticks, = world.wait_until(lambda: [max(
            sum(map(int, open("/proc/%d/stat" % p).read()
                    .rsplit(")", 1)[1].split()[11:13]))
            for p in world.processes())])
        world.stop()
        world.reset()
        return front + ticks / os.sysconf("SC_CLK_TCK")

    world.leaves("queue")
    # What an alias names is looked for among all of them.
    others = cost(["%06x" % (i * 7919) for i in range(60000)] + ["team"])
    chosen = cost(list(colliding(60000)) + ["team"])
    print("others %.2f s, chosen %.2f s" % (others, chosen))
    assert chosen < 3 * others + 0.5


def hanging_users(world, n):
    names = ["hang%d" % i for i in range(n)]
    for name in names:
        world.add_user(name)
        world.forward(name, "|/bin/sleep 600\n")
    return names


def test_commands_that_hang(world):
    """More of one submitter's than are run at once."""
    names = hanging_users(world, 20)
    world.leaves("queue")
    try:
        world.send(*names, user="alice")
        for name in names:
            world.send("-odq", name, user="alice")
        world.run([SENDMAIL, "-qd"])
        wait_begun(world)
        time.sleep(1)
        mail_passes(world)
        mail_passes(world, user="alice", to="bob")
    finally:
        world.stop()
        world.run(["pkill", "-x", "sleep"])
        for name in names:
            world.remove_user(name)


@pytest.mark.seconds(10)
def test_one_command_that_hangs_and_many_messages(world):
    world.forward("bob", "|/bin/sleep 600\n")
    world.leaves("queue")
    for _ in range(700):
        world.send("-odq", "bob", user="alice")
    world.run([SENDMAIL, "-qd"])
    wait_begun(world)
    time.sleep(1)
    mail_passes(world, user="carol")
    mail_passes(world, user="alice", n=2)
    world.stop()
    world.run(["pkill", "-x", "sleep"])


@pytest.mark.seconds(8)
def test_homes_that_hang(world, dead):
    """The look-ups of more users than are under way at once."""
    names = ["away%d" % i for i in range(70)]
    for name in names:
        world.add_user(name)
        world.run(["usermod", "-d", dead + "/" + name, name])
    world.leaves("queue")
    try:
        world.send(*names, user="alice")
        wait_begun(world)
        time.sleep(1)
        mail_passes(world)
        mail_passes(world, user="alice", to="bob")
    finally:
        ctypes.CDLL(None).umount2(dead.encode(), 1)     # MNT_FORCE
        world.stop()
        for name in names:
            world.run(["usermod", "-d", "/home/" + name, name])
            world.remove_user(name)


def test_huge_lists(world):
    """A list of many names, in many messages."""
    world.run(["sh", "-c", "i=0; while [ $i -lt 1000 ]; do echo nobody$i; "
               "i=$((i+1)); done >/etc/huge"])
    world.write_aliases("".join("huge%d: :include:/etc/huge\n" % i
                                for i in range(10)))
    world.leaves("queue")
    for i in range(10):
        world.send("-odq", "huge%d" % i, user="alice")
    world.run([SENDMAIL, "-qd"])
    wait_begun(world)
    mail_passes(world)
    world.wait_quiet(120)


@pytest.mark.seconds(6)
def test_reports_of_one_user(world):
    """What comes back counts for who sent it."""
    world.write_aliases("gone: nobody0\n")
    for i in range(300):
        world.send("-odq", "gone", user="alice")
    world.run([SENDMAIL, "-qd"])
    wait_begun(world)
    mail_passes(world)
    world.wait_mail("alice", 300, 60)
    world.wait_quiet()
