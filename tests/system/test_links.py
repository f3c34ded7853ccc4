"""The spool and the mail directory on another disk, by symbolic links."""
import os
import pwd

import pytest

from world import MAIL, SENDMAIL, SPOOL


@pytest.fixture
def moved(world):
    """Moves a directory to /srv and leaves a link; undone at the end."""
    undo = []

    def move(path, target=None):
        target = target or "/srv/" + path.strip("/").replace("/", "-")
        os.makedirs(os.path.dirname(target), exist_ok=True)
        world.run(["mv", path, target])
        os.symlink(target, path)
        undo.append((path, target))
        return target
    yield move
    world.stop()
    for path, target in undo:
        os.unlink(path)
        world.run(["mv", target, path])


def delivers(world, user, n):
    world.send("bob", user=user)
    world.wait_mail("bob", n)
    world.wait_quiet()
    assert "empty" in world.mailq(user)


def test_c19_spool_is_a_link(world, moved):
    moved(SPOOL)
    delivers(world, "alice", 1)
    assert world.run(["make", "-s", "-C", os.getcwd(),
                      "perms"]).returncode == 0
    delivers(world, "alice", 2)
    spooler = pwd.getpwnam("_dma")
    os.chown(SPOOL, spooler.pw_uid, spooler.pw_gid, follow_symlinks=False)
    delivers(world, None, 3)
    world.flush()


def test_c19_link_in_the_middle(world, moved):
    target = moved(SPOOL, "/srv/one/spool")
    os.unlink(SPOOL)
    os.symlink("one", "/srv/two")
    os.symlink("/srv/two/spool", SPOOL)
    delivers(world, "alice", 1)
    assert os.path.isdir(target)
    os.unlink("/srv/two")


def test_c19_link_of_somebody_else_is_refused(world, moved):
    target = moved(SPOOL)
    alice = pwd.getpwnam("alice")
    os.chown(SPOOL, alice.pw_uid, alice.pw_gid, follow_symlinks=False)
    done = world.send("bob", status=78)
    assert b"symbolic link" in done.stderr and SPOOL.encode() in done.stderr
    os.chown(SPOOL, 0, 0, follow_symlinks=False)
    delivers(world, "alice", 1)
    os.chmod("/srv", 0o777)
    os.symlink(target, "/srv/link")
    os.unlink(SPOOL)
    os.symlink("/srv/link", SPOOL)
    assert b"symbolic link" in world.send("bob", status=78).stderr
    os.chmod("/srv", 0o755)
    delivers(world, "alice", 2)
    os.unlink("/srv/link")


def test_link_to_a_disk_that_is_away_is_refused(world, moved):
    target = moved(SPOOL)
    os.rename(target, target + ".away")
    done = world.send("bob", status=78)
    assert SPOOL.encode() in done.stderr and b"No such file" in done.stderr
    os.rename(target + ".away", target)
    delivers(world, "alice", 1)


def test_c19_mail_directory_is_a_link(world):
    world.write_conf({"MAILSPOOL": "/srv/mail-link"})
    os.makedirs("/srv", exist_ok=True)
    os.symlink(MAIL, "/srv/mail-link")
    delivers(world, "alice", 1)
    os.unlink("/srv/mail-link")
