"""The Debian packages in a booted system: a life of a host, in this order."""
import glob
import grp
import os
import pwd
import stat
import subprocess
import sys
import time
from email import message_from_bytes

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
DEBS = os.path.join(HERE, "../../build/deb")
sys.path.insert(0, os.path.join(HERE, "../system"))

import smtp_peer   # noqa: E402

SPOOL = "/var/spool/dma"
UNITS = ("dma.socket", "dma.service", "dma.timer", "dma-submit.socket")
PORT = 2525
CONF = ("# The administrator's.\nSMARTHOST 127.0.0.1\nPORT %d\n"
        "AUTHPATH /etc/dma/auth.conf\nMAILNAME host.test\n" % PORT)
AUTH = "ann|smart.test:secret\n"


def run(*argv, check=True, **more):
    done = subprocess.run(argv, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more)
    if check and done.returncode != 0:
        raise AssertionError("%s: %d: %s" % (argv, done.returncode,
                                             done.stdout.decode()))
    return done.stdout.decode()


def dpkg(*argv):
    """No question can be answered, and none may be asked."""
    return run("dpkg", *argv, stdin=subprocess.DEVNULL, env={
        **os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def ours(*names):
    return [deb for name in names
            for deb in glob.glob("%s/%s_*.deb" % (DEBS, name))]


def wait_until(true, what, limit=60):
    end = time.monotonic() + limit
    while not true():
        assert time.monotonic() < end, what + "\n" + run(
            "sh", "-c", "mailq; ls -lR %s; journalctl -n 50" % SPOOL)
        time.sleep(0.1)


def send(recipient, subject, user=None):
    argv = ["sendmail", recipient]
    if user:
        argv = ["runuser", "-u", user, "--"] + argv
    run(*argv, input=("Subject: %s\n\nhello\n" % subject).encode())


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text):
    """With the owner and mode that the file has."""
    with open(path, "w") as f:
        f.write(text)


def facts(path):
    """Owner, group and mode."""
    st = os.lstat(path)
    return (pwd.getpwuid(st.st_uid).pw_name, grp.getgrgid(st.st_gid).gr_name,
            stat.S_IMODE(st.st_mode))


def queued():
    return os.listdir(SPOOL + "/queue")


@pytest.fixture
def relay():
    p = smtp_peer.Peer(smtp_peer.Script(), port=PORT)
    yield p
    p.close()


def subjects(relay):
    return [message_from_bytes(t.data)["Subject"] for t in relay.taken]


def files():
    """What packages put into a system, and what they leave there."""
    found = run("find", "/etc", "/usr", "/var/spool", "/run/dma", "-xdev",
                check=False).splitlines()
    return {line for line in found if not line.startswith("find: ")}


run("useradd", "-m", "ann")
run("dpkg", "-i", *glob.glob(DEBS + "/debian/[!d]*.deb"))
BEFORE = files()


def test_dma_of_debian_is_replaced_and_its_mail_delivered_once():
    dpkg("-i", *glob.glob(DEBS + "/debian/dma_*.deb"))
    write("/etc/dma/dma.conf", CONF)
    write("/etc/dma/auth.conf", AUTH)
    for n in range(3):
        send("b%d@far.test" % n, "old %d" % n, "ann")
    wait_until(lambda: len(glob.glob(SPOOL + "/Q*")) == 3, "queued by Debian's")
    with smtp_peer.Peer(smtp_peer.Script(), port=PORT) as relay:
        dpkg("-i", *ours("dma"))
        wait_until(lambda: not glob.glob(SPOOL + "/[QM]*") and not queued(),
                   "delivered by ours")
        assert sorted(subjects(relay)) == ["old 0", "old 1", "old 2"]


def test_the_configuration_is_kept_and_can_be_read():
    assert read("/etc/dma/dma.conf") == CONF
    assert read("/etc/dma/auth.conf") == AUTH
    assert facts("/etc/dma/auth.conf") == ("root", "_dma", 0o640)
    assert facts(SPOOL) == ("_dma", "_dma", 0o700)
    assert facts("/usr/sbin/dma") == ("root", "root", 0o4755)
    run("runuser", "-u", "_dma", "--", "cat", "/etc/dma/dma.conf")


def test_units_are_enabled_and_none_has_failed():
    for unit in UNITS:
        assert run("systemctl", "is-enabled", unit) == "enabled\n"
    for unit in ("dma.socket", "dma.timer", "dma-submit.socket"):
        assert run("systemctl", "is-active", unit) == "active\n"
    assert run("systemctl", "--failed", "--quiet", "--no-legend") == ""


def test_a_users_mail_reaches_a_mailbox():
    send("ann", "by ann", "ann")
    wait_until(lambda: os.path.exists("/var/mail/ann") and
               "Subject: by ann" in read("/var/mail/ann"), "delivered")


def test_an_update_hands_over_the_runner_and_keeps_the_queue():
    send("c@far.test", "waits", "ann")
    wait_until(lambda: "refused" in run("mailq"), "tried")

    def pid():
        return run("systemctl", "show", "--value", "-p", "MainPID",
                   "dma.service").strip()
    before = pid()
    assert before != "0"
    dpkg("-i", *ours("dma"))
    send("ann", "after the update", "ann")
    wait_until(lambda: "after the update" in read("/var/mail/ann"),
               "delivered")
    wait_until(lambda: pid() not in ("0", before), "another runner")
    assert len(queued()) == 1 and read("/etc/dma/dma.conf") == CONF


def test_removal_keeps_configuration_and_mail():
    dpkg("-r", "dma")
    assert not os.path.exists("/usr/sbin/sendmail")
    assert read("/etc/dma/dma.conf") == CONF and len(queued()) == 1
    wait_until(lambda: run("pgrep", "-u", "_dma", check=False) == "",
               "no process is left")
    assert run("systemctl", "--failed", "--quiet", "--no-legend") == ""


def test_mail_that_was_kept_is_delivered_when_dma_is_back(relay):
    dpkg("-i", *ours("dma"))
    run("sendmail", "-q")
    wait_until(lambda: not queued(), "delivered")
    assert subjects(relay) == ["waits"]


def test_purge_with_undelivered_mail_leaves_that():
    send("d@far.test", "undelivered", "ann")
    dpkg("-P", "dma")
    assert len(queued()) == 1 and pwd.getpwnam("_dma")
    assert not os.path.exists("/etc/dma/auth.conf")


def test_purge_without_mail_leaves_nothing():
    dpkg("-i", *ours("dma"))
    assert facts("/etc/dma/auth.conf") == ("root", "_dma", 0o640)
    for name in queued():
        os.unlink(SPOOL + "/queue/" + name)
    dpkg("-P", "dma")
    assert files() - BEFORE == set()
    with pytest.raises(KeyError):
        pwd.getpwnam("_dma")


@pytest.mark.parametrize("name", ("send-mail", "smtp-intake"))
def test_of_the_package_passes(name):
    dpkg("-i", *ours("dma", "dma-smtpd"))
    run("sh", "-eu", os.path.join(HERE, "../../packaging/debian/tests", name))
    dpkg("-P", "dma", "dma-smtpd")


def test_intake_does_not_listen_until_it_is_enabled():
    dpkg("-i", *ours("dma-smtpd"))
    assert run("systemctl", "is-active", "dma-smtpd.socket",
               "dma-smtpd.service", check=False) == "inactive\ninactive\n"
    dpkg("-P", "dma-smtpd")
    assert not os.path.exists("/var/spool/dma-smtpd")
