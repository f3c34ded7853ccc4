"""~/.forward: every kind of entry, as that user and nobody else."""
import grp
import json
import os
import pwd
import shutil
import subprocess

import pytest

from smtp_peer import Script

SEE = """import grp, json, os, sys
data = sys.stdin.buffer.read()
json.dump({
    "argv": sys.argv[1:],
    "uids": os.getresuid(), "gids": os.getresgid(),
    "groups": sorted(os.getgroups()),
    "env": dict(os.environ), "cwd": os.getcwd(),
    "fds": sorted(int(x) for x in os.listdir("/proc/self/fd")),
    "umask": os.umask(0), "session": os.getsid(0) == os.getpgid(0),
    "sigs": [x.split() for x in open("/proc/self/status")
             if x.startswith(("SigBlk", "SigIgn"))],
    "input": data.decode("latin-1"),
}, open(os.path.expanduser("~/seen.json"), "w"))
"""
# What a shell adds by itself.
OF_A_SHELL = {"PWD", "OLDPWD", "SHLVL", "_"}
OF_PYTHON = {"LC_CTYPE"}


def seen(world, user="bob"):
    world.wait_quiet()
    return json.loads(world.read_home(user, "seen.json"))


def pipe(world, arguments="", text=b"Subject: s\n\nhello\n", **more):
    path = world.write_home("bob", "see.py", SEE)
    world.forward("bob", "|/usr/bin/python3 %s%s\n" % (path, arguments))
    world.send("-i", "bob", input=text, **more)
    return seen(world)


@pytest.fixture
def grouped(world):
    subprocess.run(["usermod", "-a", "-G", "games,staff", "bob"], check=True)
    yield
    subprocess.run(["usermod", "-G", "", "bob"], check=True)


def test_command_runs_as_the_user(world, grouped):
    bob = pwd.getpwnam("bob")
    got = pipe(world)
    assert got["uids"] == [bob.pw_uid] * 3
    assert got["gids"] == [bob.pw_gid] * 3
    assert set(got["groups"]) == {
        bob.pw_gid, grp.getgrnam("games").gr_gid,
        grp.getgrnam("staff").gr_gid}


def test_command_environment_is_fresh(world):
    env = pipe(world)["env"]
    for name in OF_A_SHELL | OF_PYTHON:
        env.pop(name, None)
    assert set(env) <= {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "SENDER",
                        "RECIPIENT", "ORIGINAL_RECIPIENT", "EXTENSION",
                        "QUEUE_ID"}
    assert (env["HOME"], env["USER"], env["LOGNAME"], env["SHELL"]) == (
        "/home/bob", "bob", "bob", "/bin/sh")
    assert env["SENDER"] == "alice@host.test"
    assert env["RECIPIENT"] in ("bob", "bob@host.test")
    assert env["QUEUE_ID"].isalnum()


def test_command_place_descriptors_and_signals(world):
    got = pipe(world)
    assert got["cwd"] == "/home/bob"
    # 3 is the directory that listdir() itself holds open.
    assert got["fds"] in ([0, 1, 2], [0, 1, 2, 3])
    # SIGPIPE and SIGXFSZ are ignored by Python itself.
    assert all(int(value, 16) & ~(1 << 12 | 1 << 24 | 3 << 31) == 0
               for _, value in got["sigs"])


def test_command_gets_the_message_with_its_envelope(world):
    text = pipe(world)["input"].split("\n")
    assert text[0].startswith("From alice@host.test ")
    assert text[1] == "Return-Path: <alice@host.test>"
    assert text[2].startswith("Delivered-To: bob")
    assert text[-2:] == ["hello", ""]


def test_command_arguments_are_split_without_a_shell(world):
    assert pipe(world, " one two  three")["argv"] == ["one", "two", "three"]


def test_extension_is_in_the_environment(world):
    path = world.write_home("bob", "see.py", SEE)
    world.forward("bob", "|/usr/bin/python3 %s\n" % path)
    world.send("bob+x.y")
    assert seen(world)["env"]["EXTENSION"] == "x.y"


