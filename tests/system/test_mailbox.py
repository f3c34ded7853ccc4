"""The mailbox: whose it is, what stands in it, who may hold it."""
import fcntl
import os
import pwd
import time

import pytest

import big_queue
import queue_files

PLAIN = b"Subject: plain\n\nhello\n"
MAIL = "/var/mail"
BOX = MAIL + "/bob"


def make_box(user="bob", data=b"", mode=0o600, path=None):
    path = path or "/var/mail/" + user
    who = pwd.getpwnam(user)
    with open(path, "wb") as f:
        f.write(data)
    os.chown(path, who.pw_uid, who.pw_gid)
    os.chmod(path, mode)


def test_new_mailbox_belongs_to_the_user_alone(world):
    world.send("bob")
    world.wait_mail("bob")
    st = os.stat(BOX)
    assert st.st_uid == pwd.getpwnam("bob").pw_uid
    assert st.st_mode & 0o7777 in (0o600, 0o660)
    assert st.st_nlink == 1


def test_messages_are_appended(world):
    for i in range(3):
        world.send("bob", input=b"Subject: n%d\n\nbody %d\n" % (i, i))
        world.wait_mail("bob", i + 1)
    assert [x["Subject"] for x in world.mailbox("bob")] == ["n0", "n1", "n2"]


def test_what_was_in_the_mailbox_stays(world):
    old = b"From x Thu Jan  1 00:00:00 1970\nSubject: old\n\nold\n\n"
    make_box(data=old)
    world.send("bob")
    world.wait_mail("bob", 2)
    with open(BOX, "rb") as f:
        assert f.read().startswith(old)


def test_mailbox_may_have_more_than_two_gigabytes(world):
    make_box(data=b"From x Thu Jan  1 00:00:00 1970\nSubject: hole\n\n")
    with open(BOX, "r+b") as f:
        f.seek(3 << 30)
        f.write(b"\n\n")
    world.send("bob", input=b"Subject: beyond\n\nhello\n")
    world.wait_quiet()
    with open(BOX, "rb") as f:
        f.seek((3 << 30) + 2)
        assert b"\nSubject: beyond\n" in f.read()


def test_from_lines_are_quoted_reversibly(world):
    body = b"From here\n>From there\n>>From both\nfrom no\n Fromm\nFrom\n"
    world.send("-i", "bob", input=b"Subject: s\n\n" + body)
    message, = world.wait_mail("bob")
    assert b"\n>From here\n>>From there\n>>>From both\nfrom no\n" in message.raw
    assert message.body == body


def test_envelope_stands_on_top(world):
    world.send("bob")
    message, = world.wait_mail("bob")
    lines = message.raw.split(b"\n")
    assert lines[0].startswith(b"From alice@host.test ")
    time.strptime(message.from_line[-24:], "%a %b %d %H:%M:%S %Y")
    assert lines[1].startswith(b"Return-Path: <alice@host.test>")
    assert lines[2].startswith(b"Delivered-To: ")
    assert lines[3].startswith(b"Received: ")


def test_delivery_waits_for_a_fcntl_lock(world):
    make_box()
    with open(BOX, "r+b") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        world.send("bob")
        time.sleep(1)       # long enough for a delivery that does not wait
        assert os.path.getsize(BOX) == 0
        fcntl.lockf(f, fcntl.LOCK_UN)
    world.wait_mail("bob", limit=30)


def test_delivery_waits_for_a_flock(world):
    make_box()
    with open(BOX, "r+b") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        world.send("bob")
        time.sleep(1)
        assert os.path.getsize(BOX) == 0
        fcntl.flock(f, fcntl.LOCK_UN)
    world.wait_mail("bob", limit=30)


def test_delivery_waits_for_a_dotlock(world):
    make_box()
    with open(BOX + ".lock", "w"):
        pass
    world.send("bob")
    time.sleep(1)
    assert os.path.getsize(BOX) == 0
    os.unlink(BOX + ".lock")
    world.wait_mail("bob", limit=30)


def test_stale_dotlock_is_overcome(world):
    with open(BOX + ".lock", "w"):
        pass
    os.utime(BOX + ".lock", (time.time() - 1200, time.time() - 1200))
    world.send("bob")
    world.wait_mail("bob", limit=30)


def touch(path, age_s=0, text=""):
    with open(path, "w") as f:
        f.write(text)
    os.utime(path, (time.time() - age_s,) * 2)


# What a stranger puts where bob's dotlock would be.
STRANGE = {
    "fresh": touch,
    "from 2100": lambda path: touch(path, -75 * 365 * 86400),
    "of tomorrow": lambda path: touch(path, -86400),
    "nearly stale": lambda path: touch(path, -599),
    "like ours": lambda path: touch(path, 0, "1\ndma\n"),
    "directory": os.mkdir,
    "link": lambda path: os.symlink("/etc/passwd", path),
    "dangling link": lambda path: os.symlink("/nowhere", path),
    "fifo": os.mkfifo,
}


