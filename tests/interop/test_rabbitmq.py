"""The amqp module of dma-smtpd and dma-smtpd-drain --amqp with a cluster of
three real RabbitMQ nodes and quorum queues."""
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "smtpd"))

import intake as intakes    # noqa: E402
import rabbitmq     # noqa: E402
import smtp_peer    # noqa: E402

COUNT = 2000
BYTES = 4096


@pytest.fixture(scope="module")
def tls():
    folder = intakes.new_folder()
    made = smtp_peer.certificates(folder)
    for path in made.values():
        os.chmod(path, 0o644)
    os.chmod(folder, 0o755)
    yield {"ca": made["ca"], "certificate": made["smart"]}
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster(tls):
    c = rabbitmq.Cluster(tls)
    c.start()
    yield c
    c.stop()


@pytest.fixture
def smtpd(cluster):
    """Makes servers with the amqp module and these of its lines."""
    made = []

    def make(*lines, brokers=(0, 1, 2), **keys):
        lines += tuple("BROKER 127.0.0.1:%d" % cluster.nodes[i].port
                       for i in brokers)
        one = intakes.Intake(intakes.new_folder(), {
            "MODULE": "amqp", "MAX_SESSIONS": 0,
            "MAX_CONNECTIONS_PER_ADDRESS": 2000, **keys, "amqp": lines})
        made.append(one)
        return one.start()
    yield make
    for one in made:
        one.finish()
        shutil.rmtree(one.folder)


