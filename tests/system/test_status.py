"""dma status: the queue, its runner, and what needs attention."""
import json
import os
import re
import subprocess
import time

import pytest

import queue_files
from queue_files import deferred, recipient
from smtp_peer import Script

DMA = "/usr/sbin/dma"


@pytest.fixture
def status(world):
    def run(*args, user=None):
        done = world.run([DMA, "status", *args], user=user)
        assert done.stderr == b"" or done.returncode == 64
        return done.returncode, done.stdout.decode()
    return run


@pytest.fixture
def put(world):
    """A message that has been queued for that long, and other records."""
    world.leaves("queue", "dead", "corrupt")
    put.n = 0

    def message(age_s, *records, uid=0):
        put.n += 1
        return queue_files.put(put.n, queue_files.content(
            int(time.time()) - age_s, uid,
            [recipient("ann@far.test"), *records]))
    return message


def metrics(text):
    return dict(line.rsplit(" ", 1) for line in text.splitlines()
                if line[0] != "#")


def test_nothing_to_do(status):
    assert status() == (0, "ok      runner: none is active\n"
                        "ok      queue: 0 messages\n"
                        "0 errors, 0 warnings\n")
    code, out = status("--json")
    got = json.loads(out)
    assert code == 0 and out.count("\n") == 1
    assert not got["stuck"] and got["runner"]["state"] == "absent"
    assert got["queue"]["messages"] == 0 and got["queue"]["oldest"] is None


def test_states_domains_and_reasons(status, put):
    later = int(time.time()) + 1000
    put(7300, deferred(later, reason="host a7.far.test: no"))
    put(50, deferred(later - 300, reason="host b.far.test: no"))
    put(10, "K\t1\n")
    code, out = status()
    assert code == 0
    for line in (
            "ok      queue: 3 messages, 2 deferred, 1 held; 1 KB; "
            "the oldest is 2 h 1 min old\n",
            "warning far.test: 2 recipients deferred; next attempt ",
            " (in 11 min); last reply: host b.far.test: no\n",
            "0 errors, 1 warning\n"):
        assert line in out
    got = json.loads(status("--json")[1])
    assert got["domains"] == [{
        "domain": "far.test", "code": "4.4.1", "recipients": 2,
        "reply": "host b.far.test: no", "next": later - 300}]
    assert got["reasons"][0]["reply"] == "host *: no"
    values = metrics(status("--prometheus")[1])
    assert values['dma_queue_messages{state="deferred"}'] == "2"
    assert values['dma_queue_messages{state="held"}'] == "1"
    assert values['dma_deferred_recipients{code="4.4.1"}'] == "2"


def test_reasons_that_no_domain_shows(status, put):
    """A reason is on a line of its own if it is nobody's last reply."""
    later = int(time.time()) + 1000
    for reason in ("no room", "too much mail", "too much mail"):
        put(5, deferred(later, reason=reason))
    out = status()[1]
    assert "; last reply: too much mail\n" in out
    assert "warning deferred: 1 recipient: 4.4.1 no room\n" in out
    assert "0 errors, 2 warnings\n" in out


def test_reasons_of_many_domains(status, put):
    """They sum up the domains for which there is no room."""
    later = int(time.time()) + 1000
    for i in range(12):
        put(5, recipient("ann@far%d.test" % i, 1),
            deferred(later, reason="no"), deferred(later, reason="no", i=1))
    out = status()[1]
    assert "warning far.test: 12 recipients deferred; " in out
    assert "warning other domains: 3 recipients deferred\n" in out
    assert "warning deferred: 24 recipients: 4.4.1 no\n" in out


def test_due_mail_without_a_runner_is_an_error(world, status, put):
    put(90)
    code, out = status()
    assert code == 69
    assert ('error   runner: none, and mail has been due for 1 min: run '
            '"sendmail -qd", and see the log\n') in out
    # A look starts nobody.
    assert status("--json")[0] == 69
    code, out = status("--prometheus")
    assert code == 0 and metrics(out)["dma_stuck"] == "1"
    world.write_conf({"DEFER": ""})
    assert status()[0] == 0


def test_users_learn_of_their_own_mail(world, status, put):
    uid = int(subprocess.check_output(["id", "-u", "alice"]))
    later = int(time.time()) + 1000
    put(5, deferred(later))
    put(5, "D\t0\t1\t%d\t4.2.0\tno\t0\t/secret\t\n" % later, uid=uid)
    for folder in ("dead", "corrupt"):
        subprocess.run(["install", "-d", "-o", "_dma", "-m", "700",
                        "/var/spool/dma/" + folder], check=True)
        with open("/var/spool/dma/%s/0a" % folder, "wb"):
            pass
    code, out = status(user="alice")
    assert code == 0 and "ok      your mail: 1 message, 1 deferred;" in out
    assert "secret" not in out and "timed out" not in out
    assert "dead" not in out and "/var/spool" not in out
    got = json.loads(status("--json", user="bob")[1])
    assert got["queue"]["messages"] == 0 and not got["queue"]["all"]
    assert got["dead"] == 0
    code, out = status()
    assert "(/secret)" in out
    assert "warning /var/spool/dma/dead: 1 message whose failure" in out
    assert "warning /var/spool/dma/corrupt: 1 message with a damaged" in out


