"""Names of users as the user database has them, whatever they look like."""
import os
import pwd

import pytest

from smtp_peer import Script
from world import MAIL

ODD = {
    # login: as a local part
    "20231234": "20231234",
    "EXAMPLE\\dave": '"EXAMPLE\\\\dave"',
    "two words": '"two words"',
    "a..b": '"a..b"',
    "trailing.": '"trailing."',
    "Alice": "Alice",
    "j\u00f6rg": "j\u00f6rg",
    "dave@corp.test": '"dave@corp.test"',
    "a-name-that-is-longer-than-thirty-two-bytes":
    "a-name-that-is-longer-than-thirty-two-bytes",
    "bob+smith": "bob+smith",
}


@pytest.fixture
def logins(world):
    """Adds users that useradd would refuse."""
    with open("/etc/passwd", "rb") as f:
        passwd = f.read()

    def add(*names):
        for n, name in enumerate(names):
            uid = 4001 + len(os.listdir("/home"))
            home = "/home/odd-%d" % uid
            with open("/etc/passwd", "a", encoding="utf-8") as f:
                f.write("%s:x:%d:%d:Full %s,,,:%s:/bin/sh\n" % (
                    name, uid, uid, n, home))
            os.mkdir(home)
            os.chown(home, uid, uid)
            os.chmod(home, 0o755)
    yield add
    world.wait_quiet() if not world.left else world.stop()
    for user in pwd.getpwall():
        if user.pw_dir.startswith("/home/odd-"):
            world.run(["rm", "-r", user.pw_dir])
    with open("/etc/passwd", "wb") as f:
        f.write(passwd)


@pytest.mark.parametrize("login", ODD)
def test_c5_odd_login_is_a_user(world, logins, login):
    """As caller and as recipient, in all ways of naming it; with a .forward
    and a command, which knows who it is."""
    local = ODD[login]
    logins(login)
    world.send("bob", user=login)
    mail, = world.wait_mail("bob")
    assert b"Return-Path: <%s@host.test>\n" % local.encode() in mail.text
    assert mail.header_bytes.count(
        b"From: Full 0 <%s@host.test>" % local.encode()) == 1
    from_line = ("From %s@host.test " % local.replace(" ", "-")).encode()
    assert mail.from_line.encode("latin-1").startswith(from_line)

    ways = [local + "@host.test", local]
    if "@" not in login:
        ways.append(login)
    for way in ways:
        world.send("--", way)
    if "@" not in login:
        world.send("-t", input="From: %s (Cron Daemon)\nTo: %s\n\nx\n" % (
            login, login))
    world.send("-f", login if "@" not in login else local, "bob")
    n = len(ways) + ("@" not in login)
    got = world.wait_mail(login, n)
    if "@" not in login:
        assert b"\nTo: %s@host.test\n" % local.encode() in got[-1].header_bytes
        assert b"\nFrom: %s@host.test (Cron Daemon)\n" % local.encode(
            ) in got[-1].header_bytes
    sender = world.wait_mail("bob", 2)[-1].from_line
    assert sender.encode("latin-1").startswith(from_line)

    home = pwd.getpwnam(login).pw_dir
    world.forward(login, "\\%s, |echo \"$USER $LOGNAME $HOME x$EXTENSION\" "
                  ">$HOME/out\n" % (local if "@" in login or " " in login
                                    else login))
    world.send("--", local)
    world.wait_mail(login, n + 1)
    world.wait_quiet()
    assert world.read_home(login, "out").decode() == "%s %s %s x\n" % (
        login, login, home)
    world.write_aliases("team: %s\n" % (local + "@host.test" if "@" in login
                                        else local))
    world.send("team")
    world.wait_mail(login, n + 2)


def test_c5_upper_and_lower_case_are_two_users(world, logins):
    logins("Alice")
    world.forward("Alice", "alice, |cat >$HOME/of-Alice\n")
    world.forward("alice", "|cat >$HOME/of-alice\n")
    world.send("Alice", "alice")
    world.wait_quiet()
    world.send("Alice")
    world.wait_quiet()
    assert world.read_home("Alice", "of-Alice")
    assert world.read_home("alice", "of-alice")
    assert world.mailbox("alice") == world.mailbox("Alice") == []
    world.send("BOB")
    world.wait_mail("bob")


def test_c5_number_is_no_uid(world):
    uid = pwd.getpwnam("bob").pw_uid
    done = world.send(str(uid), status=67)
    assert b"no such user" in done.stderr
    assert world.mailbox("bob") == []


@pytest.mark.parametrize("login", (".bob", "..", "x/y"))
def test_c5_name_that_is_no_file_waits(world, logins, login):
    """In a mail directory only: a .forward is the way out."""
    logins(login)
    world.leaves("queue")
    world.send("--", login)
    world.wait_tried("user name cannot be used")
    assert os.listdir(MAIL) == []
    world.stop()
    world.forward(login, "~/Maildir/\n")
    world.flush()
    new = pwd.getpwnam(login).pw_dir + "/Maildir/new"
    world.wait_until(lambda: os.path.isdir(new) and len(os.listdir(new)) == 1)


