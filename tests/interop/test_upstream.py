"""Upstream dma 0.13, as Debian has it, is replaced with mail in its queue."""
import grp
import os
import shutil
import stat
import subprocess
import time

import pytest

from smtp_peer import Script
from world import BINARY, ETC, SENDMAIL, SPOOL

UPSTREAM = "/usr/lib/upstream/dma"
TREE = os.path.join(os.path.dirname(__file__), "../..")
MAIL_GID = grp.getgrnam("mail").gr_gid


def busy():
    """Processes of upstream."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink("/proc/%s/exe" % pid) == UPSTREAM:
                found.append(int(pid))
        except OSError:
            pass
    return found


def end():
    for pid in busy():
        os.kill(pid, 15)
    while busy():
        time.sleep(0.02)


def files():
    return sorted(x for x in os.listdir(SPOOL) if x[0] in "QM")


@pytest.fixture
def upstream(world):
    """Its configuration as its package writes it; the relay is down."""
    conf = ETC + "/dma.conf"
    shutil.copy("/usr/lib/upstream/dma.conf", conf)
    with open(conf, "a") as f:
        f.write("SMARTHOST 127.0.0.1\nPORT 10025\nMAILNAME host.test\n"
                "AUTHPATH /etc/dma/auth.conf\n")
    for name in ("dma.conf", "auth.conf"):
        os.chown(ETC + "/" + name, 0, MAIL_GID)
        os.chmod(ETC + "/" + name, 0o640)
    for name in os.listdir(SPOOL):
        path = SPOOL + "/" + name
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    os.chown(SPOOL, 0, MAIL_GID)
    os.chmod(SPOOL, 0o2770)
    yield
    end()
    for name in files():
        os.unlink(SPOOL + "/" + name)
    install(world)


def submit(world, *args, user="alice", input=b"Subject: x\n\nbody\n"):
    done = world.run([UPSTREAM, *args], user=user, input=input)
    assert done.returncode == 0, done.stderr


def install(world):
    """What "make install" does with owners and modes."""
    is_setuid = os.stat(BINARY).st_mode & stat.S_ISUID
    return world.run(["make", "-s", "-C", TREE, "perms",
                      "SETUID=" + ("yes" if is_setuid else "no")])


def log_to_file():
    with open(ETC + "/dma.conf", "a") as f:
        f.write("LOG file /var/log/dma.log\n")


def test_its_queue_is_delivered_once(world, peer, upstream):
    submit(world, "a@far.test", "b@far.test", "bob")
    submit(world, "-f", "list@host.test", "c@far.test",
           input=b"Subject: caf\351\r\nX: y\r\n\r\n.dot\r\nend")
    submit(world, "-bq", "d@far.test", user=None)
    submit(world, "-bq", "bob", "carol", "alice",
           input=b"Subject: held\n\nbody\n")
    world.wait_until(lambda: len(files()) == 16)
    end()
    assert install(world).returncode == 0
    log_to_file()
    p = peer(Script(), port=10025)
    world.flush()
    world.wait_quiet()
    got = sorted((t.sender, sorted(t.accepted)) for t in p.taken)
    assert got == [("alice@host.test", ["a@far.test", "b@far.test"]),
                   ("list@host.test", ["c@far.test"]),
                   ("root@host.test", ["d@far.test"])]
    t, = [t for t in p.taken if t.sender == "list@host.test"]
    assert b"\r\nX: y\r\n" in t.data and t.data.endswith(b"\r\nend\r\n")
    for user, n in (("bob", 2), ("carol", 1), ("alice", 1)):
        got = world.wait_mail(user, n)
        assert [x.body for x in got] == n * [b"body\n"]
        assert [x["Subject"] for x in got].count("held") == 1
    assert files() == []
    world.flush()
    assert len(p.taken) == 3


def test_its_user_is_the_submitter(world, upstream):
    submit(world, "a@far.test", user="bob")
    end()
    install(world)
    log_to_file()
    world.left = ("queue",)
    world.flush()
    world.wait_tried("a@far.test")
    assert "a@far.test" in world.mailq("bob")
    assert "a@far.test" not in world.mailq("alice")


def test_nothing_is_changed_while_it_delivers(world, peer, upstream):
    submit(world, "a@far.test")
    world.wait_until(lambda: busy() and len(files()) == 2)
    done = install(world)
    assert done.returncode != 0
    assert b"is being delivered by upstream dma" in done.stderr
    assert os.stat(SPOOL).st_uid == 0
    end()
    assert install(world).returncode == 0
    log_to_file()
    p = peer(Script(), port=10025)
    world.flush()
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["a@far.test"]]


def test_a_copy_of_its_spool_is_as_good(world, peer, upstream):
    """As docs/moving.md has it made before a purge."""
    submit(world, "a@far.test", "b@far.test")
    end()
    subprocess.run("cp -a %s /var/saved && rm -rf %s/* && "
                   "cp -a /var/saved/. %s/ && rm -r /var/saved" %
                   (SPOOL, SPOOL, SPOOL), shell=True, check=True)
    assert len(files()) == 4
    assert install(world).returncode == 0
    log_to_file()
    p = peer(Script(), port=10025)
    world.flush()
    world.wait_quiet()
    assert [sorted(t.accepted) for t in p.taken] == \
        [["a@far.test", "b@far.test"]]


def test_its_configuration_is_used_as_it_is(world, peer, upstream):
    install(world)
    log_to_file()
    p = peer(Script(auth=("PLAIN",), user="u", password="p",
                    require_auth=True), port=10025)
    with open(ETC + "/auth.conf", "w") as f:
        f.write("u|127.0.0.1:p\n")
    with open(ETC + "/dma.conf", "a") as f:
        f.write("INSECURE\n")
    world.run([SENDMAIL, "a@far.test"], user="alice",
              input=b"Subject: x\n\nx\n")
    world.wait_quiet()
    assert [t.accepted for t in p.taken] == [["a@far.test"]]
