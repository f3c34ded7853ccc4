""":include: in aliases and in a .forward."""
import os
import pwd
import shutil

import pytest

LIST = "/etc/team"


@pytest.fixture(autouse=True)
def no_list():
    yield
    if os.path.lexists(LIST):
        os.unlink(LIST)


def put_list(world, text, mode=0o644, user=None):
    uid = pwd.getpwnam(user).pw_uid if user else 0
    world._fresh(LIST, text, mode, uid)


def test_list_of_an_alias(world):
    world.write_aliases("team: carol, :include:%s\n" % LIST)
    put_list(world, "# the team\nbob\nalice, root\n")
    world.send("team")
    for user in ("alice", "bob", "carol", "root"):
        world.wait_mail(user)


def test_bad_line_costs_that_line_only(world):
    world.write_aliases("team: :include:%s\n" % LIST)
    put_list(world, "bob\n\"open\ncarol\n")
    world.send("team")
    world.wait_mail("bob")
    world.wait_mail("carol")
    assert world.log_lines("warning") or world.log_lines(LIST + ":2:")


def test_newaliases_looks_at_lists(world):
    world.write_aliases("x: bob\nteam: :include:%s\n" % LIST)

    def check():
        done = world.run(["newaliases"], user="alice")
        return done.returncode, done.stdout + done.stderr

    put_list(world, "bob\n")
    assert check() == (0, b"/etc/aliases: 2 aliases, 2 targets\n")
    put_list(world, "bob\nx y\n")
    status, text = check()
    assert status == 65
    assert b"%s:2: " % LIST.encode() in text and b"1 line with errors" in text
    put_list(world, "bob\n", 0o600)
    assert check()[0] == 0              # for the alias user to judge
    os.unlink(LIST)
    status, text = check()
    assert status == 65
    assert b"/etc/aliases:2: list %s: No such file" % LIST.encode() in text


def test_missing_list_lets_mail_wait(world):
    world.write_aliases("team: bob, :include:%s\n" % LIST)
    world.send("team", "carol")
    world.wait_mail("carol")
    world.wait_tried(LIST)
    assert world.mailbox("bob") == []
    put_list(world, "alice\n")
    world.flush()
    world.wait_mail("bob")
    world.wait_mail("alice")


def test_list_that_is_not_for_everybody_lets_mail_wait(world):
    world.leaves("queue")
    world.write_aliases("team: :include:%s\n" % LIST)
    put_list(world, "bob\n", 0o640)
    world.send("team")
    world.wait_tried(LIST)
    assert world.mailbox("bob") == []


def test_list_that_includes_itself_lets_mail_wait(world):
    world.leaves("queue")
    world.write_aliases("team: :include:%s\n" % LIST)
    put_list(world, "bob\n:include:%s\n" % LIST)
    world.send("team")
    world.wait_tried("too many nested lists")
    assert world.mailbox("bob") == []


def test_command_of_a_list_runs_as_the_alias_user(world):
    world.write_conf({"ALIAS_USER": "carol"})
    world.write_aliases("team: bob, :include:%s\n" % LIST)
    put_list(world, "bob\n|id -un > /home/carol/out\n")
    world.send("team")
    world.wait_quiet()
    assert world.read_home("carol", "out") == b"carol\n"


@pytest.mark.parametrize("mode,user", ((0o664, None), (0o646, None),
                                       (0o644, "bob")))
def test_command_of_a_list_that_others_write_is_not_run(world, mode, user):
    world.leaves("queue")
    world.write_conf({"ALIAS_USER": "carol"})
    world.write_aliases("team: :include:%s\n" % LIST)
    put_list(world, "alice\n|id -un > /home/carol/out\n", mode, user)
    world.send("team")
    world.wait_mail("alice")
    world.wait_tried("writable by others")
    assert world.read_home("carol", "out") == b""


def test_list_of_a_forward(world):
    world.write_home("bob", "friends", "carol\n|cat > /home/bob/out\n", 0o600)
    os.chmod("/home/bob", 0o700)
    world.forward("bob", "\\bob\n:include:~/friends\n", 0o600)
    world.send("bob")
    world.wait_mail("bob")
    world.wait_mail("carol")
    world.wait_quiet()
    assert b"hello" in world.read_home("bob", "out")


@pytest.mark.parametrize("case", ("loose", "foreign", "long"))
def test_unfit_list_of_a_forward_means_the_mailbox(world, case):
    text = "|cat > /home/bob/out\n" + "# pad\n" * (
        12000 if case == "long" else 0)
    path = world.write_home("bob", "friends", text,
                            0o666 if case == "loose" else 0o644)
    if case == "foreign":
        os.chown(path, pwd.getpwnam("carol").pw_uid, -1)
    world.forward("bob", ":include:%s\n" % path)
    world.send("bob")
    world.wait_mail("bob")
    world.wait_quiet()
    assert world.read_home("bob", "out") == b""
    assert world.log_lines("forward", "bob", "refused")


