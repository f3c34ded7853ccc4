"""Maildir, as MAILBOX has it and as a .forward or alias names it."""
import os
import pwd
import shutil

import pytest

import world as worlds


class Box:
    """A Maildir and the messages in it."""
    def __init__(self, path):
        self.path = path

    def names(self, *folders):
        found = []
        for folder in folders or ("new", "cur"):
            where = os.path.join(self.path, folder)
            if os.path.isdir(where):
                found += [os.path.join(where, x) for x in os.listdir(where)]
        return sorted(found)

    def messages(self):
        return [open(x, "rb").read() for x in self.names()]


def wait(world, box, n=1):
    world.wait_until(lambda: len(box.names()) >= n, what="messages")
    world.wait_quiet()
    assert len(box.names()) == n
    assert box.names("tmp") == []
    return box.messages()


def test_mailbox_maildir(world):
    world.write_conf({"MAILBOX": "maildir"})
    box = Box("/home/bob/Maildir")
    world.send("bob", input=b"Subject: s\n\nFrom here\nend\n")
    text, = wait(world, box)
    lines = text.split(b"\n")
    assert lines[:2] == [b"Return-Path: <alice@host.test>",
                         b"Delivered-To: bob@host.test"]
    assert text.endswith(b"\n\nFrom here\nend\n")
    bob = pwd.getpwnam("bob")
    for path, mode in ((box.path, 0o40700), (box.path + "/new", 0o40700),
                       (box.names()[0], 0o100600)):
        st = os.stat(path)
        assert (st.st_uid, st.st_mode) == (bob.pw_uid, mode)
    assert world.mailbox("bob") == []


def test_mailbox_of_another_name(world):
    world.write_conf({"MAILBOX": "maildir ~/mail"})
    world.send("bob", "carol")
    wait(world, Box("/home/bob/mail"))
    wait(world, Box("/home/carol/mail"))


def test_directory_with_a_maildir_for_each_user(world):
    world.write_conf({"MAILBOX": "maildir /var/mail"})
    try:
        world.send("bob", "carol", "root")
        for user in ("bob", "carol", "root"):
            box = Box("/var/mail/" + user)
            wait(world, box)
            assert os.stat(box.path).st_uid == pwd.getpwnam(user).pw_uid
    finally:
        world.stop()
        for user in ("bob", "carol", "root"):
            shutil.rmtree("/var/mail/" + user, ignore_errors=True)


def test_link_in_a_shared_directory_is_not_followed(world):
    world.leaves("queue")
    world.write_conf({"MAILBOX": "maildir /var/mail"})
    os.symlink("/home/bob", "/var/mail/bob")
    world.send("bob")
    world.wait_tried("bob")
    assert not os.path.exists("/home/bob/new")


def test_mailbox_that_can_not_be_understood_lets_mail_wait(world):
    world.leaves("queue")
    world.write_conf({"MAILBOX": "mailbox"})
    world.send("bob")
    world.wait_tried("MAILBOX in dma.conf is invalid (run ")
    assert 'MAILBOX in dma.conf is invalid (run "dma check")' in world.mailq()
    assert world.mailbox("bob") == []
    world.write_conf({})
    world.flush()
    world.wait_mail("bob")


@pytest.mark.parametrize("target", ("~/Maildir/", "/home/bob/Maildir/",
                                    '"~/Maildir/"'))
def test_target_of_a_forward(world, target):
    world.forward("bob", "%s, carol\n" % target)
    world.send("bob")
    text, = wait(world, Box("/home/bob/Maildir"))
    assert b"Delivered-To: bob@host.test\n" in text
    world.wait_mail("carol")
    assert world.mailbox("bob") == []


def test_file_below_the_home(world):
    world.forward("bob", "~/in box\n")
    world.forward("bob", '"~/in box"\n')
    world.send("bob")
    world.wait_quiet()
    assert len(worlds.messages(world.read_home("bob", "in box"))) == 1


def test_target_of_an_alias_belongs_to_the_alias_user(world):
    world.write_conf({"ALIAS_USER": "carol"})
    world.write_aliases("archive: /home/carol/archive/\n")
    world.send("archive")
    wait(world, Box("/home/carol/archive"))
    carol = pwd.getpwnam("carol")
    assert os.stat("/home/carol/archive/new").st_uid == carol.pw_uid


def test_maildir_of_somebody_else_is_not_written(world):
    world.leaves("queue")
    os.mkdir("/home/carol/Maildir")
    os.chown("/home/carol/Maildir", pwd.getpwnam("carol").pw_uid, -1)
    world.forward("bob", "/home/carol/Maildir/\n")
    world.send("bob")
    world.wait_tried("bob")
    assert os.listdir("/home/carol/Maildir") == []


def test_roots_forward_names_no_maildir(world):
    world._fresh("/root/.forward", "~/Maildir/\n", 0o644)
    try:
        world.send("root")
        world.wait_until(lambda: world.log_lines("root", "is not available to root"))
        world.wait_quiet()
        assert not os.path.exists("/root/Maildir")
    finally:
        os.unlink("/root/.forward")


def test_many_at_once(world):
    world.write_conf({"MAILBOX": "maildir"})
    for i in range(20):
        world.send("-odq", "bob", input=b"Subject: n%d\n\nx\n" % i)
    world.flush()
    texts = wait(world, Box("/home/bob/Maildir"), 20)
    assert len(set(texts)) == 20