@pytest.fixture
def open_mail(world):
    """A mail directory in which everybody can create files."""
    before = os.stat(MAIL)
    os.chmod(MAIL, 0o1777)
    os.chown(MAIL, 0, 0)
    yield
    for name in os.listdir(MAIL):
        if name.endswith(".lock"):
            path = MAIL + "/" + name
            (os.rmdir if os.path.isdir(path) and not os.path.islink(path)
             else os.unlink)(path)
    os.chown(MAIL, before.st_uid, before.st_gid)
    os.chmod(MAIL, before.st_mode & 0o7777)


@pytest.mark.parametrize("what", STRANGE)
def test_t14_a_strangers_dotlock_holds_nothing(world, open_mail, what):
    lock = BOX + ".lock"
    STRANGE[what](lock)
    os.chown(lock, pwd.getpwnam("carol").pw_uid, -1, follow_symlinks=False)
    if os.path.isfile(lock) and not os.path.islink(lock):
        held = open(lock)
        fcntl.flock(held, fcntl.LOCK_EX)
    world.send("bob", input=b"Subject: one\n\nhello\n")
    world.send("bob", input=b"Subject: two\n\nhello\n")
    world.wait_until(lambda: len(world.mailbox("bob")) == 2)
    assert os.path.lexists(lock)


@pytest.mark.parametrize("who", ("bob", "root"))
def test_t14_a_dotlock_of_those_concerned_holds(world, open_mail, who):
    touch(BOX + ".lock")
    os.chown(BOX + ".lock", pwd.getpwnam(who).pw_uid, -1)
    world.send("bob")
    time.sleep(1)       # long enough for a delivery that does not wait
    assert not os.path.exists(BOX)
    os.unlink(BOX + ".lock")
    world.wait_mail("bob")


def test_t14_many_dotlocks_hold_up_nobody(world, open_mail):
    """More than there are places for deliveries, of users who are not there
    to remove them."""
    names = ["m%d" % i for i in range(40)]
    for name in names:
        world.add_user(name)
        touch(MAIL + "/%s.lock" % name)
        os.chown(MAIL + "/%s.lock" % name, pwd.getpwnam("carol").pw_uid, -1)
    world.send(*names, user="carol")
    world.send("bob")
    world.wait_mail("bob")
    world.wait_quiet()
    for name in names:
        assert len(world.mailbox(name)) == 1
        world.remove_user(name)


@pytest.mark.parametrize("age_s,text", ((0, b"hello\n"), (0, b"dma\n"),
                                        (1200, b"hello\n")))
def test_mailbox_with_the_name_of_a_dotlock_is_none(world, age_s, text):
    """bob's dotlock would be called as the mailbox of another user is."""
    box = BOX + ".lock"
    world.add_user("bob.lock")
    try:
        make_box("bob.lock", b"From x\n\n" + text + b"\n", 0o660)
        os.chown(box, -1, os.stat(MAIL).st_gid)
        os.utime(box, (time.time() - age_s,) * 2)
        world.send("bob")
        world.wait_until(lambda: len(world.mailbox("bob")) == 1)
        assert len(world.mailbox("bob.lock")) == 1
        world.send("bob.lock")
        world.wait_until(lambda: len(world.mailbox("bob.lock")) == 2)
    finally:
        if os.path.exists(box):
            os.unlink(box)
        world.wait_quiet()
        world.remove_user("bob.lock")


def deferred(world, words="bob"):
    world.leaves("queue")
    world.send("bob")
    world.wait_tried(words)
    assert len(world.queue()) == 1


def test_symlink_is_not_followed(world):
    make_box(path="/tmp/elsewhere")
    os.symlink("/tmp/elsewhere", BOX)
    deferred(world)
    assert os.path.getsize("/tmp/elsewhere") == 0
    os.unlink("/tmp/elsewhere")


def test_mailbox_with_a_second_link_is_refused(world):
    make_box()
    os.link(BOX, "/var/mail/second")
    deferred(world)
    assert os.path.getsize(BOX) == 0
    os.unlink("/var/mail/second")


def test_mailbox_of_another_owner_is_refused(world):
    make_box()
    os.chown(BOX, pwd.getpwnam("carol").pw_uid, -1)
    deferred(world)
    assert os.path.getsize(BOX) == 0
    assert os.stat(BOX).st_uid == pwd.getpwnam("carol").pw_uid


def test_path_of_a_mailbox_is_not_for_the_sender(world):
    """Root reads it in mailq and in the log, and nobody else."""
    world.write_conf({"RETRY": "1s 1s 3s"})
    make_box(mode=0o666)
    os.chown(BOX, pwd.getpwnam("carol").pw_uid, -1)
    world.send("bob")
    world.wait_tried("bob")
    assert "/var/mail/bob: not owned by bob" in world.mailq()
    shown = world.mailq("alice")
    assert "mailbox cannot be used now" in shown and "/var" not in shown
    world.wait_quiet()
    message = world.mailbox("alice")[-1]
    assert b"mailbox cannot be used now" in message.text
    assert b"/var/mail" not in message.text