def test_nothing_of_a_message_reaches_a_shell_line(world):
    path = world.write_home("bob", "see.py", SEE)
    world.forward("bob", "|/usr/bin/python3 %s; true\n" % path)
    world.send("-f", "a`touch${IFS}/tmp/pwned`@x.test",
               "bob+`touch${IFS}/tmp/pwned`")
    seen(world)
    assert not os.path.exists("/tmp/pwned")


ENTRIES = {
    "pipe": "|cat > /home/bob/out",
    "quoted pipe": '"|cat > /home/bob/out"',
    "pipe quoted inside": '|"cat > /home/bob/out"',
    "pipe with a comma": '"|cat > /home/bob/out, true"',
    "file": "/home/bob/out",
    "quoted file": '"/home/bob/out"',
}


@pytest.mark.parametrize("case", ENTRIES)
def test_entry_takes_the_message_away_from_the_mailbox(world, case):
    text = ENTRIES[case]
    if "comma" in case:
        text = '"|sh -c \'cat > /home/bob/out\' a,b"'
    world.forward("bob", text + "\n")
    world.send("bob")
    world.wait_quiet()
    assert b"\nhello\n" in world.read_home("bob", "out")
    assert world.mailbox("bob") == []
    st = os.stat("/home/bob/out")
    assert st.st_uid == pwd.getpwnam("bob").pw_uid


OWN = ("\\bob", "!bob", "bob", "bob@host.test", "bob@LOCALHOST", "",
       "# only a comment\n", "\n\n")


@pytest.mark.parametrize("text", OWN)
def test_entries_that_mean_the_own_mailbox(world, text):
    world.forward("bob", text + ("\n" if text else ""))
    world.send("bob")
    world.wait_mail("bob")
    world.wait_quiet()
    assert len(world.mailbox("bob")) == 1


def test_every_kind_together(world, peer):
    p = peer(Script())
    world.smarthost(p)
    world.forward("carol", "|cat > /home/carol/of-carol\n")
    world.forward("bob", """# all of them
|cat > /home/bob/piped
"|cat > /home/bob/quoted", /home/bob/file
ann@far.test, !alice
carol
\\bob
""")
    world.send("bob", user="alice")
    world.wait_quiet()
    for name in ("piped", "quoted", "file"):
        assert b"\nhello\n" in world.read_home("bob", name), name
    assert b"\nhello\n" in world.read_home("carol", "of-carol")
    assert len(world.mailbox("bob")) == len(world.mailbox("alice")) == 1
    assert world.mailbox("carol") == []
    assert [t.accepted for t in p.taken] == [["ann@far.test"]]


def test_exclamation_mark_means_no_more_expansion(world):
    world.forward("carol", "|cat > /home/carol/no\n")
    world.forward("bob", "!carol\n")
    world.send("bob")
    world.wait_mail("carol")
    assert world.read_home("carol", "no") == b""


def test_last_line_without_newline_counts(world):
    world.forward("bob", "carol")
    world.send("bob")
    world.wait_mail("carol")


def test_loop_between_two_users_ends(world):
    world.forward("bob", "carol\n")
    world.forward("carol", "bob\n")
    world.send("bob")
    world.wait_quiet()
    got = sum(len(world.mailbox(u)) for u in ("alice", "bob", "carol"))
    assert got == 1


REFUSED = {
    "writable by others": (".forward", 0o646),
    "writable by the group": (".forward", 0o664),
}


def in_mailbox_and_logged(world):
    world.wait_mail("bob")
    world.wait_quiet()
    assert world.read_home("bob", "out") == b""
    assert world.log_lines("forward", "bob")


@pytest.mark.parametrize("case", REFUSED)
def test_loose_forward_is_refused(world, case):
    world.forward("bob", "|cat > /home/bob/out\n", mode=REFUSED[case][1])
    world.send("bob")
    in_mailbox_and_logged(world)