def test_time_of_the_next_attempt_has_passed(status, put):
    """While a host cannot be reached, only that of one message is renewed."""
    put(9, deferred(int(time.time()) - 5))
    assert ("warning far.test: 1 recipient deferred; next attempt now, or when "
            "the host can be reached; last reply: ") in status()[1]


def test_files_of_others_are_counted(world, status):
    """Those of upstream dma are put aside with their names."""
    world.leaves("corrupt")
    subprocess.run(["install", "-d", "-o", "_dma", "-m", "700",
                    "/var/spool/dma/corrupt"], check=True)
    with open("/var/spool/dma/corrupt/Q1a2b.3", "wb"):
        pass
    assert ("warning /var/spool/dma/corrupt: 1 message with a damaged "
            "file: run ") in status()[1]
    done = world.run([DMA, "queue", "list", "corrupt"])
    assert done.stdout == (b"-- 0 messages in corrupt, and 1 file of upstream "
                           b"dma.\n")
    done = world.run([DMA, "queue", "list", "corrupt"], user="alice")
    assert done.stdout == b"corrupt contains no message of yours\n"


def test_file_that_cannot_be_read(world, status, put):
    ident = put(5)
    with open("/var/spool/dma/queue/" + ident, "r+b") as f:
        f.write(b"damaged")
    assert ('warning queue: 1 file cannot be read: run "sendmail -q", and see '
            'the log\n') in status()[1]
    done = world.run(["mailq"])
    assert done.returncode == 0 and done.stderr == (
        b'dma: queue: 1 file cannot be read: run "sendmail -q", and see the '
        b'log\n')
    assert world.run(["mailq"], user="alice").stderr == b""


def test_runner_that_is_there(world, status, peer):
    p = peer(Script(mute_at="MAIL"))
    world.smarthost(p)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_until(lambda: p.connections)
    code, out = status()
    assert code == 0
    assert re.search(
        r"ok      runner: active, process \d+, version \S+, since .* "
        r"\(\d+ s ago\), started by a call, 1 message being tried\n"
        r"ok      queue: 1 message, 1 due; 1 KB; the oldest is \d+ s old\n"
        r"ok      relay smart.test port \d+: connected, 1 message being sent\n",
        out)
    runner = json.loads(status("--json")[1])["runner"]
    assert runner["state"] == "active" and runner["started_by"] == "call"
    assert abs(runner["since"] - time.time()) < 60
    os.kill(runner["pid"], 0)
    assert runner["destinations"][0]["state"] == "connected"
    assert metrics(status("--prometheus")[1])["dma_runner_messages"] == "1"
    out = status(user="carol")[1]
    assert " runner: active" in out and "relay" not in out


def test_relay_that_has_all_its_mail(world, status, peer):
    """The slow mailbox of another user keeps the runner."""
    p = world.smarthost(peer(Script()))
    world.leaves("queue")
    world.forward("bob", "|sleep 60\n")
    world.send("bob")
    world.send("ann@far.test")
    world.wait_until(lambda: p.taken and ": idle\n" in status()[1])


def test_relay_that_is_away(world, status):
    world.write_conf({"SMARTHOST": "127.0.0.1:9"})
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    world.wait_until(lambda: "unreachable" in status()[1])
    out = status()[1]
    assert re.search(r"warning relay 127.0.0.1 port 9: unreachable, .*; "
                     r"1 failed attempt; next attempt .* \(in \d+ min\)",
                     out)
    # An outage is one line, and its mail is not counted again.
    assert re.search("ok      queue: .*\nwarning relay .*: 127.0.0.1 port 9: "
                     "connect: Connection refused\n0 errors, 1 warning\n", out)
    values = metrics(status("--prometheus")[1])
    assert values["dma_runner_unreachable_destinations"] == "1"
    (relay,) = json.loads(status("--json")[1])["runner"]["destinations"]
    assert relay["failures"] == 1 and relay["next"] > time.time()


def test_arguments(status):
    code, out = status("--xml")
    assert code == 64 and out == ""


def test_status_is_no_recipient_for_sendmail(world):
    """Only dma itself has commands."""
    world.leaves("queue")
    done = world.run(["sendmail", "status"], input=b"Subject: x\n\n")
    assert done.returncode == 67


def test_memory_does_not_grow_with_the_queue(world):
    if world.is_sanitized():
        pytest.skip("a sanitizer has memory of its own")
    world.leaves("queue")

    def fill(n):
        for i in range(n):
            queue_files.put(i, queue_files.content(1700000000 + i, 0, [
                recipient("ann@far%d.test" % i),
                deferred(1700000001, reason="no %x" % i)]))

    def memory_kb():
        done = subprocess.run(["time", "-f", "%M", DMA, "status"],
                              stdout=subprocess.DEVNULL, check=False,
                              stderr=subprocess.PIPE, timeout=60)
        return int(done.stderr.split()[-1])
    fill(200)
    small = memory_kb()
    fill(20000)
    assert memory_kb() < min(small + 1024, 4 * 1024)