def test_c4_whole_name_comes_first(world, logins):
    """bob+smith is a user beside bob: of cron, aliases and .forward."""
    logins("bob+smith")
    world.write_aliases("bob: carol\nbob+alias: root\n")
    cron = "From: root (Cron Daemon)\nTo: bob+smith\n\nx\n"
    world.send("-FCronDaemon", "-i", "-oem", "bob+smith", input=cron)
    world.send("-t", input=cron)
    world.send("bob+smith+list")
    world.wait_mail("bob+smith", 3)
    world.send("bob+other")
    world.wait_mail("carol", 1)
    world.send("bob+alias")
    world.wait_mail("root", 1)
    world.forward("bob+smith", "bob+smith, bob\n")
    world.send("bob+smith")
    world.wait_mail("bob+smith", 4)
    world.wait_mail("carol", 2)
    world.wait_quiet()
    world.write_aliases("")
    world.forward("bob", "bob+smith\n")
    world.forward("bob+smith", "|echo x$EXTENSION >>$HOME/out\n")
    world.send("bob+any")
    world.wait_quiet()
    world.send("bob+smith+list")
    world.wait_quiet()
    assert world.read_home("bob+smith", "out") == b"x\nxlist\n"
    assert world.mailbox("bob") == []


def test_c4_delimiter_of_many_logins(world):
    """With "-", which system users have in their names."""
    world.write_conf({"RECIPIENT_DELIMITER": "-"})
    for name in ("www-data", "www-data-cron"):
        world.send(name)
    world.wait_mail("www-data", 2)
    world.send("bob-www-data")
    world.wait_mail("bob")


def test_c5_other_keys_take_such_names(world, logins, peer):
    logins("two words", "EXAMPLE\\dave")
    world.write_conf({"ALIAS_USER": "two words", "MAILBOX": "maildir"})
    os.mkdir("/tmp/c5", 0o777)
    os.chmod("/tmp/c5", 0o777)
    world.write_aliases('"x y": "|id -un >/tmp/c5/id"\n'
                        'EXAMPLE\\dave2: EXAMPLE\\dave\n')
    assert world.run(["newaliases"]).returncode == 0
    world.send('"x y"', "EXAMPLE\\dave2")
    world.wait_quiet()
    with open("/tmp/c5/id") as f:
        assert f.read() == "two words\n"
    new = pwd.getpwnam("EXAMPLE\\dave").pw_dir + "/Maildir/new"
    assert len(os.listdir(new)) == 1
    p = peer(Script())
    with open("/etc/dma/senders", "w") as f:
        f.write("EXAMPLE\\dave 127.0.0.1:%d\n"
                "\"two words\" 127.0.0.1:%d\n" % (p.port, p.port))
    world.write_conf({"SENDER_RELAY": "/etc/dma/senders", "SMARTHOST":
                      "127.0.0.1:1"})
    world.send("ann@far.test", user="EXAMPLE\\dave")
    world.wait_until(lambda: p.taken)
    assert p.taken[0].sender == '"EXAMPLE\\\\dave"@host.test'
    world.send("ann@far.test", user="two words")
    world.wait_until(lambda: len(p.taken) == 2)


# ---- addresses that look like something else ----

X400 = {
    "/G=A/S=B/@gw.test": "/G=A/S=B/@gw.test",
    "!a@gw.test": "!a@gw.test",
    "|a@gw.test": "|a@gw.test",
    ":a@gw.test": '":a"@gw.test',
    ":include:/etc/passwd@gw.test": '":include:/etc/passwd"@gw.test',
    "\\bob@gw.test": '"\\\\bob"@gw.test',
    '"|prog x"@gw.test': '"|prog x"@gw.test',
    '"/tmp/x"@gw.test': "/tmp/x@gw.test",
    "<:a@gw.test>": '":a"@gw.test',
    "~/x@gw.test": "~/x@gw.test",
}


@pytest.mark.parametrize("how", ("arguments", "header", "alias"))
def test_n6_address_with_a_host_is_an_address(world, peer, how):
    p = world.smarthost(peer(Script()))
    if how == "arguments":
        done = world.send("--", *X400)
    elif how == "header":
        done = world.send("-t", input="To: %s\nCc: %s\n\nx\n" % (
            ", ".join(list(X400)[:5]), ", ".join(list(X400)[5:])))
    else:
        targets = ['"|prog x"@gw.test', '"/tmp/x"@gw.test']
        world.write_aliases("team: " + ", ".join(targets) + "\n")
        done = world.send("team")
    assert done.stderr == b""
    world.wait_until(lambda: p.taken)
    want = set(X400.values()) if how != "alias" else {
        '"|prog x"@gw.test', "/tmp/x@gw.test"}
    assert set(p.taken[0].accepted) == want


