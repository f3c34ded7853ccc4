"""The runner as a service: init starts it, whoever mails first."""
import os
import shutil
import signal
import socket
import time

import pytest

from booted import UNITS
from smtp_peer import Script

BINARY = "/usr/sbin/dma"
SENDMAIL = "/usr/sbin/sendmail"


def deferring(world, peer):
    """A runner that sleeps on a deferred message."""
    world.defer(peer)
    return world.wait_runner()


def test_the_units_are_in_order(world):
    done = world.run(["systemd-analyze", "verify", "--man=no", *UNITS])
    assert done.returncode == 0 and done.stderr == b"", done.stderr


def test_y1_a_oneshot_service_mails_and_ends(world):
    done = world.unit("mailer", SENDMAIL, "bob", user="alice", Type="oneshot")
    assert done.returncode == 0, done.stderr
    world.wait_mail("bob")
    # By init, not by the service: nothing of it is left.
    assert world.show("mailer.service", "ActiveState") == "inactive"
    assert world.wait_runner()


def test_y1_many_services_one_after_the_other(world):
    for i in range(20):
        done = world.unit("mailer%d" % i, SENDMAIL, "bob", Type="oneshot")
        assert done.returncode == 0, done.stderr
    world.wait_mail("bob", 20)


def test_y1_services_while_runners_leave(world):
    """No wake-up is lost between a commit and a runner that leaves."""
    for i in range(40):
        world.send("bob")
        world.wait_mail("bob", i + 1)
        # Ends as a runner does that leaves, here as early as it can.
        os.kill(world.wait_runner(), signal.SIGTERM)
        time.sleep(i / 2000)


def test_y8_log_lines_lie_under_the_runners_unit(world):
    done = world.unit("mailer", SENDMAIL, "bob", user="alice")
    assert done.returncode == 0, done.stderr
    world.wait_mail("bob")
    world.wait_until(lambda: world.units_of("to=<bob>", "status=sent"))
    assert set(world.units_of("status=")) == {"dma.service"}
    assert world.journal(SYSLOG_IDENTIFIER="dma",
                         _SYSTEMD_UNIT="mailer.service") == []


def test_y8_a_refusal_lies_under_the_callers_unit(world):
    done = world.unit("mailer", "/bin/sh", "-c",
                      "exec 3>&1; for i in 1 2 3 4 5 6 7 8 9; do %s -L dma"
                      " nobody-here; done; sleep 1" % SENDMAIL)
    assert done.returncode == 0, done.stderr
    world.wait_until(lambda: "mailer.service" in
                     world.units_of("status=refused"))
    # None: it had ended before the journal looked at it.
    assert set(world.units_of("status=refused")) <= {"mailer.service", None}


def test_y2_a_killed_runner_is_started_again(world, peer):
    before = deferring(world, peer)
    os.kill(before, signal.SIGKILL)
    world.wait_runner(before, 5)
    world.send("bob")
    world.wait_mail("bob")


def test_y2_any_signal_that_ends_it_is_no_end_of_deliveries(world, peer):
    before = deferring(world, peer)
    for sig in (signal.SIGSEGV, signal.SIGTERM, signal.SIGHUP, signal.SIGINT,
                signal.SIGPIPE):
        os.kill(before, sig)
        if sig != signal.SIGPIPE:       # which it ignores
            before = world.wait_runner(before)


def test_y2_the_helpers_of_a_runner_are_killed(world, peer):
    before = deferring(world, peer)
    world.run(["pkill", "-KILL", "-u", "root", "-P", str(before)])
    world.send("bob")
    world.wait_mail("bob")
    assert world.wait_runner(before)


def test_y2_a_runner_that_keeps_dying_is_started_ever_later(world, peer):
    before = deferring(world, peer)
    waits = []
    for _ in range(3):
        began = time.monotonic()
        os.kill(before, signal.SIGKILL)
        before = world.wait_runner(before, 30)
        waits.append(time.monotonic() - began)
    assert waits == sorted(waits) and waits[2] > waits[0] + 1, waits
    assert world.failed() == []
    world.send("bob")
    world.wait_mail("bob")


