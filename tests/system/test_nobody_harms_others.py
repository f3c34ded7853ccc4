"""What one user, host or broken file does costs nobody else their mail."""
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time

import pytest

from dns_peer import A, NameServer
from queue_files import sign
from smtp_peer import Peer, Script
from world import MAIL, SENDMAIL, SPOOL


def test_stopped_flush_stops_nobody(world):
    """A caller stops their own dma -q at its worst moments."""
    alice = pwd.getpwnam("alice").pw_uid
    stopped = []
    try:
        for i in range(30):
            p = world.start([SENDMAIL, "-q"], user="alice",
                            stdin=subprocess.DEVNULL)
            stopped.append(p)
            time.sleep(0.0004 * i)
            os.setresuid(alice, alice, 0)   # as who may stop their own only
            try:
                os.kill(p.pid, signal.SIGSTOP)
            except (ProcessLookupError, PermissionError):
                pass
            finally:
                os.setresuid(0, 0, 0)
        world.send("bob", user="carol")
        world.wait_mail("bob")
    finally:
        for p in stopped:
            p.kill()
            p.wait()
    world.wait_quiet()


def test_killed_caller_leaves_no_reader_of_its_input(world):
    read, write = os.pipe()
    p = world.start([SENDMAIL, "bob"], user="alice", stdin=read)
    os.close(read)
    world.wait_until(world.processes)
    p.kill()
    p.wait()
    world.wait_until(lambda: not world.processes())
    os.close(write)
    world.wait_quiet()
    assert world.mailbox("bob") == []


def test_input_that_does_not_block_is_waited_for(world):
    read, write = os.pipe()
    os.set_blocking(read, False)
    p = world.start([SENDMAIL, "bob"], user="alice", stdin=read)
    os.close(read)
    time.sleep(0.2)
    os.write(write, b"Subject: late\n\nhello\n")
    time.sleep(0.2)
    os.write(write, b"again\n")
    os.close(write)
    assert p.wait(30) == 0
    assert world.wait_mail("bob")[0].body == b"hello\nagain\n"


def test_bad_address_in_a_list_loses_no_mail(world):
    world.write_aliases("half: bad@, bob\nnone: foo@-bad\n")
    assert world.run(["newaliases"]).returncode == 65
    world.send("half", "bob")           # who half is cannot be told now
    world.wait_mail("bob")
    world.wait_tried("half")
    world.forward("carol", "me@\n")
    world.send("carol")
    world.wait_mail("carol")            # such a file is refused
    assert world.log_lines("carol", ".forward")
    world.leaves("queue")


def test_one_slow_command_does_not_hold_other_mail(world):
    """More messages wait for it than the runner takes in hand."""
    world.forward("bob", "|/bin/sleep 600\n")
    for _ in range(210):
        world.send("-odq", "bob")
    world.send("bob")
    world.send("carol")
    world.wait_mail("carol")
    world.reset()


def test_spellings_of_a_name_are_one_user(world, mallory):
    """More questions about a home that hangs than are under way at once."""
    world.leaves("queue")
    uid = str(pwd.getpwnam("mallory").pw_uid)
    world.write_aliases("all: %s\n" % ", ".join(mallory))
    world.send("all")
    world.send("bob")
    world.wait_mail("bob")
    assert len([pid for pid in world.processes()
                if uid in world.status_of(pid, "Uid")]) == 1


def test_spellings_are_asked_about_one_after_the_other(world):
    world.run(["useradd", "--badname", "-M", "-U", "-d", "/home/Bob", "Bob"])
    world.add_user("Bob")               # another one
    try:
        world.forward("Bob", "carol\n")
        world.write_aliases("all: bob, Bob, bOb, boB\n")
        for _ in range(5):
            world.send("all")
        world.wait_mail("bob", 15)
        world.wait_mail("carol", 5)
        assert not world.log_lines("deferred")
        world.wait_quiet()
    finally:
        world.remove_user("Bob")


PIDFD_GETFD = 438