@pytest.mark.parametrize("mode", (0o777, 0o775))
def test_loose_home_is_refused(world, mode):
    world.forward("bob", "|cat > /home/bob/out\n")
    os.chmod("/home/bob", mode)
    world.send("bob")
    in_mailbox_and_logged(world)


def test_forward_in_a_home_of_another_user_is_refused(world):
    """Who owns it could give a file of bob's that name, and mail would show
    what is in it."""
    world.forward("bob", "|cat > /home/bob/out\nnobody-here\n")
    os.chown("/home/bob", pwd.getpwnam("alice").pw_uid, -1)
    world.send("bob")
    in_mailbox_and_logged(world)
    assert not os.path.exists("/var/mail/alice")


def test_forward_in_a_home_of_root_is_read(world):
    world.forward("bob", "carol\n")
    os.chown("/home/bob", 0, -1)
    world.send("bob")
    world.wait_mail("carol")


def test_forward_of_another_user_is_refused(world):
    world.forward("bob", "|cat > /home/bob/out\n")
    os.chown("/home/bob/.forward", pwd.getpwnam("carol").pw_uid, -1)
    world.send("bob")
    in_mailbox_and_logged(world)


@pytest.mark.parametrize("text", (
    "|cat > /home/bob/out\n<<broken@@,,\"\n",
    '"|cat > /home/bob/out\n',
    "|\n",
    "x\0y\n",
))
def test_syntax_error_refuses_the_whole_file(world, text):
    world.forward("bob", text)
    world.send("bob")
    in_mailbox_and_logged(world)


def test_too_long_forward_is_refused(world):
    world.forward("bob", "|cat > /home/bob/out\n" + "# pad\n" * 12000)
    world.send("bob")
    in_mailbox_and_logged(world)


def test_too_many_targets_are_refused(world):
    world.forward("bob", "".join("u%d@far.test\n" % i for i in range(1500)))
    world.send("bob")
    in_mailbox_and_logged(world)


def test_fifo_in_place_of_forward_blocks_nobody(world):
    os.mkfifo("/home/bob/.forward")
    world.send("bob", "carol")
    world.wait_mail("carol")
    in_mailbox_and_logged(world)


def test_symlink_to_a_good_file_is_fine(world):
    path = world.write_home("bob", "real", "carol\n")
    os.symlink(path, "/home/bob/.forward")
    world.send("bob")
    world.wait_mail("carol")


def test_symlink_to_a_file_of_somebody_else_is_refused(world):
    world.write_home("carol", "real", "|cat > /home/bob/out\n")
    os.symlink("/home/carol/real", "/home/bob/.forward")
    world.send("bob")
    in_mailbox_and_logged(world)


def test_unreadable_home_is_later(world):
    world.forward("bob", "carol\n")
    os.chown("/home/bob", 0, 0)
    os.chmod("/home/bob", 0o700)
    world.send("bob")
    world.wait_tried("bob")
    assert world.mailbox("bob") == []
    os.chown("/home/bob", pwd.getpwnam("bob").pw_uid, -1)
    world.flush()
    world.wait_mail("carol")


@pytest.mark.parametrize("shell", ("/bin/sh", "/usr/sbin/nologin"))
def test_t4_home_without_its_parent_is_later(world, shell):
    """The disk with the homes is not mounted; daemons never had one."""
    world.add_user("dave", shell=shell)
    try:
        world.run(["usermod", "-d", "/disk/home/dave", "dave"])
        world.send("dave", user="alice")
        if shell == "/bin/sh":
            world.wait_tried("dave")
            assert world.mailbox("dave") == []
            os.makedirs("/disk/home/dave")
            world.forward("dave", "carol\n")
            os.chown("/disk/home/dave", pwd.getpwnam("dave").pw_uid, -1)
            world.flush()
            world.wait_mail("carol")
            assert world.mailbox("dave") == []
        else:
            world.wait_mail("dave")
        world.wait_quiet()
    finally:
        world.stop()
        world.remove_user("dave")