def test_directory_in_place_of_a_mailbox_defers(world):
    os.mkdir(BOX)
    try:
        deferred(world)
    finally:
        os.rmdir(BOX)


def test_refused_mailbox_is_tried_again(world):
    os.mkdir(BOX)
    world.send("bob")
    world.wait_tried("bob")
    os.rmdir(BOX)
    world.flush()
    world.wait_mail("bob")


def test_roots_mailbox(world):
    world.send("root")
    message, = world.wait_mail("root")
    assert os.stat("/var/mail/root").st_uid == 0
    assert message.body == b"hello\n"


def test_postmaster_falls_back_to_root(world):
    world.send("postmaster")
    world.wait_mail("root")


def test_extension_delivers_to_the_user(world):
    world.send("bob+lists@host.test")
    message, = world.wait_mail("bob")
    assert "bob+lists" in message["Delivered-To"]


@pytest.mark.parametrize("name", ("Bob", "bob@HOST.TEST", "BOB@localhost"))
def test_user_names_and_our_domains_without_case(world, name):
    world.send(name)
    world.wait_mail("bob")


def test_users_whose_names_differ_in_case_alone(world):
    done = world.run(["useradd", "--badname", "-M", "-U", "-d", "/home/Bob",
                      "-s", "/bin/sh", "Bob"])
    assert done.returncode == 0, done.stderr
    os.mkdir("/home/Bob")
    try:
        for n in range(6):
            world.send("-odq", "Bob", input=b"Subject: great\n\nx\n")
            world.send("-odq", "bob", input=b"Subject: small\n\nx\n")
        world.flush()
        for user, word in (("Bob", "great"), ("bob", "small")):
            assert [x["Subject"] for x in world.wait_mail(user, 6)] == \
                [word] * 6
    finally:
        world.wait_quiet()
        world.remove_user("Bob")


def test_hundred_messages_at_once_do_not_mix(world):
    import subprocess
    running = []
    for i in range(100):
        p = world.start(["sendmail", "bob"], user="alice",
                        stdin=subprocess.PIPE)
        p.stdin.write(b"Subject: n%d\n\n%s\n" % (i, b"%d." % i * 2000))
        p.stdin.close()
        running.append(p)
    assert [p.wait(60) for p in running] == [0] * 100
    got = world.wait_mail("bob", 100, limit=60)
    assert {x["Subject"]: x.body for x in got} == {
        "n%d" % i: b"%d." % i * 2000 + b"\n" for i in range(100)}


def test_full_disk_defers_and_cuts_back(world):
    """A mail directory too small: back to the old length, then later."""
    import subprocess
    subprocess.run(["mount", "-t", "tmpfs", "-o",
                    "size=64k,mode=2775,gid=8", "none", "/var/mail"],
                   check=True)
    try:
        old = b"From x Thu Jan  1 00:00:00 1970\nSubject: old\n\nold\n\n"
        make_box(data=old)
        world.send("bob", input=b"Subject: s\n\n" + b"x\n" * 100000)
        world.wait_tried("bob")
        world.wait_until(lambda: world.mailbox_is_still("bob"))
        assert "No space left on device" in world.mailq()
        with open(BOX, "rb") as f:
            assert f.read() == old
        subprocess.run(["mount", "-o", "remount,size=64m", "/var/mail"],
                       check=True)
        world.flush()
        world.wait_mail("bob", 2)
        world.wait_quiet()
    finally:
        world.stop()
        subprocess.run(["umount", "-l", "/var/mail"], check=True)


def test_a_part_of_a_message_is_completed_before_others_follow(world):
    """Which a runner that was killed has left, with a long queue."""
    world.leaves("queue")
    world.send("-odq", "bob", input=b"Subject: torn\n\n" + b"x\n" * 1000)
    ident, = world.queue()
    with open(big_queue.QUEUE + "/" + ident, "rb") as f:
        data = f.read()
    world.flush()
    world.wait_quiet()
    with open(BOX, "rb") as f:
        whole = f.read()
    os.truncate(BOX, 1500)
    st = os.stat(BOX)
    record = b"A\t0\t%d\t%d\t0\tbob" % (st.st_dev, st.st_ino)
    if data.startswith(b"dma-queue 2\n"):
        record = queue_files.sign(record)
    data += record + b"\n"
    big_queue.fill(300, due=int(time.time()) + 3600, age=7200)
    # As the last one of it.
    queue_files.put(int(time.time() - 60) << 52, data)
    assert len(world.queue()) == 301
    world.send("bob", input=b"Subject: new\n\nhello\n")
    world.wait_mail("bob", 2)
    assert [x["Subject"] for x in world.mailbox("bob")] == ["torn", "new"]
    with open(BOX, "rb") as f:
        assert f.read().startswith(whole)
