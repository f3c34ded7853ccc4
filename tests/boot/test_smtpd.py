"""dma-smtpd as a service of systemd's, and with a socket that systemd holds."""
import glob
import os
import pwd
import re
import smtplib
import socket
import threading
import time

import pytest

ROOT = "/var/spool/dma-smtpd"
CONF = "/etc/dma/dma-smtpd.conf"
STATUS = "/run/dma/smtpd.status"
SERVICE = "dma-smtpd.service"
SOCKET = "dma-smtpd.socket"
DRAIN = "dma-smtpd-drain.service"


class Load:
    """Clients that send until stop(); what was acknowledged, and what else
    happened to them."""

    def __init__(self, clients=6):
        self.acknowledged = []
        self.trouble = []
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(n,))
                        for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def _run(self, client):
        n = 0
        while not self.ending.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", 25, timeout=20) as smtp:
                    for _ in range(10):
                        ident = "%d-%d" % (client, n)
                        n += 1
                        smtp.sendmail("a@example.org", "b@example.com",
                                      "X-Ident: %s\r\n\r\ntext\r\n" % ident)
                        self.acknowledged.append(ident)
            except smtplib.SMTPResponseException as e:
                self.trouble.append(e.smtp_code)
            except OSError as e:
                self.trouble.append(type(e).__name__)

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()


def stored():
    found = []
    for path in glob.glob(ROOT + "/*/example.com/*.msg"):
        with open(path) as f:
            found.append(re.search(r"^X-Ident: (\S+)$", f.read(), re.M)[1])
    return sorted(found)


def wait_for_more(load):
    """Until messages are acknowledged that begin after this call."""
    seen = len(load.acknowledged) + 100
    limit = time.monotonic() + 60
    while len(load.acknowledged) < seen:
        assert time.monotonic() < limit, load.trouble
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def clean(world):
    assert os.path.exists(CONF)
    with open(CONF) as f:
        conf = f.read()
    yield
    world.systemctl("stop", SOCKET, SERVICE, DRAIN)
    world.systemctl("reset-failed")
    with open(CONF, "w") as f:
        f.write(conf)
    for name in os.listdir(ROOT):
        world.run(["rm", "-r", "%s/%s" % (ROOT, name)])


def test_the_service_reloads_without_a_connection_refused(world):
    done = world.systemctl("start", SERVICE)
    assert done.returncode == 0, done.stderr
    user = pwd.getpwnam("_dma-smtpd")
    pid = int(world.show(SERVICE, "MainPID"))
    with open("/proc/%d/status" % pid) as f:
        status = f.read()
    assert "\nUid:\t%s\n" % "\t".join([str(user.pw_uid)] * 4) in status
    assert re.search(r"\nCapPrm:\t0+\n", status)
    load = Load()
    for _ in range(2):
        wait_for_more(load)
        done = world.systemctl("reload", SERVICE)
        assert done.returncode == 0, done.stderr
    wait_for_more(load)
    load.stop()
    assert load.trouble == []
    assert stored() == sorted(load.acknowledged)
    info = os.stat(STATUS)
    assert (info.st_mode & 0o7777, info.st_uid, info.st_gid) == \
        (0o660, user.pw_uid, user.pw_gid)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(STATUS)
        assert s.recv(4096).startswith(b"accepted %d\n"
                                       % len(load.acknowledged))
    assert world.systemctl("stop", SERVICE).returncode == 0
    assert world.show(SERVICE, "Result") == "success"
    # The directory is also that of dma's sockets.
    assert os.path.exists("/run/dma/start")


def test_connections_to_the_socket_wait_while_the_service_restarts(world):
    done = world.systemctl("start", SOCKET)
    assert done.returncode == 0, done.stderr
    assert world.show(SERVICE, "ActiveState") == "inactive"
    load = Load()
    for _ in range(2):
        wait_for_more(load)
        done = world.systemctl("restart", SERVICE)
        assert done.returncode == 0, done.stderr
    wait_for_more(load)
    load.stop()
    # Sessions in progress were told to try again; nothing else happened.
    assert set(load.trouble) <= {421, "SMTPServerDisconnected"}
    assert stored() == sorted(load.acknowledged)


def close_minutes():
    """As if the time had passed after which the drain reads them."""
    for minute in os.listdir(ROOT):
        os.rename("%s/%s" % (ROOT, minute), "%s/2000%s" % (ROOT, minute[4:]))


def test_the_drain_hands_what_clients_gave_to_dma(world):
    done = world.systemctl("start", SERVICE, DRAIN)
    assert done.returncode == 0, done.stderr
    user = pwd.getpwnam("_dma-smtpd")
    pid = int(world.show(DRAIN, "MainPID"))
    with open("/proc/%d/status" % pid) as f:
        status = f.read()
    assert "\nUid:\t%s\n" % "\t".join([str(user.pw_uid)] * 4) in status
    # Else sendmail would have no rights of its own.
    assert "\nNoNewPrivs:\t0\n" in status
    with smtplib.SMTP("127.0.0.1", 25, timeout=20) as smtp:
        for n in range(3):
            smtp.sendmail("a@example.org", ["bob@host.test", "carol@host.test"],
                          "X-Ident: %d\r\n\r\n.text\r\n" % n)
    close_minutes()
    for name in "bob", "carol":
        got = world.wait_mail(name, 3, limit=30)
        assert sorted(m["X-Ident"] for m in got) == ["0", "1", "2"]
        assert all(m["Return-Path"] == "<a@example.org>" and
                   m.body == b".text\n" for m in got)
    # What sendmail has taken is gone, and so are its directories.
    world.wait_until(lambda: os.listdir(ROOT) == [])
    assert world.systemctl("stop", DRAIN).returncode == 0
    assert world.show(DRAIN, "Result") == "success"


def test_a_bad_configuration_is_not_tried_again(world):
    with open(CONF, "a") as f:
        f.write("NOSUCHKEY 1\n")
    assert world.systemctl("start", SERVICE).returncode != 0
    assert world.show(SERVICE, "ActiveState") == "failed"
    assert world.show(SERVICE, "ExecMainStatus") == "78"