class Load:
    """smtp_load in the background; acknowledged: the numbers so far."""
    def __init__(self, server, sessions, count=COUNT, retry_ms=0):
        self.acknowledged, self.result = [], None
        self._process = subprocess.Popen(
            [rabbitmq.tool("smtp_load"), str(server.port), str(sessions),
             str(count), str(BYTES), "x@far.example", str(retry_ms)],
            stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            if line.startswith("rate"):
                words = line.split()
                self.result = dict(zip(words[::2], map(int, words[1::2])))
            else:
                self.acknowledged.append(int(line))

    def wait_for(self, n):
        rabbitmq.wait_until(lambda: len(self.acknowledged) >= n,
                            "%d acknowledged" % n)

    def end(self):
        self._reader.join(120)
        assert self._process.wait(10) == 0
        assert self.result["acknowledged"] == len(self.acknowledged)
        return self.result


def offer(server, *to):
    """The reply to the end of a text."""
    with server.hello() as c:
        c.envelope(*to)
        return c.data("Subject: t\r\n\r\nhello\r\n")


def drain(server, *args, **more):
    return subprocess.Popen([intakes.DRAIN, *args, "-c", server.conf],
                            stderr=subprocess.PIPE, text=True, **more)


# -- one message ----------------------------------------------------------


def test_the_envelope_is_in_headers_and_in_the_lines(cluster, smtpd):
    cluster.fresh()
    with smtpd().hello() as c:
        for line in ("MAIL FROM:<Ann@a.example> RET=HDRS ENVID=x",
                     "RCPT TO:<x@One.example> NOTIFY=NEVER",
                     "RCPT TO:<y@two.example>", "RCPT TO:<z@one.example>"):
            c.expect(line, "250 ")
        assert c.data(b"Subject: t\r\n\r\n.dot\r\n").startswith("250 ")
    one, two = sorted(cluster.take(), key=lambda m: m.all("key"))
    assert one.all("key") == ["one.example"]
    assert two.all("key") == ["two.example"]
    assert one.all("mode") == ["2"]
    assert one.all("Forward-Path") == ["<x@One.example> NOTIFY=NEVER",
                                       "<z@one.example>"]
    assert two.all("Forward-Path") == ["<y@two.example>"]
    assert one.all("Return-Path") == ["<Ann@a.example> RET=HDRS ENVID=x"]
    assert one.all("client") == ["127.0.0.1"]
    assert one.body == two.body
    assert one.body.startswith(
        b"Forward-Path: <x@One.example> NOTIFY=NEVER\r\n"
        b"Forward-Path: <y@two.example>\r\n"
        b"Forward-Path: <z@one.example>\r\n"
        b"Return-Path: <Ann@a.example> RET=HDRS ENVID=x\r\nReceived: ")
    assert one.body.endswith(b"\r\nSubject: t\r\n\r\n.dot\r\n")


@pytest.mark.parametrize("size", [65536, 65537, 8 << 20])
def test_a_text_of_any_size_arrives(cluster, smtpd, size):
    cluster.fresh()
    text = (b"Subject: t\r\n\r\n" + b"0123456789abcdef" * (size // 16 + 1))
    text = text[:size - 2] + b"\r\n"
    assert smtpd().send("x@one.example", text=text)
    message, = cluster.take()
    assert message.body.endswith(text)
    assert len(message.body) - len(text) < 500


def test_a_thousand_recipients_are_a_few_publications(cluster, smtpd):
    cluster.fresh()
    to = ["%s%d@one.example" % ("n" * 50, i) for i in range(990)]
    to += ["x@two.example"]
    assert offer(smtpd(), *to).startswith("250 ")
    messages = cluster.take()
    assert 3 <= len(messages) <= 5
    assert sorted(path for m in messages for path in m.all("Forward-Path")) \
        == sorted("<%s>" % path for path in to)


def test_what_no_queue_takes_is_deferred(cluster, smtpd):
    cluster.fresh(key="one.example")
    server = smtpd()
    assert offer(server, "x@one.example").startswith("250 ")
    assert offer(server, "x@two.example").startswith("451 4.4.4 ")
    assert offer(server, "x@one.example", "x@two.example").startswith("451 ")
    assert offer(server, "x@one.example").startswith("250 ")
    assert server.lines("two.example", "to no queue")


def test_what_the_queue_refuses_is_deferred(cluster, smtpd):
    cluster.peer("delete", "small")
    cluster.peer("limit", "small", 5)
    server = smtpd("EXCHANGE")
    load = load_to(server, "x@small", 200)
    cluster.peer("delete", "small")
    assert load["acknowledged"] >= 5
    assert load["deferred"] > 0 and load["failed"] == 0


def load_to(server, recipient, count):
    done = subprocess.run(
        [rabbitmq.tool("smtp_load"), str(server.port), "20", str(count),
         str(BYTES), recipient], stdout=subprocess.PIPE, text=True,
        timeout=120, check=True)
    words = done.stdout.splitlines()[-1].split()
    return dict(zip(words[::2], map(int, words[1::2])))


# -- brokers that are away ------------------------------------------------


def test_without_a_broker_mail_is_deferred_at_once(cluster, smtpd):
    server = smtpd("BROKER 127.0.0.1:1", brokers=())
    assert offer(server, "x@one.example").startswith("451 4.4.1 ")
    result = Load(server, 50).end()
    assert result["deferred"] == COUNT
    assert server.lines("amqp", "127.0.0.1:1")


def test_the_next_broker_is_used(cluster, smtpd):
    cluster.fresh()
    server = smtpd("BROKER 127.0.0.1:1", brokers=(1,))
    assert offer(server, "x@one.example").startswith("250 ")
    assert len(cluster.take()) == 1


def test_a_missing_exchange_is_named(cluster, smtpd):
    server = smtpd("EXCHANGE nowhere")
    assert offer(server, "x@one.example").startswith("451 4.4.1 ")
    assert server.lines("amqp", "nowhere")


def test_a_login_is_read_from_a_file(cluster, smtpd):
    cluster.fresh()
    node = cluster.nodes[0]
    node.ctl("add_user", "ann", "se cret")
    node.ctl("set_permissions", "ann", "", ".*", "")
    path = intakes.new_folder() + "/login"
    for password, code in ("se cret", "250 "), ("wrong", "451 4.4.1 "):
        with open(path, "w") as f:
            f.write("ann\n%s\n" % password)
        os.chmod(path, 0o600)
        server = smtpd("LOGIN " + path)
        assert offer(server, "x@one.example").startswith(code), password
        assert password not in server.log()
    os.chmod(path, 0o644)
    server = intakes.Intake(intakes.new_folder(), {
        "MODULE": "amqp", "amqp": "LOGIN " + path})
    server.start(wait=False)
    server.wait_end(status=78)
    assert "others cannot read" in server.log()


def test_tls_verifies_the_name_of_the_broker(cluster, smtpd, tls):
    cluster.fresh()
    port = cluster.nodes[0].tls_port
    for host, code in ("smart.test", "250 "), ("other.test", "451 4.4.1 "):
        server = smtpd("CA " + tls["ca"], "BROKER %s:%d" % (host, port),
                       brokers=())
        assert offer(server, "x@one.example").startswith(code), host
    assert len(cluster.take()) == 1


def check_all_arrived(load, messages):
    numbers = {m.number for m in messages}
    missing = set(load.acknowledged) - numbers
    assert not missing, "%d lost: %s" % (len(missing), sorted(missing)[:10])


def test_a_broker_killed_under_load_loses_nothing(cluster, smtpd):
    cluster.fresh()
    load = Load(smtpd(), 100, retry_ms=200)
    load.wait_for(COUNT // 4)
    cluster.nodes[0].kill()
    result = load.end()
    messages = cluster.take(node=1)
    cluster.nodes[0].start()
    cluster.wait_running()
    check_all_arrived(load, messages)
    assert result["acknowledged"] == COUNT and result["failed"] == 0, result


def test_a_stopped_broker_is_left(cluster, smtpd):
    cluster.fresh(node=1)       # whose leader is there
    load = Load(smtpd("TIMEOUT 3", brokers=(0, 1)), 100, retry_ms=200)
    load.wait_for(COUNT // 4)
    cluster.nodes[0].signal(signal.SIGSTOP)
    result = load.end()
    cluster.nodes[0].signal(signal.SIGCONT)
    cluster.wait_running()
    assert result["acknowledged"] == COUNT and result["failed"] == 0, result
    check_all_arrived(load, cluster.take(node=1))


def test_without_majority_mail_is_deferred_until_it_is_back(cluster, smtpd):
    """No FALLBACK: clients get 451, and their next attempt succeeds."""
    cluster.fresh(node=2)
    server = smtpd("TIMEOUT 2", brokers=(2,))
    load = Load(server, 100, retry_ms=500)
    load.wait_for(COUNT // 4)
    for node in cluster.nodes[:2]:
        node.kill()
    rabbitmq.wait_until(
        lambda: server.lines("status=deferred", 'reply="451 '), "a deferral")
    for node in cluster.nodes[:2]:
        node.start()
    cluster.wait_running()
    result = load.end()
    assert result["acknowledged"] == COUNT and result["failed"] == 0, result
    assert result["deferred"] > 0
    assert server.tree.paths() == []
    check_all_arrived(load, cluster.take(node=2))


def test_without_majority_the_fallback_takes_it_then_the_queue(
        cluster, smtpd):
    cluster.fresh(node=2)
    server = smtpd("TIMEOUT 2", brokers=(2,), FALLBACK="minute")
    load = Load(server, 100)
    load.wait_for(COUNT // 4)
    for node in cluster.nodes[:2]:
        node.kill()
    result = load.end()
    assert result["acknowledged"] == COUNT, (result, server.log()[-2000:])
    stored = server.tree.messages()
    assert stored
    for node in cluster.nodes[:2]:
        node.start()
    cluster.wait_running()
    rabbitmq.wait_until(lambda: drain_tree(server) == 0, "drained")
    assert server.tree.paths() == []
    check_all_arrived(load, cluster.take(node=2))


def drain_tree(server):
    """Into the queue; all minutes are made old ones."""
    for minute in os.listdir(server.root):
        if not minute.startswith("2020"):
            os.rename("%s/%s" % (server.root, minute),
                      "%s/2020%s" % (server.root, minute[4:]))
    return subprocess.run([intakes.DRAIN, "--to-amqp", "-c", server.conf,
                           "-j", "8", server.root], timeout=120).returncode


# -- into dma ---------------------------------------------------------------


def numbers_of(mailbox):
    with open(mailbox, "rb") as f:
        return re.findall(rb"^X-Number: (\d+)$", f.read(), re.M)


def test_two_drains_share_a_queue(cluster, smtpd, world):
    count = 300
    cluster.fresh()
    server = smtpd()
    done = subprocess.run(
        [rabbitmq.tool("smtp_load"), str(server.port), "20", str(count),
         "500", "alice@host.test"], stdout=subprocess.PIPE, text=True,
        check=True)
    assert "acknowledged %d " % count in done.stdout
    drains = [drain(server, "--amqp", "--declare", cluster.queue) for _ in range(2)]
    for one in drains:
        assert one.wait(120) == 0, one.stderr.read()
    mailbox = "/var/mail/alice"
    rabbitmq.wait_until(lambda: os.path.exists(mailbox) and
                        len(set(numbers_of(mailbox))) == count, "delivery")
    found = numbers_of(mailbox)
    assert len(found) == count      # nothing ended early: each once
    with open(mailbox) as f:
        assert "Forward-Path" not in f.read()
    assert cluster.take() == []


def test_a_killed_drain_loses_nothing(cluster, smtpd, world):
    count = 200
    cluster.fresh()
    server = smtpd()
    subprocess.run(
        [rabbitmq.tool("smtp_load"), str(server.port), "20", str(count),
         "500", "alice@host.test"], stdout=subprocess.DEVNULL, check=True)
    first = drain(server, "--amqp", "--declare", cluster.queue)
    mailbox = "/var/mail/alice"
    rabbitmq.wait_until(lambda: os.path.exists(mailbox) and
                        len(numbers_of(mailbox)) > 10, "a beginning")
    first.kill()
    first.wait()
    second = drain(server, "--amqp", cluster.queue)
    assert second.wait(120) == 0, second.stderr.read()
    rabbitmq.wait_until(
        lambda: len(set(numbers_of(mailbox))) == count, "delivery")


def test_what_is_no_mail_goes_to_the_queue_of_the_dead(cluster, smtpd, world):
    cluster.fresh()
    server = smtpd()
    assert offer(server, "nobody.here@host.test").startswith("250 ")
    assert offer(server, "alice@host.test").startswith("250 ")
    cluster.peer("send", "dma", "x", input=b"what is this?\n")
    one = drain(server, "--amqp", "--declare", cluster.queue)
    assert one.wait(60) == 0
    said = one.stderr.read()
    assert "Return-Path" in said and "status 67" in said
    rabbitmq.wait_until(lambda: os.path.exists("/var/mail/alice"), "delivery")
    assert cluster.take() == []
    assert sorted(m.body[-20:] for m in cluster.take(cluster.queue + ".dead"))[-1] == \
        b"what is this?\n"


def test_what_sendmail_refuses_for_now_stays(cluster, smtpd):
    cluster.fresh()
    server = smtpd()
    assert offer(server, "x@one.example").startswith("250 ")
    one = drain(server, "--amqp", "--declare", "-s", "/bin/false",
                cluster.queue)
    assert one.wait(60) == 75
    assert "status 1" in one.stderr.read()
    assert len(cluster.take()) == 1


# -- the rate -----------------------------------------------------------------


def test_the_rate_is_near_that_of_a_plain_publisher(cluster, smtpd, capsys):
    server = smtpd(brokers=(0,))
    best = {"plain": 0, "ours": 0}
    for _ in range(2):
        cluster.fresh()
        time.sleep(0.5)     # until the members are elected
        best["plain"] = max(best["plain"], int(cluster.peer(
            "publish", "dma", "far.example", 8000, BYTES, 1000)))
        cluster.fresh()
        time.sleep(0.5)
        best["ours"] = max(best["ours"], Load(server, 150, 8000).end()["rate"])
    with capsys.disabled():
        print("\nRabbitMQ: plain %(plain)d/s, dma-smtpd %(ours)d/s" % best)
    assert best["ours"] > 0