def test_y2_the_cgroup_of_a_users_service_is_killed(world, peer):
    p = peer(Script(rcpt_reply="450 4.2.1 later"))
    world.smarthost(p)
    world.leaves("queue")
    cgroup = world.user_unit("alice", "mailer",
                             SENDMAIL + " ann@far.test; exec sleep 1000",
                             wait=False)
    world.wait_tried("ann@far.test")
    runner = world.wait_runner()
    with open(cgroup + "/cgroup.kill", "w") as f:
        f.write("1")
    world.wait_until(lambda: not os.path.exists(cgroup))
    assert world.runner() == runner
    p.scripts[:] = [Script()]
    world.flush()
    world.wait_quiet()


def test_y2_a_logout_ends_what_the_user_has_started(world, peer):
    p = peer(Script(rcpt_reply="450 4.2.1 later"))
    world.smarthost(p)
    world.leaves("queue")
    os.makedirs("/etc/systemd/logind.conf.d", exist_ok=True)
    with open("/etc/systemd/logind.conf.d/kill.conf", "w") as f:
        f.write("[Login]\nKillUserProcesses=yes\n")
    world.systemctl("restart", "systemd-logind")
    world.session("alice", SENDMAIL + " ann@far.test </dev/null;"
                  "exec setsid sleep 1000 >/dev/null 2>&1 &")
    world.wait_tried("ann@far.test")
    runner = world.wait_runner()
    world.wait_until(lambda: world.run(["pgrep", "-u", "alice", "sleep"])
                     .returncode == 1)
    assert world.runner() == runner


def test_t1_a_user_freezes_the_cgroup_of_the_caller(world):
    world.forward("bob", "\"|cat >frozen-bob\"\n")
    cgroup = world.user_unit("alice", "mailer", SENDMAIL +
                             " bob; cd /sys/fs/cgroup; cd .$(sed -n s/^0:://p"
                             " /proc/self/cgroup); echo 1 >cgroup.freeze",
                             wait=False)
    world.wait_until(lambda: world.read_home("bob", "frozen-bob"))
    world.wait_until(lambda: open(cgroup + "/cgroup.freeze").read() == "1\n")
    world.send("carol")
    world.wait_mail("carol")
    world.flush()
    with open(cgroup + "/cgroup.kill", "w") as f:
        f.write("1")


