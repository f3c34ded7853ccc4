"""Sockets that systemd passes, addresses, and the command line."""
import os
import shutil
import socket
import subprocess

import pytest

import intake
from client import Client, Closed


def passed(*sockets):
    """Arguments for Popen that pass sockets as systemd does; the program is
    to be run through the shell, which knows its own pid."""
    def place():
        for i, s in enumerate(sockets):
            os.dup2(s.fileno(), 100 + i)
        for i in range(len(sockets)):
            os.dup2(100 + i, 3 + i)
            os.close(100 + i)
    return {"preexec_fn": place, "close_fds": False}


WRAP = ("/bin/sh", "-c", 'export LISTEN_FDS=%d LISTEN_PID=$$; exec "$@"',
        "sh")


@pytest.fixture
def activated(smtpd):
    def make(n=1, **keys):
        listeners = []
        for _ in range(n):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", next(intake.ports)))
            s.listen(50)
            listeners.append(s)
        one = smtpd(listen=False, start=False, more=passed(*listeners),
                    wrap=(WRAP[0], WRAP[1], WRAP[2] % n, WRAP[3]), **keys)
        one._is_wrapped = False
        one.port = listeners[0].getsockname()[1]
        return one, listeners
    return make


def test_sockets_that_are_passed(activated):
    s, listeners = activated(3)
    s.start()
    for listener in listeners:
        with Client(listener.getsockname()[1]) as c:
            c.ehlo()
            c.message()
            c.quit()
    assert len(s.tree.files()) == 3
    # None of its own is bound, in spite of the default of LISTEN.
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", 25), 5)
    for pid in s.children():
        with open("/proc/%d/environ" % pid, "rb") as f:
            assert f is not None


def test_connections_wait_while_it_is_restarted(activated):
    """At the end they are not refused: the next one serves them."""
    s, listeners = activated()
    s.start()
    s.send()
    s.stop()
    waiting = Client(s.port, banner=False)
    s.start()
    waiting.banner = waiting.reply()
    waiting.ehlo()
    waiting.message()
    waiting.quit()
    assert len(s.tree.files()) == 2


def test_sockets_for_somebody_else_are_not_taken(smtpd):
    s = smtpd(start=False, more={"env": {
        "LISTEN_FDS": "1", "LISTEN_PID": "1", "PATH": "/usr/bin"}})
    s.start()
    s.send()


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"),
                    reason="no systemd-socket-activate")
def test_systemd_socket_activate(smtpd):
    s = smtpd(listen=False, start=False)
    s._argv = ["systemd-socket-activate", "-l", "127.0.0.1:%d" % s.port,
               *s._argv]
    s.start(wait=False)
    s.wait_until(s.is_listening, "a listener")
    with s.client() as c:       # the first connection starts it
        c.ehlo()
        c.message()
        c.quit()
    s.only()


@pytest.mark.parametrize("where, family, address", [
    ("127.0.0.5:%d", socket.AF_INET, "127.0.0.5"),
    ("[::1]:%d", socket.AF_INET6, "::1"),
    ("0.0.0.0:%d", socket.AF_INET, "127.0.0.7"),
    ("[::]:%d", socket.AF_INET6, "::1")])
def test_addresses(smtpd, where, family, address):
    s = smtpd(listen=False, start=False)
    s._argv += ["-l", where % s.port]
    s.start()
    with s.client(host=address) as c:
        c.ehlo()
        c.message()
        c.quit()
    client = "IPv6:::1" if ":" in address else "127.0.0.1"
    assert "[%s]" % client in s.only().received


def test_several_addresses(smtpd):
    s = smtpd(listen=False, start=False)
    more = next(intake.ports)
    s._argv += ["-l", "127.0.0.1:%d" % s.port, "-l", "[::1]:%d" % s.port,
                "-l", "127.0.0.1:%d" % more]
    s.start()
    for host, port in (("127.0.0.1", s.port), ("::1", s.port),
                       ("127.0.0.1", more)):
        with Client(port, host=host) as c:
            c.ehlo()
            c.message()
            c.quit()
    assert len(s.tree.files()) == 3


def test_the_default_is_loopback_and_port_25(smtpd):
    s = smtpd("", listen=False, start=False)
    s.port = 25
    s.start()
    for host in ("127.0.0.1", "::1"):
        with s.client(host=host) as c:
            c.ehlo()
            c.message()
            c.quit()
    with open("/proc/net/tcp") as f:
        assert " 00000000:0019 " not in f.read()


def test_an_address_that_is_taken(smtpd):
    s = smtpd()
    other = smtpd(start=False, listen=["127.0.0.1:%d" % s.port])
    other.start(wait=False)
    other.process.wait(30)
    assert other.process.returncode not in (0, 78)
    assert "127.0.0.1:%d" % s.port in other.log()
    assert "in use" in other.log()
    s.send()


def test_the_command_line(smtpd):
    def run(*args):
        done = subprocess.run([intake.PROGRAM, *args], capture_output=True,
                              timeout=30, stdin=subprocess.DEVNULL)
        return done.returncode, done.stderr.decode()
    for args in (["-x"], ["-f", "more"], ["-l"], ["-d"]):
        status, said = run(*args)
        assert status == 64 and "usage" in said.lower(), args
    for where in ("nonsense:1", "127.0.0.1:0", "127.0.0.1:65536",
                  "[::1:25", "localhost:25"):
        # Before anything else is looked at, and each of them is named.
        status, said = run("-t", "-c", "/no/such/file", "-l", where,
                           "-l", "127.0.0.1:99999")
        assert status == 64 and said.count("\n") == 2, said
        assert "-l must be an IP address with an optional port, such as " \
            "127.0.0.1:2525 or [::1]:2525, but is \"%s\"" % where in said
    for argv in ["-l", "127.0.0.1", "-l", "127.0.0.1:25"], ["-d", "/a/../b"], \
            ["-d", ""]:
        status, said = run("-t", *argv)
        assert status == 64 and " must be an" in said, said
    status, said = run("-t", "-d", "no/such/directory")
    assert status == 78 and "-d no/such/directory: No such file" in said
    status, said = run("-f", "-d", "/no/such/directory", "-l",
                       "127.0.0.1:%d" % next(intake.ports))
    assert status in (66, 71, 73, 78) and "/no/such/directory" in said
    status, said = run("-t", "-c", "/no/such/file")
    assert status == 78 and "/no/such/file" in said


def test_in_the_background(smtpd):
    """Without -f it detaches once it listens, and SIGTERM ends it."""
    s = smtpd(start=False, LOG="syslog")
    argv = [x for x in s._argv if x != "-f"]
    done = subprocess.run(argv, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    s.process = subprocess.Popen(["true"])
    s.process.wait()
    assert s.is_listening()
    s.send()
    s.only()
    heads = [p for p in intake.our_processes(s.root)
             if intake.parent_of(p) == 1]
    assert len(heads) == 1
    os.kill(heads[0], 15)
    intake.wait_until(lambda: not intake.our_processes(s.root), "its end")


def test_a_client_during_the_end_of_listening(smtpd):
    s = smtpd()
    s.stop()
    with pytest.raises((OSError, Closed)):
        s.client()