def test_missing_list_of_a_forward_lets_mail_wait(world):
    world.forward("bob", ":include:~/none\n")
    world.send("bob")
    world.wait_tried("none")
    assert world.mailbox("bob") == []
    world.write_home("bob", "none", "carol\n")
    world.flush()
    world.wait_mail("carol")


def test_list_is_read_as_the_user(world):
    """What bob cannot read bob's .forward cannot be made of."""
    world.leaves("queue")
    world.write_home("carol", "secret", "alice\n", 0o600)
    world.forward("bob", ":include:/home/carol/secret\n")
    world.send("bob")
    world.wait_tried("bob")
    assert world.mailbox("alice") == []


def test_lists_of_the_aliases_are_read_as_the_alias_user(world):
    """Not by the runner: a disk that is away stops this alias alone."""
    world.write_conf({"ALIAS_USER": "carol"})
    os.mkdir("/home/carol/lists")
    os.chown("/home/carol/lists", pwd.getpwnam("carol").pw_uid, -1)
    os.chmod("/home/carol/lists", 0o700)
    world._fresh("/home/carol/lists/team", "bob\n", 0o644)
    world.write_aliases("team: :include:/home/carol/lists/team\n")
    world.send("team")
    world.wait_mail("bob")


@pytest.mark.parametrize("user,why", (("root", "as root"), ("none", "no such user")))
def test_no_list_is_read_without_an_alias_user(world, user, why):
    world.leaves("queue")
    world.write_conf({"ALIAS_USER": user})
    world.write_aliases("team: :include:%s\n" % LIST)
    put_list(world, "bob\n")
    world.send("team")
    world.wait_tried(why)
    assert world.mailbox("bob") == []


def test_long_lists_and_the_catch_all(world):
    pad = "# " + "x" * 97 + "\n"
    put_list(world, "bob\n" + pad * 2600 + "carol\n:include:/etc/other\n")
    world._fresh("/etc/other", pad * 2600 + "alice\n", 0o644)
    world.write_aliases("*: :include:/etc/other, :include:%s\n" % LIST)
    world.send("whoever")
    for user in ("alice", "bob", "carol"):
        world.wait_mail(user)
    world.wait_quiet()
    put_list(world, ":include:/etc/other\n" * 5)
    world.leaves("queue")
    world.send("whoever")
    world.wait_tried("1048576 bytes in all")
    os.unlink("/etc/other")


def test_disk_that_is_away_stops_its_own_mail_alone(world, dead, mallory):
    world.leaves("queue")
    world.write_aliases(
        "team: :include:%s/team\nok: :include:%s\n" % (dead, LIST) +
        "".join("t%d: :include:%s/%d\n" % (i, dead, i)
                for i in range(20)))
    put_list(world, "carol\n")
    world.send(*("t%d" % i for i in range(20)))
    for _ in range(3):
        world.send("team", "mallory", "bob")
    world.send("ok")
    world.wait_mail("carol")
    world.wait_mail("bob", 3)
    assert not world.log_lines("deferred")


# How alice, whose directory it is, puts another file in the list's place.
SWAPS = {
    "link": "mv lists away; mkdir lists; ln -s {0}/team lists",
    "directory": "mv lists away; ln -s {0} lists",
}


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("whose", ("bob", "root"))
def test_list_in_a_directory_of_another_shows_no_file(world, whose, swap):
    """What it names instead is read by its owner, and not by her; nothing of
    it comes back in a report, and mail waits for the list."""
    alice, owner = pwd.getpwnam("alice"), pwd.getpwnam(whose)
    private = "/srv/private"
    os.makedirs("/srv/project/lists")
    os.mkdir(private, 0o700)
    world._fresh(private + "/team", "key-4711\n\"open\n", 0o600, owner.pw_uid)
    world._fresh("/srv/project/lists/team", "carol\n", 0o644, owner.pw_uid)
    os.chown("/srv/project", alice.pw_uid, alice.pw_gid)
    os.chown(private, owner.pw_uid, owner.pw_gid)
    line = ":include:/srv/project/lists/team\n"
    if whose == "bob":
        world.forward("bob", line)
    else:
        world.write_aliases("bob: " + line)

    def as_alice(script):
        assert world.run(["sh", "-ec", "cd /srv/project; " + script],
                         user="alice").returncode == 0
    try:
        world.send("bob")
        world.wait_mail("carol")
        as_alice(SWAPS[swap].format(private))
        world.send("bob")
        world.wait_tried("bob")
        seen = world.mailq("alice") + world.log()
        assert "key-4711" not in seen and "open" not in seen
        assert world.mailbox("alice") == []
        as_alice("rm -r lists; mv away lists")
        world.flush()
        world.wait_mail("carol", 2)
        world.wait_quiet()
    finally:
        shutil.rmtree("/srv/project")
        shutil.rmtree(private)