def ask_init():
    """As a submission does that finds no runner."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("/run/dma/start")


@pytest.mark.parametrize("status", [None, 71, 78])
def test_y3_the_program_is_away_or_fails_for_a_while(world, status):
    world.send("-odq", "bob")
    shutil.copy2(BINARY, BINARY + ".new")
    os.chmod(BINARY + ".new", 0o4755)
    os.unlink(BINARY)
    if status is not None:
        with open(BINARY, "w") as f:
            f.write("#!/bin/sh\necho run >>/root/runs\nexit %d\n" % status)
        os.chmod(BINARY, 0o755)
    ask_init()
    time.sleep(2)
    assert world.failed() == []
    # Not in a loop: each failure makes the next one later.
    assert int(world.show("dma.service", "NRestarts")) <= 4
    os.rename(BINARY + ".new", BINARY)
    world.wait_mail("bob", limit=20)
    world.wait_until(lambda: world.show("dma.socket", "ActiveState") ==
                     "active")


def test_y8_mail_of_cron(world):
    message = world.cron("alice echo hello from cron")
    assert b"hello from cron" in message.body
    assert set(world.units_of("status=sent")) == {"dma.service"}


HARDENED = {
    "network": dict(PrivateNetwork="yes"),
    "home": dict(ProtectHome="tmpfs"),
    "no home": dict(ProtectHome="yes"),
    "tmp": dict(PrivateTmp="yes"),
    "devices": dict(PrivateDevices="yes"),
    "names": dict(PrivateIPC="yes", ProtectHostname="yes"),
    "process": dict(Personality="x86", TimerSlackNSec="5s", UMask="0777",
                    CPUSchedulingPolicy="idle", OOMScoreAdjust="900",
                    LimitNOFILE="1024", Nice="19", IgnoreSIGPIPE="yes",
                    Environment="TZ=Foo-13:37"),
    "system": dict(ProtectSystem="full", ProtectKernelTunables="yes",
                   ProtectKernelModules="yes", ProtectControlGroups="yes"),
    "privileges": dict(NoNewPrivileges="yes", MemoryDenyWriteExecute="yes",
                       SystemCallFilter="@system-service"),
}


@pytest.mark.parametrize("kind", HARDENED)
def test_c1_c2_y9_a_confined_service_sends_first(world, peer, kind):
    """What confines the first sender confines nobody else."""
    p = peer(Script())
    world.smarthost(p)
    world.forward("bob", "\"|sh -c 'cat >text; readlink /proc/self/ns/* >ns;"
                  "umask >mask; nice >nice; uname -m >machine; ls /tmp >tmp;"
                  "cat /proc/$$/oom_score_adj >oom;"
                  "grep -e ^NoNewPrivs: -e ^Seccomp: /proc/self/status >bound"
                  "'\"\n")
    open("/tmp/of-the-host", "w").close()
    # Of root: these options set no_new_privs for services of other users.
    done = world.unit("mailer", SENDMAIL, "bob", "ann@far.test",
                      Type="oneshot", **HARDENED[kind])
    assert done.returncode == 0, done.stderr
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]
    spaces = sorted(os.readlink("/proc/1/ns/" + name)
                    for name in os.listdir("/proc/1/ns"))
    assert sorted(world.read_home("bob", "ns").decode().split()) == spaces
    assert world.read_home("bob", "bound") == b"NoNewPrivs:\t0\nSeccomp:\t0\n"
    assert world.read_home("bob", "mask") == b"0077\n"
    assert world.read_home("bob", "nice") == b"0\n"
    assert world.read_home("bob", "oom") == b"0\n"
    assert world.read_home("bob", "machine").strip() == \
        os.uname().machine.encode()
    assert b"of-the-host\n" in world.read_home("bob", "tmp")


def test_an_update_reaches_a_runner_of_init(world, peer):
    before = deferring(world, peer)
    shutil.copy2(BINARY, BINARY + ".new")
    os.chmod(BINARY + ".new", 0o4755)
    os.rename(BINARY + ".new", BINARY)
    world.flush()
    world.wait_runner(before)
    assert not os.path.exists("/proc/%d" % before)
    assert world.show("dma.service", "NRestarts") == "0"
    world.send("bob")
    world.wait_mail("bob")


def test_a_stop_cuts_no_delivery_off(world, peer):
    p = peer(Script(final_delay=2))
    world.smarthost(p)
    world.leaves("queue")
    world.forward("bob", "\"|sh -c 'cat >in; sleep 2; echo >>done'\"\n")
    world.send("bob")
    world.send("ann@far.test")
    world.wait_until(lambda: world.read_home("bob", "in") and p.connections and
                     "DATA" in p.connections[0].verbs)
    stop = world.start(["systemctl", "stop", "dma.service"])
    world.wait_until(lambda: world.show("dma.service", "ActiveState") ==
                     "deactivating")
    world.send("-odq", "carol")
    assert stop.wait(15) == 0
    assert world.read_home("bob", "done") == b"\n"
    assert len(world.log_lines("status=sent")) == 2
    assert len(world.queue()) == 1      # carol's
    assert not world.runner()
    world.systemctl("start", "dma.service")
    world.wait_mail("carol")
    assert world.read_home("bob", "done") == b"\n" and len(p.taken) == 1


def test_a_stop_does_not_wait_for_ever(world):
    world.forward("bob", "\"|sh -c 'cat >in; sleep 14; echo >>done'\"\n")
    world.leaves("queue")
    world.send("bob")
    world.wait_until(lambda: world.read_home("bob", "in"))
    world.systemctl("stop", "dma.service")
    assert world.read_home("bob", "done") == b""
    # The command goes on all the same.
    world.wait_until(lambda: world.read_home("bob", "done"))


def test_what_a_command_leaves_in_the_background_goes_on(world):
    world.forward("bob", "\"|sh -c 'cat >in; (sleep 2; echo >done) &'\"\n")
    world.send("bob")
    world.wait_quiet()
    world.systemctl("stop", "dma.service")
    assert world.read_home("bob", "done") == b""
    world.wait_until(lambda: world.read_home("bob", "done"))


def test_set_uid_programs_of_commands_work(world):
    shutil.copy("/usr/bin/id", "/usr/local/bin/id-of-carol")
    carol = world.add_user("carol")
    os.chown("/usr/local/bin/id-of-carol", carol.pw_uid, carol.pw_gid)
    os.chmod("/usr/local/bin/id-of-carol", 0o4755)
    world.forward("bob", "\"|/usr/local/bin/id-of-carol -u >uid; cat >in\"\n")
    world.send("bob")
    world.wait_quiet()
    assert world.read_home("bob", "uid") == b"%d\n" % carol.pw_uid
