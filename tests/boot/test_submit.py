"""Services of users that can not become root by set-uid mail through
dma-submit.socket; so does a whole host without a set-uid bit."""
import os
import subprocess
import time

import pytest

from world import BINARY, SENDMAIL

CONFINED = {
    "NoNewPrivileges": {"NoNewPrivileges": "yes"},
    "DynamicUser": {"DynamicUser": "yes"},
    "MemoryDenyWriteExecute": {"MemoryDenyWriteExecute": "yes",
                               "NoNewPrivileges": "yes"},
    "RestrictAddressFamilies": {"RestrictAddressFamilies": "AF_UNIX",
                                "NoNewPrivileges": "yes"},
    "RestrictSUIDSGID": {"RestrictSUIDSGID": "yes"},
    "SystemCallFilter": {"SystemCallFilter": "@system-service"},
    "PrivateUsers": {"PrivateUsers": "yes"},
    "PrivateNetwork": {"PrivateNetwork": "yes", "NoNewPrivileges": "yes"},
    "everything": {
        "NoNewPrivileges": "yes", "ProtectSystem": "strict",
        "ProtectHome": "tmpfs", "PrivateTmp": "yes", "PrivateIPC": "yes",
        "PrivateNetwork": "yes", "PrivateDevices": "yes",
        "ProtectProc": "invisible", "ProcSubset": "pid",
        "ProtectClock": "yes", "ProtectHostname": "yes",
        "ProtectKernelTunables": "yes", "ProtectControlGroups": "yes",
        "RestrictNamespaces": "yes", "RestrictRealtime": "yes",
        "RestrictSUIDSGID": "yes", "LockPersonality": "yes",
        "MemoryDenyWriteExecute": "yes", "CapabilityBoundingSet": "",
        "RestrictAddressFamilies": "AF_UNIX",
        "SystemCallFilter": "@system-service",
        "SystemCallArchitectures": "native", "LimitFSIZE": "0",
        "InaccessiblePaths": "/var/spool/dma"},
}


@pytest.mark.parametrize("case", CONFINED)
def test_y7_a_confined_service_mails(world, case):
    user = None if case == "DynamicUser" else "alice"
    world.forward("bob", "\\bob\n|cat > /home/bob/filtered\n")
    done = world.unit("confined.service", SENDMAIL, "bob", user=user,
                      **CONFINED[case])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    message, = world.wait_mail("bob")
    sender = "confined" if user is None else user
    assert message["Return-Path"] == "<%s@host.test>" % sender
    world.wait_until(lambda: b"hello" in world.read_home("bob", "filtered"))
    assert world.runner() != 0


def test_y7_mailq_flush_and_newaliases_of_a_confined_service(world):
    world.send("-odq", "bob", user="carol")
    world.write_aliases("root: alice\n:::\n")
    for argv, status, words in (
            ([SENDMAIL, "-odq", "bob"], 0, b""),
            (["mailq"], 0, b"alice@host.test"),
            (["newaliases"], 65, b"1 alias,"),
            ([SENDMAIL, "-v", "bob"], 0, b""),
            ([SENDMAIL, "-Z"], 64, b"unknown option"),
            ([SENDMAIL, "-q"], 0, b"")):
        done = world.unit("confined.service", *argv, user="alice",
                          **CONFINED["everything"])
        assert done.returncode == status, (argv, done)
        assert words in done.stdout + done.stderr
        assert b"carol" not in done.stdout
    world.wait_mail("bob", 3)


def test_y7_lines_of_a_submission_are_logged(world):
    done = world.unit("confined.service", SENDMAIL, "nobody-here",
                      user="alice", NoNewPrivileges="yes")
    assert done.returncode == 67
    world.wait_until(lambda: world.log_lines("status=refused", "exit=67"))


def calls():
    """The acceptor and what it has started."""
    group = "/sys/fs/cgroup/system.slice/dma-submit.service/cgroup.procs"
    with open(group) as f:
        return f.read().split()


def test_y7_only_the_acceptor_stays(world):
    for args in (["bob"], ["nobody-here"], ["-Z"]):
        world.unit("confined.service", SENDMAIL, *args, user="alice",
                   NoNewPrivileges="yes")
    world.wait_mail("bob")
    world.wait_until(
        lambda: calls() == [world.show("dma-submit.service", "MainPID")])


