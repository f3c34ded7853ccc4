"""Passwords and tokens from commands; nothing of any secret is ever shown."""
import base64
import json
import os
import pwd

import pytest

import world as worlds
from smtp_peer import Script
from test_login import TOKEN, USER, configure, deferred, login

COMMAND = "/usr/local/bin/give-secret"
SEEN = "/var/spool/dma/seen"
NOW = "/etc/dma/secret-now"

LOOK = """#!/usr/bin/python3 -I
import json, os, sys
with open("%s", "a") as f:
    json.dump({"argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(),
        "ids": os.getresuid() + os.getresgid(), "groups": os.getgroups(),
        "fds": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
        "in": sys.stdin.read(), "leader": os.getsid(0) == os.getpid(),
        "privs": [x for x in open("/proc/self/status") if "NoNew" in x]}, f)
    f.write("\\n")
sys.stderr.write("words of no use\\n")
print(open("%s").read())
""" % (SEEN, NOW)


@pytest.fixture
def command(world):
    """Writes the command, gives what its runs have seen."""
    def write(text=LOOK, secret=TOKEN):
        world._fresh(COMMAND, text, 0o755)
        world._fresh(NOW, secret, 0o644)

    def seen():
        if not os.path.exists(SEEN):
            return []
        with open(SEEN) as f:
            return [json.loads(line) for line in f]
    write.seen = seen
    write()
    yield write
    for path in (SEEN, COMMAND, NOW):
        if os.path.exists(path):
            os.unlink(path)


def line(world, kind="token", more=""):
    world.write_auth('host smart.test user %s %s-command "%s one two"\n%s' % (
        USER, kind, COMMAND, more))


def not_shown(world, *words):
    text = world.log() + world.mailq()
    for u in ("alice", "root"):
        text += "".join(x.raw.decode("latin-1") for x in world.mailbox(u))
    for word in words + (TOKEN, "words of no use"):
        assert word not in text


@pytest.mark.parametrize("kind, mechanism", (("token", "XOAUTH2"),
                                             ("password", "SCRAM-SHA-256")))
