"""What a command of a .forward or of the aliases is started with, and what
its end does to the message."""
import json
import os
import resource

import pytest

SEE = """import json, os
with open("/proc/self/environ", "rb") as f:
    env = f.read().decode().split("\\0")
with open("/proc/self/limits") as f:
    limits = {line[:25].strip(): line[26:].split()[:2] for line in f}
with open(os.path.expanduser("~/seen.json"), "w") as f:
    json.dump({"env": dict(x.split("=", 1) for x in env if x),
               "limits": limits, "umask": os.umask(0),
               "nice": os.nice(0), "tty": os.path.exists("/dev/tty"),
               "group": os.getpgid(0) == os.getsid(0) != os.getpid()
               or os.getsid(0) == os.getpid()}, f)
"""
ENV = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "SENDER", "RECIPIENT",
       "ORIGINAL_RECIPIENT", "EXTENSION", "QUEUE_ID"}


@pytest.fixture
def see(world):
    """Sends as told; what bob's command saw is given."""
    path = world.write_home("bob", "see.py", SEE)
    world.forward("bob", "|/usr/bin/python3 %s\n" % path)

    def run(*args, **more):
        world.send(*args, **more)
        world.wait_quiet()
        return json.loads(world.read_home("bob", "seen.json"))
    return run


def test_environment_is_exactly_this(see):
    env = see("bob")["env"]
    assert set(env) == ENV
    assert env["PATH"] == "/usr/local/bin:/usr/bin:/bin"
    assert env["EXTENSION"] == ""
    assert env["RECIPIENT"] == env["ORIGINAL_RECIPIENT"] == "bob@host.test"


def test_environment_of_an_alias_that_leads_there(world, see):
    world.write_aliases("info: bob+sales\n")
    env = see("-f", "<>", "Info+x")["env"]
    assert set(env) == ENV
    assert env["SENDER"] == ""
    assert env["RECIPIENT"] == "bob+sales@host.test"
    assert env["ORIGINAL_RECIPIENT"] == "Info+x@host.test"
    assert env["EXTENSION"] == "sales"


@pytest.mark.parametrize("rcpt,extension,delimiter", (
    ("bob+", "", None), ("bob++a", "+a", None), ("BOB+A.b", "A.b", None),
    ('"bob+a"@host.test', "a", None), ("bob-x+y", "x+y", "-"),
))
def test_extension(world, see, rcpt, extension, delimiter):
    if delimiter:
        world.write_conf({"RECIPIENT_DELIMITER": delimiter})
    assert see(rcpt)["env"]["EXTENSION"] == extension