def test_n6_programs_and_files_are_not_for_callers(world):
    for text in ("|touch /tmp/n6", "|touch", "/tmp/n6", ":include:/etc/passwd",
                 '"|touch /tmp/n6"', '"/tmp/n6"', '":include:/etc/passwd"'):
        world.send("--", text, status=65)
        world.send("-t", input="To: %s\n\nx\n" % text, status=65)
    world.send("\\bob")
    world.wait_mail("bob")
    world.leaves("queue")
    world.send("|touch /tmp/n6@localhost", "bob", status=0)
    world.wait_mail("bob", 2)
    assert not os.path.exists("/tmp/n6")


# ---- a recipient is never dropped in silence ----

@pytest.mark.parametrize("how", ("arguments", "header", "both"))
def test_c21_unreadable_recipient_is_reported_by_mail(world, how):
    args, header = {
        "arguments": (("bob, Jim Smith jim@x.test", "a@b@c", "|x"), ""),
        "header": (("-t",), "To: bob, Jim Smith jim@x.test\nCc: a@b@c, |x\n"),
        "both": (("-t", "Jim Smith jim@x.test"), "To: bob, |x\nCc: a@b@c\n"),
    }[how]
    done = world.send(*args, input=header + "Subject: test\n\nx\n")
    assert len(done.stderr.splitlines()) == 3
    world.wait_until(lambda: world.log_lines("nrcpt=4", "status=queued"))
    world.wait_mail("bob")
    report, = world.wait_mail("alice")
    bad = (b"Jim Smith jim@x.test", b"a@b@c", b"|x")
    for text in bad:
        assert text in done.stderr and text in report.body
        assert world.log_lines("to=<%s>" % text.decode(), "dsn=5.1.3",
                               "status=failed")
    assert report.body.count(b"Status: 5.1.3") == 3
    assert b"\nTo: alice@host.test" in report.text
    world.wait_quiet()


def test_c21_only_unreadable_ones_queue_nothing(world):
    done = world.send("Jim Smith jim@x.test", status=65)
    assert b"Jim Smith" in done.stderr
    assert world.log_lines("status=refused", "Jim Smith jim@x.test")
    assert world.queue() == [] and world.mailbox("alice") == []


def test_c21_report_waits_for_nothing(world, peer):
    """Nor is it asked for with -N never, nor with the null sender."""
    world.smarthost(peer(Script()), DEFER="")
    world.leaves("queue")
    world.send("ann@far.test", "a@b@c")
    world.wait_mail("alice")
    world.send("-N", "never", "bob", "a@b@c")
    world.send("-f", "<>", "bob", "a@b@c")
    world.wait_mail("bob", 2)
    world.wait_mail("root")
    world.wait_mail("alice")


# ---- each bare name by itself ----

def test_c14_bad_neighbour_costs_itself(world):
    header = (b"From: J\xfcrgen M\xfcller <alice>\n"
              b"To: root, Jim Smith jim@example.org,\n"
              b"\t=?utf-8?Q?J=C3=BC?= <bob> (c, d), Us: ann, x y;\n"
              b"Reply-To: alice (J\xfc), \"open <carol>\n")
    world.send("bob", input=header + b"\nx\n")
    mail, = world.wait_mail("bob")
    want = header.replace(b"<alice>", b"<alice@host.test>").replace(
        b"root,", b"root@host.test,").replace(
        b"<bob>", b"<bob@host.test>").replace(
        b"ann, x", b"ann@host.test, x").replace(
        b"alice (J", b"alice@host.test (J")
    for line in want.splitlines():
        assert b"\n" + line + b"\n" in mail.text, line


# ---- the environment ----

@pytest.mark.parametrize("name,value,used", (
    ("EMAIL", "Ann Lee", False), ("EMAIL", "a@x.test, b@x.test", False),
    ("EMAIL", "a\nb@x.test", False), ("EMAIL", "a" * 600 + "@x.test", False),
    ("EMAIL", "<>", False), ("EMAIL", "G: a@b;", False),
    ("EMAIL", "Ann <ann@x.test>", True), ("LOGNAME", "bob", False),
    ("LOGNAME", "no\x1bbody", False), ("NAME", "x\ny", False),
    ("NAME", "x" * 300, False), ("TZ", "/etc/passwd", False),
    ("TZ", ":/tmp/x", False),
))
def test_c15_environment_is_a_wish(world, name, value, used):
    world.send_with({name: value}, "bob")
    mail, = world.wait_mail("bob")
    assert mail.from_line.startswith(
        "From ann@x.test " if used else "From alice@host.test ")
    assert len(world.log_lines('ignored="%s"' % name)) == (0 if used else 1)


def test_c21_unreadable_ones_count_as_recipients(world):
    world.write_conf({"MAX_RECIPIENTS": "3"})
    done = world.send("-t", status=65,
                      input="To: bob, a b, c d\nCc: e f\n\nx\n")
    assert b"more than 3 recipients: " in done.stderr
    assert world.queue() == []
    world.send("-t", input="To: bob, a b, c d\n\nx\n")
    world.wait_mail("bob")
    world.wait_mail("alice")