def test_user_without_a_valid_shell_runs_no_command(world):
    world.add_user("dave", shell="/usr/sbin/nologin")
    try:
        world.forward("dave", "|cat > /home/dave/out\n")
        world.send("dave", user="alice")
        world.wait_mail("dave")
        world.wait_quiet()
        assert world.read_home("dave", "out") == b""
        assert world.log_lines("dave", "login shell")
    finally:
        world.stop()
        world.remove_user("dave")


@pytest.mark.parametrize("text", ("|touch /tmp/as-root\n",
                                  ":include:~/list\n"))
def test_roots_command_is_refused(world, text):
    world._fresh("/root/list", "|touch /tmp/as-root\n", 0o644)
    world._fresh("/root/.forward", text, 0o644)
    try:
        world.send("root")
        world.wait_mail("root")
        world.wait_quiet()
        assert not os.path.exists("/tmp/as-root")
        assert world.log_lines("root")
    finally:
        os.unlink("/root/.forward")
        os.unlink("/root/list")


def test_file_changed_between_reading_and_running_runs_nothing_else(world):
    """The entry is asked for by its text: another text is not run."""
    world.forward("bob", "|sleep 1; echo first >> /home/bob/out\n"
                         "|echo second >> /home/bob/out\n")
    world.send("bob")
    world.wait_quiet()
    assert sorted(world.read_home("bob", "out").split()) == [
        b"first", b"second"]


STATUSES = {
    "exit 0": "sent", "exit 75": "deferred", "kill -9 $$": "deferred",
    "exit 126": "deferred", "exit 127": "deferred",
    "exit 1": "failed", "exit 67": "failed", "exit 100": "failed",
}


@pytest.mark.parametrize("command", STATUSES)
def test_exit_status_of_the_command_decides(world, command):
    status = STATUSES[command]
    world.forward("bob", "|echo said this; %s\n" % command)
    if status == "deferred":
        world.leaves("queue")
    world.send("bob")
    if status == "failed":
        bounce, = world.wait_mail("alice")
        assert b"said this" in bounce.text
        assert bounce["Return-Path"] == "<>"
    elif status == "deferred":
        world.wait_tried("bob")
        assert len(world.queue()) == 1
        assert "To\t: " in world.mailq()
    else:
        world.wait_quiet()
        assert world.mailbox("alice") == world.mailbox("bob") == []


@pytest.mark.parametrize("command, status, cure", (
    ("/no/such/program --key secret", 127, "install it"),
    ("secret ; exit 127", 127, "install it"),
    ("/home/bob/secret", 126, "make it executable")))
def test_command_that_cannot_be_run_is_named_to_root_alone(world, command,
                                                           status, cure):
    """What is in a .forward is not for who sends mail to its owner."""
    world.leaves("queue")
    world.write_home("bob", "secret", "#!/bin/sh\n")
    world.forward("bob", '"|%s"\n' % command)
    done = world.run(["sendmail", "-v", "bob"], user="alice", input=b"\nx\n")
    assert len(world.queue()) == 1
    for said in done.stderr.decode(), world.mailq("alice"):
        assert "command exited with status %d: it" % status in said
        assert "secret" not in said and "program" not in said
    assert "=== bob: deferred" in done.stderr.decode()
    named = "(%s: %s, or correct the .forward file of bob: " % (command, cure)
    assert named in world.mailq()
    assert world.log_lines("status=deferred", named)


def test_a_private_file_is_not_shown_to_a_sender_that_watches(world):
    world.forward("bob", "/home/bob/secret, \"|true secret\"\n")
    done = world.run(["sendmail", "-v", "bob"], user="alice", input=b"\nx\n")
    assert done.stderr.count(b"=== bob: sent") == 2
    assert b"secret" not in done.stderr


def test_output_is_cleaned_in_the_bounce(world):
    world.forward("bob", "|printf 'bad\\001\\000\\033[31m\\rword\\n'; "
                         "exit 69\n")
    world.send("bob")
    bounce, = world.wait_mail("alice")
    assert b"word" in bounce.text
    for byte in (b"\x01", b"\x00", b"\x1b", b"\r"):
        assert byte not in bounce.text