def test_y7_a_killed_acceptor_is_started_again(world):
    for i in range(3):
        done = world.unit("confined.service", SENDMAIL, "bob", user="alice",
                          NoNewPrivileges="yes")
        assert (done.returncode, done.stderr) == (0, b"")
        os.kill(int(world.show("dma-submit.service", "MainPID")), 9)
    world.wait_mail("bob", 3)


def test_y7_a_call_goes_on_while_the_acceptor_is_restarted(world):
    p = world.start(["setpriv", "--no-new-privs", SENDMAIL, "bob"],
                    user="alice", stdin=subprocess.PIPE)
    world.wait_until(lambda: world.show(
        "dma-submit.service", "ActiveState") == "active" and
        len(calls()) == 2)
    world.systemctl("restart", "dma-submit.service")
    p.stdin.write(b"Subject: s\n\nx\n")
    p.stdin.close()
    assert p.wait(20) == 0
    world.wait_mail("bob")


def test_y7_calls_wait_while_the_program_is_away(world):
    """An update takes a moment; the client of a container is not part of
    it."""
    world.run(["cp", BINARY, "/run/sendmail"])
    os.rename(BINARY, BINARY + ".away")
    try:
        p = world.start(["setpriv", "--no-new-privs", "/run/sendmail", "bob"],
                        user="alice", stdin=subprocess.PIPE)
        p.stdin.write(b"Subject: s\n\nx\n")
        p.stdin.close()
        time.sleep(5)
        assert p.poll() is None
    finally:
        os.rename(BINARY + ".away", BINARY)
    assert p.wait(30) == 0
    world.wait_mail("bob")


def test_y7_a_burst_of_calls_does_not_close_the_socket(world):
    calls = [subprocess.Popen(
        ["setpriv", "--no-new-privs", SENDMAIL, "bob"],
        stdin=subprocess.PIPE, **world.identity("alice"))
        for _ in range(250)]
    for p in calls:
        p.stdin.write(b"Subject: s\n\nx\n")
        p.stdin.close()
    assert [p.wait(120) for p in calls] == [0] * len(calls)
    assert len(world.wait_mail("bob", len(calls), limit=60)) == len(calls)


@pytest.fixture
def no_setuid(world):
    """A host without a set-uid bit on dma."""
    os.chmod(BINARY, 0o755)
    yield
    os.chmod(BINARY, 0o4755)


def test_y7_a_host_without_a_set_uid_bit_delivers(world, no_setuid):
    """Local mail, .forward and its commands, aliases, cron's mail, mailq,
    and a new runner after it was killed."""
    world.write_aliases("team: bob, carol\n")
    world.forward("bob", "\\bob\n|cat > /home/bob/filtered\n")
    world.send("team")
    world.wait_mail("bob")
    world.wait_mail("carol")
    world.wait_until(lambda: b"hello" in world.read_home("bob", "filtered"))
    os.kill(world.wait_runner(), 9)
    world.send("carol")
    world.wait_mail("carol", 2)
    assert "empty" in world.mailq("alice")
    assert world.run([SENDMAIL, "-q"], user="alice").returncode == 0
    world.run(["newaliases"], user="alice")


def test_y7_cron_mails_on_a_host_without_a_set_uid_bit(world, no_setuid):
    assert b"from cron" in world.cron("alice echo from cron").body


FLOOD = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
held = []
print("begun", flush=True)
while True:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        s.connect("/run/dma/submit")
    except OSError:
        pass
    held.append(s)
    if len(held) == 1000:
        for s in held:
            s.close()
        held.clear()
"""


def test_y7_a_user_who_connects_all_the_time_keeps_out_nobody(world):
    """Four processes; each holds up to 1000 connections and says nothing."""
    floods = [world.start(["python3", "-c", FLOOD], user="alice",
                          stdout=subprocess.PIPE) for _ in range(4)]
    try:
        for p in floods:
            assert p.stdout.readline() == b"begun\n"
        for i in range(5):
            done = world.unit("confined%d.service" % i, SENDMAIL, "bob",
                              user="carol", NoNewPrivileges="yes")
            assert (done.returncode, done.stderr) == (0, b"")
    finally:
        for p in floods:
            p.kill()
            p.wait()
            p.stdout.close()
    world.wait_mail("bob", 5, limit=60)
    assert world.systemctl("is-active", "dma-submit.socket").returncode == 0