def strange():
    """Runs in a caller that has seen better days."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, 4096))
    os.nice(7)


def may_raise_limits():
    """Is CAP_SYS_RESOURCE to be had here?  Containers may withhold it."""
    with open("/proc/self/status") as f:
        word, = [x.split()[1] for x in f if x.startswith("CapBnd:")]
    return int(word, 16) >> 24 & 1


def test_limits_are_those_of_a_fresh_login(see):
    got = see("bob", preexec_fn=strange)
    with open("/proc/sys/kernel/threads-max") as f:
        half = str(int(f.read()) // 2)
    wanted = {name: ["unlimited"] * 2 for name in (
        "cpu time", "file size", "data size", "address space", "file locks",
        "resident set")}
    wanted.update({
        "stack size": ["8388608", "unlimited"],
        "core file size": ["0", "unlimited"],
        "open files": ["1024", "524288"],
        "locked memory": ["8388608", "8388608"],
        "processes": [half, half], "pending signals": [half, half],
        "nice priority": ["0", "0"], "realtime priority": ["0", "0"],
    })
    if not may_raise_limits():
        wanted["open files"] = ["600", "600"]
        wanted["locked memory"] = ["4096", "4096"]
    for name, values in wanted.items():
        assert got["limits"]["Max " + name] == values, name
    assert got["nice"] == 0
    assert got["umask"] == 0o077
    assert got["group"]


STATUSES = {64: "5.3.0", 65: "5.6.0", 66: "5.3.0", 67: "5.1.1", 68: "5.1.2",
            69: "5.3.0", 70: "5.3.0", 71: "5.3.0", 72: "5.3.0", 73: "5.3.0",
            74: "5.3.0", 76: "5.3.0", 77: "5.7.1", 78: "5.3.5", 1: "5.3.0",
            63: "5.3.0", 79: "5.3.0", 128: "5.3.0", 255: "5.3.0"}
LATER = ("exit 75", "exit 126", "exit 127", "kill -9 $$", "kill -15 $$",
         "kill -11 $$")


def test_every_exit_status_has_its_fate(world):
    """One message for all: each command decides about itself alone."""
    world.leaves("queue")
    lines = ["x%d: \"|exit %d\"\n" % (n, n) for n in STATUSES]
    lines += ["y%d: \"|%s\"\n" % (n, text) for n, text in enumerate(LATER)]
    world.write_aliases("".join(lines) + "z: \"|exit 0\"\n")
    names = [line.split(":")[0] for line in lines] + ["z"]
    world.send(*names)
    # The report comes soon after, and has no other name.
    world.wait_until(lambda: len(world.log_lines("status=", "orig=")) ==
                     len(names))
    for status, code in STATUSES.items():
        assert world.log_lines("to=<|exit %d>" % status, "status=failed",
                               "dsn=" + code), status
    for text in LATER:
        assert world.log_lines("to=<|%s>" % text, "status=deferred"), text
    assert world.log_lines("to=<|exit 0>", "status=sent")
    bounce, = world.wait_mail("alice")
    assert bounce.text.count(b"\nFinal-Recipient:") == len(STATUSES)


def test_end_of_a_long_output_is_in_the_report(world):
    world.forward("bob", "|seq 1 9999; echo the reason; exit 69\n")
    world.send("bob")
    bounce, = world.wait_mail("alice")
    text = b" ".join(bounce.text.split())
    assert b"9998 9999 the reason" in text
    assert b" 9300 " in text
    assert b" 8000 " not in text


def test_command_that_stops_itself_is_ended(world):
    world.leaves("queue")
    world.write_conf({"COMMAND_TIMEOUT": "1s"})
    world.forward("bob", "|echo $$ > /home/bob/pid; kill -STOP $$\n")
    world.send("bob")
    world.wait_tried("timed out and was killed", limit=20)
    assert not os.path.exists("/proc/%d" % int(world.read_home("bob", "pid")))


def test_command_that_closes_all_is_waited_for(world):
    world.forward("bob", "|exec <&- >&- 2>&-; sleep 1; : > /home/bob/end\n")
    world.send("bob")
    world.wait_until(lambda: world.log_lines("status=sent"))
    assert os.path.exists("/home/bob/end")


@pytest.mark.parametrize("text,status", (
    ("|setsid sleep 67 & exit 0", "sent"),
    ("|setsid sleep 67 & sleep 68", "deferred"),
))
def test_child_in_a_session_of_its_own_does_not_keep_us(world, text, status):
    world.leaves("queue")
    world.write_conf({"COMMAND_TIMEOUT": "1s"})
    world.forward("bob", text + "\n")
    world.send("bob")
    world.wait_until(lambda: world.log_lines("status=" + status), 50)
    world.run(["pkill", "-u", "bob"])


def test_deferred_command_is_run_again_by_another_runner(world):
    world.forward("bob", "|echo run >> /home/bob/out; cat >> /home/bob/out; "
                         "test -e /home/bob/ready || exit 75\n")
    world.send("bob")
    world.wait_tried("status 75")
    world.stop()
    world.write_home("bob", "ready", "")
    world.flush()
    world.wait_quiet()
    out = world.read_home("bob", "out")
    assert out.count(b"run\n") == out.count(b"\nhello\n") == 2


@pytest.fixture
def dave(world):
    """A user, and /etc/shells, which the test may change."""
    world.add_user("dave")
    with open("/etc/shells") as f:
        shells = f.read()
    world.forward("dave", "|env > /home/dave/out\n")
    yield "dave"
    world.stop()
    if os.path.isdir("/etc/shells"):
        os.rmdir("/etc/shells")
    world._fresh("/etc/shells", shells, 0o644)
    world.remove_user("dave")


@pytest.mark.parametrize("shell,may", (("/bin/sh", True), ("/bin/bash", False)))
def test_without_a_list_of_shells_the_usual_ones_count(world, dave, shell, may):
    world.run(["usermod", "-s", shell, dave])
    os.unlink("/etc/shells")
    world.send(dave)
    world.wait_quiet()
    assert bool(world.read_home(dave, "out")) == may
    assert len(world.mailbox(dave)) == (not may)


def test_a_list_of_shells_that_cannot_be_read_defers(world, dave):
    """It is no reason to deliver to the mailbox."""
    os.unlink("/etc/shells")
    os.mkdir("/etc/shells")
    world.send(dave)
    world.wait_tried("/etc/shells")
    assert len(world.queue()) == 1 and world.mailbox(dave) == []
    os.rmdir("/etc/shells")
    world.flush()
    world.wait_quiet()
    assert world.read_home(dave, "out") != b""


def test_no_shell_is_bin_sh(world, dave):
    world.run(["usermod", "-s", "", dave])
    world.send(dave)
    world.wait_quiet()
    assert b"SHELL=/bin/sh\n" in world.read_home(dave, "out")


@pytest.mark.parametrize("required,listed", (
    ("yes", False), ("no", False), ("yes", True),
))
def test_login_shell(world, required, listed):
    """Without one the mail goes to the mailbox, and the log says so."""
    world.add_user("dave", shell="/bin/dave")
    may = listed or required == "no"
    with open("/etc/shells") as f:
        shells = f.read()
    try:
        world._fresh("/etc/shells", shells + ("/bin/dave\n" if listed else ""),
                     0o644)
        world.write_conf({"REQUIRE_SHELL": required})
        world.write_home("dave", "list", "|env > /home/dave/out\n")
        world.forward("dave", ":include:~/list\n/home/dave/file\n")
        world.send("dave")
        world.wait_quiet()
        assert (b"SHELL=/bin/dave" in world.read_home("dave", "out")) == may
        assert bool(world.read_home("dave", "file")) == may
        assert len(world.mailbox("dave")) == (not may)
        assert bool(world.log_lines("user=dave", "login shell")) != may
    finally:
        world.stop()
        world._fresh("/etc/shells", shells, 0o644)
        world.remove_user("dave")


@pytest.mark.parametrize("where", ("forward", "alias", "catch-all", "list"))
def test_mended_entry_is_what_waiting_mail_gets(world, where):
    """Not the old one for ever, and nobody gets a second copy by it."""
    def write(command):
        text = "carol, \"|%s\"\n" % command
        if where == "forward":
            world.forward("bob", "carol\n\"|%s\"\n" % command)
        elif where == "list":
            world.write_home("bob", "list", "# %s\n|%s\ncarol" % (
                command, command))
            world.forward("bob", "!alice, :include:~/list\n")
        else:
            world.write_aliases({"alias": "bob: ", "catch-all": "*: "}[where]
                                + text)
    os.makedirs("/tmp/open", exist_ok=True)
    os.chmod("/tmp/open", 0o1777)
    write("/no/such/command")
    world.send("x" if where == "catch-all" else "bob")
    world.wait_mail("carol")
    world.wait_tried("status 127")
    write("cat > /tmp/open/out")
    for _ in range(3):
        world.flush()
    world.wait_quiet()
    with open("/tmp/open/out", "rb") as f:
        assert b"\nhello\n" in f.read()
    os.unlink("/tmp/open/out")
    os.rmdir("/tmp/open")
    assert len(world.mailbox("carol")) == 1
    assert len(world.mailbox("alice")) == (where == "list")
    assert world.mailbox("bob") == []


def test_command_may_send_mail_itself(world):
    """As vacation does: set-uid programs work there."""
    world.forward("bob", "\\bob\n|/usr/sbin/sendmail carol\n")
    world.send("bob")
    world.wait_mail("bob")
    message, = world.wait_mail("carol")
    assert message["Return-Path"] == "<bob@host.test>"
    assert message.body.endswith(b"hello\n")


def test_mail_that_went_in_circles_is_ended(world):
    world.forward("bob", "|cat > /home/bob/out\n")
    world.send("bob", input=b"Received: by x\n" * 30 +
               b"Delivered-To: bob@host.test\n" * 22 + b"\nhello\n")
    bounce, = world.wait_mail("alice")
    assert b"5.4.6" in bounce.text
    assert world.read_home("bob", "out") == b""