def test_unread_input_is_no_failure(world):
    world.forward("bob", "|exit 0\n")
    world.send("bob", input=b"Subject: s\n\n" + b"x" * 3000000 + b"\n")
    world.wait_quiet()
    assert world.mailbox("alice") == []


def test_background_child_does_not_hold_us(world):
    world.forward("bob", "|sleep 30 & exit 0\n")
    world.send("bob")
    world.wait_quiet(10)


def test_command_over_its_time_is_killed_with_its_group(world):
    world.leaves("queue")
    world.write_conf({"COMMAND_TIMEOUT": "1s"})
    world.forward("bob", "|echo $$ > /home/bob/pid; sleep 61 | cat\n")
    world.send("bob")
    world.wait_tried("bob", limit=20)
    pid = int(world.read_home("bob", "pid"))
    world.wait_until(lambda: not os.path.exists("/proc/%d" % pid), 5)
    done = subprocess.run(["pgrep", "-f", "sleep 61"],
                          stdout=subprocess.PIPE)
    assert done.stdout == b""


def test_endless_output_does_no_harm(world):
    world.forward("bob", "|yes | head -c 50000000; exit 69\n")
    world.send("bob")
    bounce, = world.wait_mail("alice", limit=30)
    assert len(bounce.raw) < 100000


def test_one_users_slow_command_does_not_hold_others(world):
    world.forward("bob", "|until [ -e go ]; do sleep 0.1; done\n")
    world.send("bob")
    world.send("carol")
    world.wait_mail("carol")
    world.write_home("bob", "go", "")
    world.wait_quiet()


def test_file_target_that_is_a_symlink_of_others_is_not_written(world):
    with open("/tmp/target", "w"):
        pass
    os.chmod("/tmp/target", 0o644)
    world.leaves("queue")
    world.forward("bob", "/tmp/target\n")
    world.send("bob")
    world.wait_until(lambda: world.log_lines("bob", "/tmp/target"))
    assert os.path.getsize("/tmp/target") == 0
    os.unlink("/tmp/target")


def test_paths_of_a_forward_are_not_for_the_sender(world):
    """Root reads them in mailq and in the log, and nobody else."""
    world.write_conf({"RETRY": "1s 1s 2s"})
    world.forward("bob", "/home/bob/hidden/x\n")
    world.forward("carol", ":include:~/hidden\n")
    world.send("bob", "carol")
    for name in ("bob", "carol"):
        world.wait_until(lambda: world.log_lines("to=<" + name, "hidden") or
                         world.log_lines("orig=<" + name, "hidden"))
    assert "hidden" not in world.mailq("alice")
    world.wait_quiet()
    messages = world.mailbox("alice")
    assert b"mailbox cannot be used now" in messages[-1].text
    assert all(b"hidden" not in x.text for x in messages)


@pytest.mark.parametrize("where", ("forward", "list", "alias"))
def test_c6_a_comma_ends_a_command(world, where):
    """Outside of quotes, with and without blanks, as for any target."""
    text = ('|tee /tmp/c6/one, carol\n' '|tee /tmp/c6/two,/tmp/c6/file,root\n'
            '"|tee /tmp/c6/a,b", |tee "/tmp/c6/c,d" , alice\n')
    os.makedirs("/tmp/c6")
    os.chmod("/tmp/c6", 0o777)
    target = "bob"
    if where == "forward":
        world.forward("bob", text)
    elif where == "list":
        world.write_home("bob", "list", text)
        world.forward("bob", ":include:~/list\n")
    else:
        target = "team"
        world.write_aliases("team: " + ",\n  ".join(text.splitlines()) + "\n")
        done = world.run(["newaliases"])
        assert done.returncode == 0 and b"8 targets" in done.stdout
    world.send(target, user="carol")
    for user in ("carol", "root", "alice"):
        world.wait_mail(user)
    world.wait_quiet()
    assert sorted(os.listdir("/tmp/c6")) == ["a,b", "c,d", "file", "one", "two"]
    shutil.rmtree("/tmp/c6")