def sockets_of(pid):
    """Copies of them; they share what is set."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    for name in os.listdir("/proc/%d/fd" % pid):
        if os.readlink("/proc/%d/fd/%s" % (pid, name)).startswith("socket:"):
            fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
            assert fd != -1, os.strerror(ctypes.get_errno())
            with socket.socket(fileno=fd) as sock:
                yield sock
    os.close(pidfd)


def test_full_forward_helper_does_not_stop_the_runner(world, peer):
    p = world.defer(peer, "later@far.test")
    runner, = {int(world.status_of(pid, "PPid")[0])
               for pid in world.processes()
               if world.status_of(pid, "Uid")[0] == "0"}
    helper = min(pid for pid in world.processes()
                 if world.status_of(pid, "PPid")[0] == str(runner))
    for sock in sockets_of(runner):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    os.kill(helper, signal.SIGSTOP)
    try:
        world.send(*("nobody%d" % i for i in range(30)), "bob")
        world.send("ann@far.test")
        world.wait_until(lambda: [t.accepted for t in p.taken] == [
            ["ann@far.test"]])
    finally:
        os.kill(helper, signal.SIGCONT)
    world.wait_mail("bob")
    world.wait_mail("alice")            # what became of the others
    assert not world.log_lines("cannot be reached")


def test_unreadable_queue_file_is_tried_again(world):
    world.write_conf({"RETRY": "1s 1s 5d"})
    world.send("-odq", "bob")
    path = "%s/queue/%s" % (SPOOL, world.queue()[0])
    os.chmod(path, 0)
    world.send("carol")
    world.wait_mail("carol")
    os.chmod(path, 0o600)
    world.wait_mail("bob")
    world.wait_quiet()


def test_descriptor_limit_of_a_caller_is_not_the_runners(world, peer):
    p = peer(Script(rcpt_rules=((r"^later", "450 4.2.1 later"),)))
    world.smarthost(p)
    world.leaves("queue")
    done = world.run(["sh", "-c", "ulimit -n 64; exec sendmail later@far.test"],
                     user="alice", input=b"Subject: s\n\nx\n")
    if done.returncode != 0:        # no right to raise it here
        assert done.returncode == 71 and b"open files" in done.stderr
        return
    world.wait_tried("later@far.test")
    for pid in world.processes():
        with open("/proc/%d/limits" % pid) as f:
            line, = (x for x in f if x.startswith("Max open files"))
        assert int(line.split()[3]) >= 512


def test_overlong_bare_name_does_not_end_the_remote_branch(world, peer):
    p = peer(Script())
    world.smarthost(p, NULLCLIENT="", DEFER="")
    world.send("-f", "alice@host.test", "x" * 508)
    world.send("-f", "ann@far.test", "ben@far.test")
    world.smarthost(p, NULLCLIENT="")
    world.flush()
    world.wait_until(lambda: len(p.taken) == 2)
    assert not world.log_lines("invalid message")
    assert world.log_lines("5.1.3", "too long")
    world.wait_quiet()


def test_interrupted_append_is_not_doubled_by_a_locked_mailbox(world):
    """Killed after the append, then refused once, then let in."""
    box = MAIL + "/bob"
    world.write_conf({"RETRY": "1s 1s 5d"})
    world.send("carol")                 # so that there is an inode to name
    world.wait_mail("carol")
    world.wait_quiet()
    world.send("-odq", "bob")
    ident, = world.queue()
    path = "%s/queue/%s" % (SPOOL, ident)
    shutil.copy2(path, "/var/tmp/kept")
    world.flush()
    world.wait_mail("bob")
    world.wait_quiet()
    st, owner = os.stat(box), os.stat(SPOOL)
    shutil.copy2("/var/tmp/kept", path)     # as it was before the kill,
    with open(path, "ab") as f:             # but for what was announced
        f.write(sign(b"A\t0\t%d\t%d\t0\tbob" % (st.st_dev, st.st_ino)) +
                b"\n")
    os.chown(path, owner.st_uid, owner.st_gid)
    os.link(box, box + ".other")            # refused while it has two names
    world.run([SENDMAIL, "-q"])
    assert world.queue() == [ident]
    os.unlink(box + ".other")
    world.flush()
    world.wait_quiet()
    assert len(world.mailbox("bob")) == 1


def silent_hosts(domains):
    """One address that answers for all of them, and never to MAIL."""
    return NameServer({(d, A): ["127.0.0.11"] for d in domains})


def cpu_ticks(world):
    total = 0
    for pid in world.processes():
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total


@pytest.mark.seconds(6)
def test_mail_for_silent_hosts_waits_without_work(world):
    """More for two hosts than the runner takes in hand: parked, at rest."""
    world.leaves("queue")
    p = Peer(Script(mute_at="MAIL"), port=25, host="127.0.0.11")
    with silent_hosts(["a.test", "b.test"]):
        for i in range(110):
            world.send("-odq", "x%d@a.test" % i)
            world.send("-odq", "x%d@b.test" % i)
        world.run([SENDMAIL, "-qd"])
        world.wait_until(lambda: len(world.log_lines("queued")) >= 220)
        time.sleep(1)
        before = cpu_ticks(world)
        time.sleep(2)
        assert cpu_ticks(world) - before < 50       # of 200
        assert len(world.log_lines("status=queued")) == 220
        world.stop()
    p.close()


@pytest.mark.seconds(8)
def test_many_silent_hosts_do_not_hold_local_mail(world):
    world.leaves("queue")
    p = Peer(Script(mute_at="MAIL"), port=25, host="127.0.0.11")
    domains = ["d%d.test" % i for i in range(230)]
    with silent_hosts(domains):
        for d in domains:
            world.send("-odq", "x@" + d)
        world.run([SENDMAIL, "-qd"])
        world.wait_until(lambda: len(p.connections) >= 20)
        world.send("carol")
        world.wait_mail("carol")
        world.stop()
    p.close()


def test_local_retries_go_on_beside_what_is_held(world, peer):
    p = peer(Script())
    world.leaves("queue")
    world.smarthost(p, DEFER="", RETRY="1s 1s 5d")
    world.forward("bob", "|/bin/sh -c 'exit 75'\n")
    world.send("bob", "ann@far.test")
    world.wait_until(lambda: len(world.log_lines("status 75")) >= 3)
    assert not p.connections


def test_flush_during_an_attempt_tries_the_rest(world, peer):
    p = peer(Script())
    world.smarthost(p, DEFER="")
    world.forward("bob", "|/bin/sleep 2\n")
    world.send("bob", "ann@far.test")
    world.wait_until(lambda: any("sleep" in open("/proc/%s/comm" % pid).read()
                                 for pid in os.listdir("/proc")
                                 if pid.isdigit()))
    world.flush()
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]
