"""A cluster of three real Postfix instances as the relay, by DNS and behind
HAProxy; one of them is killed under load, and comes back."""
import collections
import threading

import pytest

import cluster as clusters
from dns_peer import A, MX, SRV, NameServer

MESSAGES = 240
SENDERS = 3
KEYS = {"CONCURRENCY": "4", "RETRY": "2s 2s 1d"}
PROXY_PORT = 2600


@pytest.fixture(scope="module")
def members():
    made = [clusters.Postfix(name, "127.0.0.2%d" % n)
            for n, name in enumerate(("one", "two", "three"), 1)]
    for m in made:
        m.start()
    yield made
    for m in made:
        m.stop()


@pytest.fixture
def proxy(members):
    p = clusters.HAProxy(PROXY_PORT, members)
    p.start()
    yield p
    p.stop()


@pytest.fixture
def names(members):
    table = {("cluster.test", MX): [(10, m.name + ".cluster.test")
                                    for m in members],
             ("_submission._tcp.cluster.test", SRV): [
                 (0, 10, clusters.PORT, m.name + ".cluster.test")
                 for m in members]}
    for m in members:
        table[m.name + ".cluster.test", A] = [m.host]
    with NameServer(table) as server:
        yield server


def load(world):
    """Sends MESSAGES in the background; gives the threads."""
    def work(first):
        for n in range(first, MESSAGES, SENDERS):
            world.send("ann@far.test", input="Subject: load\n"
                       "Message-ID: <load%d@host.test>\n\n%s\n"
                       % (n, "text " * 400))
    threads = [threading.Thread(target=work, args=(i,))
               for i in range(SENDERS)]
    for t in threads:
        t.start()
    return threads


def arrived(members):
    """How often each message was taken."""
    return collections.Counter(i for m in members for i in m.ids())


def sent_by(world, host):
    return len(world.log_lines("status=sent", host))


def check_all(world, members, victim):
    """Nothing is lost; doubled is only what the victim had taken without a
    word of it.  The number of those."""
    victim.start()
    victim.flush()
    world.wait_until(lambda: all(m.is_empty() for m in members), 60,
                     "empty queues of the cluster")
    counts = arrived(members)
    assert sorted(counts) == sorted("<load%d@host.test>" % n
                                    for n in range(MESSAGES))
    assert max(counts.values()) <= 2
    doubles = {i for i, n in counts.items() if n > 1}
    assert doubles <= set(victim.ids())
    print("doubled: %d of %d" % (len(doubles), MESSAGES))
    return len(doubles)


@pytest.fixture
def site(world, members):
    for m in members:
        m.empty()
    return world


@pytest.mark.parametrize("smarthost", (
    "mx:cluster.test:%d" % clusters.PORT, "srv:cluster.test"))
def test_member_is_killed_under_load(site, members, names, smarthost):
    site.write_conf({"SMARTHOST": smarthost, **KEYS})
    threads = load(site)
    victim = site.wait_until(
        lambda: next((m for m in members if sent_by(site, m.host) > 20), None),
        60, "mail at a member")
    victim.kill()
    for t in threads:
        t.join()
    site.wait_until(lambda: not site.queue(), 90, "an empty queue")
    told = sent_by(site, victim.host)
    assert 20 < told < MESSAGES
    assert sum(sent_by(site, m.host) for m in members) == MESSAGES
    doubled = check_all(site, members, victim)
    assert doubled == len(victim.ids()) - told


def test_member_behind_a_proxy_is_killed_under_load(site, members, proxy):
    site.write_conf({"SMARTHOST": "127.0.0.1:%d" % PROXY_PORT, **KEYS})
    threads = load(site)
    site.wait_until(lambda: sent_by(site, "127.0.0.1") > 40, 60, "mail")
    victim = max(members, key=lambda m: len(m.ids()))
    victim.kill()
    for t in threads:
        t.join()
    site.wait_until(lambda: not site.queue(), 90, "an empty queue")
    assert len(victim.ids()) < MESSAGES
    check_all(site, members, victim)
