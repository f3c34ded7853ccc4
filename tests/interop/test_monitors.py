"""What other people's monitors read of mailq and of dma status."""
import subprocess
import time

import pytest

import queue_files
from queue_files import deferred, recipient

CHECK = "/usr/lib/nagios/plugins/check_mailq"
OK, WARNING, CRITICAL = 0, 1, 2


@pytest.fixture
def fill(world):
    """Has n messages queued: of alice, or of bob as well."""
    world.leaves("queue")

    def put(n, users=("alice",)):
        now = int(time.time())
        for user in users:
            uid = int(subprocess.check_output(["id", "-u", user]))
            for i in range(n):
                queue_files.put(uid * 1000 + i, queue_files.content(
                    now - 60, uid, [recipient("ann@far.test"), deferred(
                        now + 900, reason="host mqueue.far.test: \"no\"")]))
    return put


def check_mailq(world, *args, user=None):
    done = world.run([CHECK, "-w", "2", "-c", "4", *args], user=user)
    return done.returncode, done.stdout.decode()


@pytest.mark.parametrize("mailer", ("postfix", "sendmail"))
def test_check_mailq(world, fill, mailer):
    """-M sendmail is its default on a host of ours."""
    assert check_mailq(world, "-M", mailer)[0] == OK
    for n, status in ((1, OK), (2, WARNING), (4, CRITICAL)):
        fill(n)
        got, text = check_mailq(world, "-M", mailer)
        assert got == status and str(n) in text


def test_check_mailq_of_a_monitor_that_is_not_root(world, fill):
    """Sees its own, unless it is in MAILQ_GROUP."""
    fill(2, ("alice", "bob"))
    assert check_mailq(world, "-M", "postfix", user="carol")[0] == OK
    assert check_mailq(world, "-M", "postfix", user="alice")[0] == WARNING
    world.write_conf({"MAILQ_GROUP": "carol"})
    assert check_mailq(world, "-M", "postfix", user="carol")[0] == CRITICAL


def promtool(world):
    metrics = world.run(["/usr/sbin/dma", "status", "--prometheus"])
    assert metrics.returncode == 0
    return subprocess.run(["promtool", "check", "metrics"],
                          input=metrics.stdout, capture_output=True,
                          check=False, timeout=60)


def test_promtool_has_nothing_to_say(world, fill):
    for n in (0, 3):
        fill(n)
        done = promtool(world)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
