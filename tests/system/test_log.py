"""Where log entries go: a file that is rotated, syslog, standard error."""
import os
import socket
import subprocess

import pytest

from smtp_peer import MUTE, Script
from test_runner import runner_pid
from world import BINARY, LOG

OLD = LOG + ".1"


@pytest.fixture
def syslog():
    """A socket that stands for syslogd; what came to it."""
    if os.path.lexists("/dev/log"):
        os.unlink("/dev/log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        server.setblocking(False)

        def entries():
            while True:
                try:
                    got.append(server.recv(65536).decode())
                except BlockingIOError:
                    return got
        got = []
        yield entries
    os.unlink("/dev/log")


def rotate(how):
    """As logrotate does; the file that has the entries until now."""
    st = os.stat(LOG)
    if how == "copytruncate":
        subprocess.run(["cp", LOG, OLD], check=True)
        os.truncate(LOG, 0)
        return
    os.rename(LOG, OLD)
    if how == "create":
        with open(LOG, "x"):
            os.chown(LOG, st.st_uid, st.st_gid)
            os.chmod(LOG, 0o640)


def read(path):
    with open(path) as f:
        return f.read()


@pytest.mark.parametrize("how", ("create", "copytruncate"))
def test_runner_writes_to_the_new_file(world, how):
    """It lives on, with mail that is deferred."""
    world.leaves("queue")
    world.write_conf({"SMARTHOST": "127.0.0.1:1"})
    world.send("ann@far.test")
    world.wait_tried("status=deferred")
    runner = runner_pid(world)
    rotate(how)
    before = read(OLD)
    world.send("bob")
    world.wait_until(lambda: "to=<bob>" in read(LOG))
    assert "status=sent" in read(LOG)
    assert read(OLD) == before
    assert runner_pid(world) == runner
    os.unlink(OLD)


def test_file_that_is_moved_away_and_not_made_again(world):
    """Nobody else is left to hear it, and no mail is held up."""
    world.leaves("queue")
    world.write_conf({"SMARTHOST": "127.0.0.1:1"})
    world.send("ann@far.test")
    world.wait_tried("status=deferred")
    rotate("away")
    world.send("bob")
    world.wait_mail("bob")
    world.wait_until(lambda: "to=<bob>" in read(OLD))
    os.rename(OLD, LOG)


@pytest.mark.parametrize("path", ("/nonexistent/dma.log", "/etc", LOG + "x"))
def test_file_that_cannot_be_written(world, syslog, path):
    """Mail is delivered, and syslog has the reason and the entries."""
    world.leaves("queue")
    with open(LOG + "x", "w"):
        os.chmod(LOG + "x", 0o600)          # root's
    world.write_conf({"LOG": "file " + path, "SMARTHOST": "127.0.0.1:1"})
    world.send("bob", "ann@far.test")
    world.wait_mail("bob")
    world.wait_until(lambda: "status=sent" in "".join(syslog()))
    assert any("cannot write to the log file %s: " % path in line
               for line in syslog())
    world.wait_until(lambda: "status=deferred" in "".join(syslog()))
    if path != "/etc":
        # Once it can be, the same runner does.
        os.makedirs(os.path.dirname(path), exist_ok=True)
        subprocess.run(["install", "-o", "_dma", "-m", "640", "/dev/null",
                        path + ".new"], check=True)
        os.rename(path + ".new", path)
        if os.path.dirname(path) == os.path.dirname(LOG):
            world.send("carol")
            world.wait_until(lambda: "to=<carol>" in read(path))
        os.unlink(path)
    if os.path.exists(LOG + "x"):
        os.unlink(LOG + "x")


def test_runner_of_init_logs_to_standard_error(world, tmp_path):
    world.write_conf({"LOG": "stderr"})
    done = world.run(["sendmail", "-odq", "bob"], input=b"x\n", user="alice")
    assert (done.returncode, done.stderr) == (0, b"")
    with open(tmp_path / "err", "wb") as err:
        subprocess.run([BINARY, "--runner"], stderr=err, check=True,
                       stdin=subprocess.DEVNULL, start_new_session=True,
                       timeout=60)
    lines = (tmp_path / "err").read_text().splitlines()
    assert len(lines) == 2 and all(x.startswith("dma: id=") for x in lines)
    assert "status=queued" in lines[0] and "status=sent" in lines[1]


def test_dma_remote_has_no_log(world, peer, tmp_path):
    """Nor what init gave the runner for it."""
    p = world.smarthost(peer(Script(hook=lambda *_: MUTE)), LOG="stderr")
    world.leaves("queue")
    world.send("-odq", "ann@far.test")
    with open(tmp_path / "err", "wb") as err:
        with subprocess.Popen([BINARY, "--runner"], stderr=err,
                              stdin=subprocess.DEVNULL,
                              start_new_session=True) as runner:
            world.wait_until(lambda: p.connections)
            assert os.readlink("/proc/%d/fd/2" % runner.pid) == err.name
            remote, = [pid for pid in world.processes() if os.readlink(
                "/proc/%d/exe" % pid).endswith("/dma-remote")]
            links = ["/proc/%d/fd/%s" % (remote, fd)
                     for fd in os.listdir("/proc/%d/fd" % remote)]
            assert err.name not in [os.readlink(x) for x in links]
            runner.terminate()
            p.close()
