"""Services mail where init does not listen: the runner is started by set-uid,
and still belongs to the host."""
import json
import os

import pytest

from test_context import REPORT, difference
from world import SENDMAIL

# Of a service that sends first, as a user who may use set-uid programs.
LEFT = {
    "PrivateNetwork": "yes", "PrivateTmp": "yes", "PrivateIPC": "yes",
    "ProtectHome": "tmpfs", "ReadOnlyPaths": "/var/mail",
    "TimerSlackNSec": "10s", "OOMScoreAdjust": "500", "Nice": "7",
    "CPUSchedulingPolicy": "idle", "IOSchedulingClass": "idle",
    "CPUAffinity": "0", "CoredumpFilter": "0", "KeyringMode": "private",
    "UMask": "0",
    "MemoryMax": "200M", "TasksMax": "50", "Slice": "strange.slice",
    "IgnoreSIGPIPE": "yes", "Environment": "TZ=Foo-13:37",
    "LogNamespace": "strange",
}

# Of a service of root's: what the log calls it.
REFUSED = {
    "SystemCallFilter": ("@system-service", "seccomp filter"),
    "RestrictAddressFamilies": ("AF_UNIX AF_INET", "seccomp filter"),
    "MemoryDenyWriteExecute": ("yes", ""),
    "NoNewPrivileges": ("yes", "no_new_privs"),
    "CapabilityBoundingSet": ("~CAP_NET_RAW", "capability bounding set"),
    "SecureBits": ("no-setuid-fixup-locked", ""),
}


@pytest.fixture(autouse=True)
def no_socket(world):
    world.systemctl("stop", "dma.socket", "dma.service", "dma.timer")
    assert not os.path.exists("/run/dma/start")
    world.write_home("bob", "report.py", REPORT)
    world.forward("bob", "|/usr/bin/python3 /home/bob/report.py "
                  ">> /home/bob/reports\n")


def reports(world, n):
    world.wait_until(lambda: world.read_home("bob", "reports").count(b"\n")
                     >= n, 20, "%d reports" % n)
    return [json.loads(x) for x in
            world.read_home("bob", "reports").splitlines()]


def test_y9_the_runner_leaves_a_service(world):
    world.send("bob")
    world.wait_until(lambda: not world.processes(), 20, "the runner's end")
    done = world.unit("mailer", SENDMAIL, "bob", user="alice", **LEFT)
    assert done.returncode == 0, done.stderr
    want, got = reports(world, 2)
    assert difference(got, want) == {}
    assert got["cgroup"].endswith("0::/init.scope\n")


def test_t1_the_runner_leaves_a_session(world):
    world.send("bob")
    world.wait_until(lambda: not world.processes(), 20, "the runner's end")
    done = world.session("alice", SENDMAIL + " bob", input=b"Subject: a\n\n")
    assert done.returncode == 0, done.stderr
    want, got = reports(world, 2)
    assert difference(got, want) == {}


def test_t1_the_runner_leaves_the_cgroup_of_a_user(world):
    group = world.user_unit("alice", "mailer", SENDMAIL + " bob; sleep 60",
                            wait=False)
    got, = reports(world, 1)
    assert got["cgroup"].endswith("0::/init.scope\n")
    with open(group + "/cgroup.freeze", "w") as f:
        f.write("1")
    world.send("bob")
    reports(world, 2)
    with open(group + "/cgroup.kill", "w") as f:
        f.write("1")


@pytest.mark.parametrize("key", REFUSED)
def test_y5_no_runner_in_what_cannot_be_left(world, key):
    value, word = REFUSED[key]
    # The end of the service would kill the runner before it can say why.
    done = world.unit("mailer", "/bin/sh", "-c", SENDMAIL + " bob; s=$?; "
                      "sleep 1; exit $s", **{key: value})
    if done.returncode == 71 and key == "SecureBits":
        assert done.stderr and world.queue() == []
        return
    assert done.returncode == 0, done.stderr
    world.wait_until(lambda: world.log_lines("cannot start the runner", word),
                     20, "the reason in the log")
    assert world.queue() and not world.read_home("bob", "reports")
    world.send("bob")
    first, second = reports(world, 2)
    assert difference(first, second) == {}
    assert int(first["NoNewPrivs"]) == int(first["Seccomp"]) == 0