def test_command(world, peer, certs, command, kind, mechanism):
    p = peer(login(auth=("PLAIN", mechanism), password=TOKEN,
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    line(world, kind, 'host other.test user x password-command "/bin/false"\n')
    world.send("ann@far.test")
    world.send("bob@far.test")
    world.wait_quiet()
    assert {x[:2] for x in p.logins} == {(mechanism, USER)}
    assert len(p.taken) == 2
    saw = command.seen()[0]
    me = pwd.getpwnam(worlds.SPOOL_USER)
    assert saw["argv"] == [COMMAND, "one", "two"]
    assert saw["ids"] == [me.pw_uid] * 3 + [me.pw_gid] * 3
    assert saw["groups"] in ([], [me.pw_gid])
    assert saw["fds"] == [0, 1, 2] or saw["fds"] == [0, 1, 2, 3]
    assert saw["in"] == "" and saw["cwd"] == "/" and saw["leader"]
    assert saw["privs"] == ["NoNewPrivs:\t1\n"]
    saw["env"].pop("LC_CTYPE", None)    # Python's own
    assert saw["env"] == {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": me.pw_dir,
        "USER": me.pw_name, "LOGNAME": me.pw_name, "SHELL": "/bin/sh"}
    not_shown(world)


def test_one_run_for_all_connections(world, peer, certs, command):
    p = peer(login(auth=("XOAUTH2",), password=TOKEN, final_delay=0.02,
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False, CONCURRENCY="4")
    line(world)
    for i in range(40):
        world.send("-odq", "u%d@far.test" % i)
    world.flush()
    world.wait_quiet()
    assert len(p.taken) == 40 and len(p.connections) > 1
    assert len(command.seen()) == 1


def test_not_run_for_others(world, peer, certs, command):
    """Neither for local mail nor for a relay that it does not belong to."""
    p = peer(Script())
    configure(world, certs, p, auth=False)
    world.write_auth('host other.test user x password-command "%s"\n'
                     % COMMAND)
    world.send("bob")
    world.send("ann@far.test")
    world.wait_mail("bob")
    world.wait_quiet()
    assert len(p.taken) == 1 and command.seen() == []


def test_token_that_ran_out_is_fetched_anew(world, peer, certs, command):
    p = peer(login(auth=("OAUTHBEARER",), password="new" + TOKEN,
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    line(world)
    deferred(world, p, "535")
    command(secret="new" + TOKEN)
    world.flush()
    world.wait_quiet()
    assert [x[2] for x in p.logins] == [False, True]
    assert len(command.seen()) == 2
    not_shown(world)


BAD = {
    "exited with status 3": "#!/bin/sh\necho %s\nexit 3\n" % TOKEN,
    "was terminated by signal 9": "#!/bin/sh\necho %s\nkill -9 $$\n" % TOKEN,
    "printed more than": "#!/bin/sh\nyes %s\n" % TOKEN,
    "first line is empty": "#!/bin/sh\necho\necho %s\n" % TOKEN,
    "control characters": "#!/bin/sh\nprintf 'a\\001%s\\n'\n" % TOKEN,
    "status 127": None,
}


@pytest.mark.parametrize("words", BAD)
def test_command_that_fails_lets_mail_wait(world, peer, certs, command,
                                           words):
    p = peer(login(auth=("XOAUTH2",), password=TOKEN,
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    line(world)
    command(BAD[words] or "")
    if BAD[words] is None:
        os.unlink(COMMAND)
    deferred(world, p, COMMAND + ": .*" + words)
    assert p.connections == []
    assert world.log_lines(COMMAND, words)
    not_shown(world)
    world.send("bob")
    world.wait_mail("bob")


def test_output_without_a_newline_and_a_child_in_the_background(
        world, peer, certs, command):
    p = peer(login(auth=("XOAUTH2",), password=TOKEN,
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    line(world)
    command("#!/bin/sh\nsleep 90 &\nprintf %%s '%s'\n" % TOKEN)
    world.send("ann@far.test")
    world.wait_until(lambda: p.taken)
    world.wait_quiet()


@pytest.mark.skipif(not os.environ.get("DMA_SLOW"),
                    reason="DMA_SLOW is not set: takes half a minute")
def test_command_that_hangs_is_ended(world, peer, certs, command):
    p = peer(login(auth=("XOAUTH2",), password=TOKEN,
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    line(world)
    command("#!/bin/sh\nsleep 1000 &\nexec sleep 1000\n")
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test", 60)
    world.wait_listed("took longer than 30 seconds")
    assert world.run(["pgrep", "-x", "sleep"]).stdout == b""


@pytest.mark.parametrize("bad", ("give", '"give"', '"/bin/a', '"/bin/a"b',
                                 '"/bin/a $HOME"', '"/bin/a;/bin/b"', '""'))
def test_command_that_is_none_closes_the_way(world, peer, certs, bad):
    p = peer(Script())
    configure(world, certs, p, auth=False)
    world.write_auth("host smart.test user u password-command %s\n" % bad)
    deferred(world, p)
    assert p.connections == [] and world.log_lines("auth.conf:1")


def test_nobody_can_look_into_who_runs_them(world, peer, certs, command):
    p = peer(login(auth=("XOAUTH2",), password=TOKEN, mute_at="MAIL",
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    line(world)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_until(lambda: p.logins)
    remote = [x for x in world.processes() if
              os.readlink("/proc/%d/exe" % x).endswith("dma-remote")]
    assert len(remote) == 2
    for pid in world.processes():
        assert os.stat("/proc/%d/maps" % pid).st_uid == 0
        for name in ("cmdline", "environ"):
            with open("/proc/%d/%s" % (pid, name), "rb") as f:
                assert TOKEN.encode() not in f.read()
        # The helpers of root keep what commands may have.
        most = "unlimited" if world.status_of(pid, "Uid")[0] == "0" else "0"
        with open("/proc/%d/limits" % pid) as f:
            assert [x.split()[4:6] for x in f if "core" in x] == [["0", most]]


# -- what hosts may show -------------------------------------------------------

def traces(secret):
    """The secret, parts of it, and what it looks like on the wire."""
    raw = secret.encode()
    forms = [raw]
    for text in (raw, b"\0%s\0%s" % (USER.encode(), raw),
                 b"user=%s\1auth=Bearer %s\1\1" % (USER.encode(), raw)):
        forms.append(base64.b64encode(text))
    return forms


MECHANISMS = (("PLAIN", "password"), ("LOGIN", "password"),
              ("CRAM-MD5", "password"), ("SCRAM-SHA-1", "password"),
              ("SCRAM-SHA-256", "password"), ("XOAUTH2", "token"),
              ("OAUTHBEARER", "token"))


@pytest.mark.parametrize("when", ("login", "recipient"))
def test_host_that_repeats_what_was_said(world, peer, certs, when):
    """With every mechanism, in the reply to it and in one much later; nor does
    the caller see it with -v."""
    world.leaves("queue")
    shown = b""
    for n, (mechanism, kind) in enumerate(MECHANISMS):
        p = peer(login(auth=(mechanism,), password=TOKEN,
                       certificate=certs["smart"],
                       auth_reply="535 5.7.8 not with %said"
                       if when == "login" else None,
                       rcpt_reply="550 5.1.1 not for %said"))
        configure(world, certs, p, auth=False)
        world.write_auth("host smart.test user %s %s %s\n"
                         % (USER, kind, TOKEN))
        shown += world.send("-v", "u%d@far.test" % n).stderr
        if when == "login":
            world.wait_tried("u%d@far.test" % n)
            world.wait_listed("not with ")
            # The next login is that of the next message.
            assert world.run(["dma", "queue", "delete", "--all"]
                             ).returncode == 0
        else:
            world.wait_mail("alice", n + 1)
        c = p.connections[0]
        assert c.logins and TOKEN not in str(c.logins)
        for line in c.lines:
            if len(line.split()) == 3 and line.startswith(b"AUTH"):
                not_shown(world, line.split()[2].decode())
                assert line.split()[2] not in shown
    not_shown(world, *(x.decode() for x in traces(TOKEN)))
    for mechanism, _ in MECHANISMS:
        assert b">>> AUTH %s\n" % mechanism.encode() in shown
    for word in [TOKEN.encode(), *traces(TOKEN)]:
        assert word not in shown


@pytest.mark.parametrize("mechanism", ("XOAUTH2", "OAUTHBEARER"))
def test_host_that_repeats_a_part(world, peer, certs, mechanism):
    p = peer(login(auth=(mechanism,), password=TOKEN, said_max=60,
                   certificate=certs["smart"],
                   auth_reply="535 5.7.8 %said ... " + TOKEN[:25] + "..."))
    configure(world, certs, p, auth=False)
    world.write_auth("host smart.test user %s token %s\n" % (USER, TOKEN))
    world.leaves("queue")
    world.send("far@far.test")
    world.wait_tried("far@far.test")
    world.wait_listed("535")
    not_shown(world, TOKEN[:20], *(x[:40].decode() for x in traces(TOKEN)))


def kinds_of_descriptors(pid):
    """What it has open, one word for each, sorted."""
    kinds = []
    for name in os.listdir("/proc/%d/fd" % pid):
        path = os.readlink("/proc/%d/fd/%s" % (pid, name))
        with open("/proc/%d/fdinfo/%s" % (pid, name)) as f:
            flags = int(f.read().split("flags:")[1].split()[0], 8)
        if path.startswith("/var/spool/dma/queue/"):
            assert flags & os.O_ACCMODE == os.O_RDONLY
            path = "message"
        kinds.append(path.split(":")[0])
    return sorted(kinds)


def test_t7_dma_remote_has_what_it_needs_and_no_more(world, peer):
    """No log, which is a socket to anywhere or a file that others believe;
    messages are open for reading only."""
    world.smarthost(peer({"final_delay": 3}))
    world.send("far@far.test")
    remote, = world.wait_until(lambda: [
        pid for pid in world.processes()
        if world.status_of(pid, "Name") == ["dma-remote"] and
        "message" in kinds_of_descriptors(pid)])
    # The runner's, and the connection.
    assert kinds_of_descriptors(remote) == [
        "/dev/null", "/dev/null", "message", "socket", "socket"]
    assert world.status_of(remote, "NoNewPrivs") == ["1"]
    assert world.status_of(remote, "Seccomp") == ["2"]
    assert world.status_of(remote, "Threads") == ["1"]
    runner, = [pid for pid in world.processes()
               if world.status_of(pid, "Name") == ["dma"] and
               world.status_of(pid, "Seccomp") == ["2"]]
    assert world.status_of(runner, "NoNewPrivs") == ["1"]
    world.wait_quiet()


def test_auth_conf_is_not_opened_for_local_mail(world):
    """The runner only looks whether it was changed."""
    world.write_auth("u|smart.test:%s\n" % TOKEN)
    trace = "/tmp/trace"
    done = world.run(["strace", "-f", "-o", trace, "-e",
                      "trace=openat,open,execve",
                      worlds.SENDMAIL, "bob"], input="Subject: s\n\nx\n")
    assert done.returncode == 0, done.stderr
    world.wait_mail("bob")
    world.wait_quiet()
    with open(trace) as f:
        text = f.read()
    assert "dma.conf" in text and "/var/mail" in text
    assert "auth.conf" not in text and "dma-remote" not in text


@pytest.mark.parametrize("mode", (0o600, 0o000))
def test_auth_conf_that_dma_can_not_read(world, peer, mode):
    p = peer(Script())
    world.smarthost(p)
    world._fresh("/etc/dma/auth.conf", "u|smart.test:%s\n" % TOKEN, mode)
    world.leaves("queue")
    world.send("far@far.test", "bob")
    world.wait_mail("bob")
    world.wait_tried("far@far.test")
    world.wait_listed("chown root:_dma")
    assert "/etc/dma" not in world.mailq("alice")
    assert world.log_lines("auth.conf", "Permission denied")
    assert p.connections == []
