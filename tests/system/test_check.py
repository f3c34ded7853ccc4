"""dma check: what is wrong, in words, with file and line; what is right."""
import grp
import json
import os
import pwd
import subprocess

import pytest

from dns_peer import A, MX, NameServer
from smtp_peer import MUTE, Script

DMA = "/usr/sbin/dma"
CONF = "/etc/dma/dma.conf"
AUTH = "/etc/dma/auth.conf"


@pytest.fixture
def check(world):
    def run(*args, user="root"):
        call = [DMA, "check", *args]
        if user != "root":
            call = ["setpriv", "--reuid", user, "--clear-groups",
                    "--"] + call
        done = subprocess.run(call, capture_output=True, text=True,
                              timeout=30, check=False)
        assert done.stderr == "" or done.returncode in (64, 77)
        return done.returncode, done.stdout + done.stderr
    yield run


@pytest.fixture
def mode():
    """Changes modes for the time of a test."""
    before = []

    def change(path, bits):
        before.append((path, os.stat(path).st_mode & 0o7777))
        os.chmod(path, bits)
    yield change
    for path, bits in reversed(before):
        os.chmod(path, bits)


def test_host_that_is_set_up(world, check):
    world.write_conf({"SMARTHOST": "relay.test:587 mx:b.test",
                      "LOCALDOMAINS": "a.test"})
    world.write_auth("me|relay.test:geheim\n")
    world.write_aliases("root: ann@x.test\n")
    status, out = check()
    assert status == 0 and "error" not in out.replace("0 errors", "")
    for text in (
            "ok      relay: relay.test port 587, then mx:b.test port 25; "
            "TLS: verify for a host with a login, else opportunistic\n",
            "ok      /etc/aliases: 1 alias\n",
            "ok      relay.test: login me\n",
            "ok      mail name: host.test\n",
            "ok      local domains: localhost, host.test, a.test\n",
            "ok      mail for root: goes to ann@x.test\n",
            "ok      /var/spool/dma: the queue\n",
            "ok      %s: set-uid root" % DMA):
        assert text in out
    assert "geheim" not in out
    assert out.endswith("0 errors, 1 warning\n")    # there is no init


def test_login_of_certain_senders_is_not_that_of_the_relay(world, check):
    world.write_conf({"SMARTHOST": "relay.test srv:c.test",
                      "SENDER_RELAY": "/etc/dma/senders"})
    world.write_auth("root|relay.test:geheim\nann|relay.test:geheim\n")
    world._fresh("/etc/dma/senders", "ann@a.test relay.test user ann\n", 0o644)
    status, out = check()
    assert status == 0
    assert "ok      relay.test: login root\n" in out and "login ann" not in out
    assert ": relay.test port 25, then srv:c.test; TLS" in out


def test_password_and_login_are_not_shown_to_users(world, check):
    world.write_conf({"SMARTHOST": "relay.test"})
    world.write_auth("secretuser|relay.test:geheim\nbroken\n")
    status, out = check(user="nobody")
    assert status == 0 and AUTH + ": not shown" in out
    assert "geheim" not in out and "secretuser" not in out
    assert "broken" not in out


@pytest.mark.parametrize("keys, text", (
    ({"SMARTHOSTS": "a.test"}, "error   %s: mail for other hosts is deferred "
     "until line " % CONF),
    ({"MAILBOX": "nonsense"}, "error   mailboxes: the value of MAILBOX is "
     "not understood: local mail is deferred"),
    ({"MAX_SIZE": "many"}, "warning %s:" % CONF),
    ({"CAFILE": "/nonexistent"}, "error   /nonexistent: CAFILE: No such file"),
    ({"SENDER_RELAY": "/nonexistent"}, "error   /nonexistent: No such file or "
     "directory\nerror   SENDER_RELAY: the file cannot be read: mail for other "
     "hosts is deferred\n"),
    ({"FROM_MAP": "/nonexistent"}, "error   /nonexistent: No such file or "
     "directory\nerror   FROM_MAP: the file cannot be read: no address is "
     "replaced\n"),
    ({"MAILSPOOL": "/nonexistent"}, "error   /nonexistent: No such file"),
    ({"MAILSPOOL": "/etc/passwd"}, "error   /etc/passwd: not a directory"),
    ({"MAILBOX": "maildir ~/Maildir"}, "ok      mailboxes: ~/Maildir\n"),
    ({"ALIASES": "/nonexistent"}, "warning /nonexistent: does not exist"),
    ({"ALIASES": "/etc"}, "error   /etc: "),
    ({"DEFER": ""}, "ok      runner: mail for other hosts is sent when the "
     "queue is run (DEFER)"),
    ({"LOG": "file /nonexistent"}, "warning /nonexistent: LOG: does not "
     "exist, syslog is used: run \"install -o _dma "),
    ({"LOG": "file /etc/shadow"}, "warning /etc/shadow: LOG: Permission "
     "denied, syslog is used: the user _dma must be able to write it"),
    ({"LOG": "file /dev/null"}, "warning /dev/null: LOG: not a regular file"),
    ({"MAILQ_GROUP": "nonexistent"}, "warning MAILQ_GROUP: there is no group "
     "nonexistent: only root sees the mail of others\n"),
    ({"ALIAS_USER": "nonexistent"}, "error   ALIAS_USER: there is no user "
     "nonexistent: mail for commands, files and lists"),
    ({"ALIAS_USER": "root"}, "error   ALIAS_USER: must not be root: mail "),
    ({"MAILNAME": "host"}, "warning mail name: host has no domain"),
    ({"NOREMOTE": ""}, "ok      other hosts: mail for them is rejected"),
    ({"NULLCLIENT": "", "SMARTHOST": "a.test"}, "ok      local domains: none"),
))
def test_configuration(world, check, keys, text):
    world.write_conf(keys)
    status, out = check()
    assert text in out
    assert status == (78 if "error " in text else 0)


@pytest.mark.parametrize("path, bits, text", (
    (CONF, 0o666, "can be changed by others (mode 0666): run \"chmod go-w"),
    (CONF, 0o600, "the user _dma must be able to read it"),
    (AUTH, 0o600, "cannot be read by _dma: run \"chown root:_dma "),
    (AUTH, 0o644, "must not be readable"),
    ("/var/spool/dma", 0o755, "can be read by others: run \"chmod 700"),
    (DMA, 0o755, "not set-uid root, and there is no /run/dma/submit"),
    ("/usr/libexec/dma/dma-remote", 0o644, "cannot be executed by _dma"),
))
def test_modes(world, check, mode, path, bits, text):
    world.write_conf({"SMARTHOST": "relay.test"})
    world.write_auth("me|relay.test:geheim\n")
    mode(path, bits)
    status, out = check()
    assert status == 78
    assert any(line.startswith("error   " + path) and text in line
               for line in out.split("\n")), out


@pytest.mark.parametrize("keys, auth, text", (
    ({"TLS": "off", "INSECURE": ""}, "me|relay.test:geheim\n",
     "warning relay.test: login me, and the password is sent in the clear"),
    ({}, "host relay.test user me password-file /nonexistent\n",
     "error   relay.test: login: No such file or directory: mail is deferred"),
    ({}, "host relay.test user me password-command /bin/true\n",
     "ok      relay.test: login me (password from a command)"),
))
def test_logins(world, check, keys, auth, text):
    world.write_conf({"SMARTHOST": "relay.test", **keys})
    world.write_auth(auth)
    status, out = check()
    assert text in out and "geheim" not in out
    assert status == (78 if "error " in text else 0)


@pytest.mark.parametrize("owner, mode, text", (
    ("root", 0o640, None),
    ("_dma", 0o400, None),
    ("bob", 0o640, "is not owned by root or _dma"),
    ("root", 0o660, "is writable by others than its owner: chmod go-w it"),
    ("root", 0o644, "is readable by everybody: chmod o-r it"),
    ("root", 0o750, "is not a regular file"),
))
def test_file_of_a_password(world, check, owner, mode, text):
    path = "/etc/dma/password"
    if mode & 0o100:
        os.mkdir(path)
    else:
        world._fresh(path, "geheim\n", mode)
    os.chmod(path, mode)
    os.chown(path, pwd.getpwnam(owner).pw_uid, grp.getgrnam("_dma").gr_gid)
    world.write_conf({"SMARTHOST": "relay.test"})
    world.write_auth("host relay.test user me password-file %s\n" % path)
    try:
        status, out = check()
    finally:
        os.rmdir(path) if mode & 0o100 else os.unlink(path)
    assert "geheim" not in out
    if text is None:
        assert "ok      relay.test: login me (password from a file)" in out
    else:
        assert status == 78
        assert "error   relay.test: login: %s: mail is deferred" % text in out


REMOTE = "/usr/libexec/dma/dma-remote"
SPOOL_TMPFS = ("mount -t tmpfs -o mode=700,uid=$(id -u _dma),"
               "gid=$(id -g _dma),%s none /var/spool/dma")
SOCKETS = ("python3 -c 'import socket, sys\nfor p in sys.argv[1:]: "
           "socket.socket(socket.AF_UNIX).bind(p)'"
           " /run/dma/start /run/dma/submit")


@pytest.mark.parametrize("change, text", (
    ("mount --bind /usr/sbin /usr/sbin && mount -o remount,bind,nosuid "
     "/usr/sbin", "error   %s: on a file system mounted nosuid" % DMA),
    ("chown bin " + REMOTE, "error   %s: belongs to uid 2: run \"chown root %s"
     "\"" % (REMOTE, REMOTE)),
    ("mv %s %s.away" % (REMOTE, REMOTE), "error   %s: No such file or "
     "directory: install dma again" % REMOTE),
    (SOCKETS, "ok      runner: started by init, through /run/dma/start"),
    (SOCKETS + " && chmod u-s " + DMA, "ok      %s: not set-uid: calls go "
     "through /run/dma/submit" % DMA),
    (SPOOL_TMPFS % "size=8m", "warning /var/spool/dma: only "),
    (SPOOL_TMPFS % "size=1g,nr_inodes=100", "warning /var/spool/dma: only "),
    (SPOOL_TMPFS % "size=1g" + " && mount -o remount,ro /var/spool/dma",
     "error   /var/spool/dma: on a read-only file system"),
))
def test_machine(world, change, text):
    """In a mount namespace of its own; what is no mount is undone."""
    script = "mkdir -p /run/dma; %s && exec dma check" % change
    before = os.stat(DMA).st_mode & 0o7777, os.stat(REMOTE).st_uid
    try:
        done = world.run(["unshare", "-m", "sh", "-c", script])
        assert text in done.stdout.decode(), (done.stdout, done.stderr)
        assert done.returncode == (78 if "error " in text else 0)
    finally:
        if os.path.exists(REMOTE + ".away"):
            os.rename(REMOTE + ".away", REMOTE)
        os.chown(REMOTE, before[1], -1)
        os.chmod(DMA, before[0])
        for name in ("start", "submit"):
            if os.path.exists("/run/dma/" + name):
                os.unlink("/run/dma/" + name)


def test_lines_of_files(world, check):
    world.write_aliases("root: ann\nnonsense\nbob: |\"\nx: y\ny: x\n")
    world.write_auth("x\n")
    world.write_from_map("a\n")
    world.write_conf({"FROM_MAP": "/etc/dma/from"})
    status, out = check()
    assert status == 78
    for text in ("error   /etc/aliases:2: ", "error   /etc/aliases:5: y leads "
                 "back to x, and ", "error   %s:1: " % AUTH,
                 "error   /etc/dma/from:1: "):
        assert text in out


def test_aliases_that_everybody_can_change(world, check):
    world.write_aliases("root: ann\n")
    os.chmod("/etc/aliases", 0o666)
    status, out = check()
    assert status == 0
    assert ('warning /etc/aliases: can be changed by everybody (mode 0666): '
            'run "chmod o-w /etc/aliases"\n') in out
    os.chmod("/etc/aliases", 0o664)
    assert "changed by" not in check()[1]


def test_configuration_that_cannot_be_read(world, check):
    """One line about it, and one that counts it."""
    os.chmod(CONF, 0o600)
    assert check()[1].split("\n")[1:] == [
        "error   %s: Permission denied: the user _dma must be able to read it: "
        'run "chmod 755 /etc/dma" and "chmod 644 %s"' % (CONF, CONF),
        "1 error, 0 warnings", ""]
    os.unlink(CONF)
    os.mkdir(CONF)
    try:
        assert "error   %s: Is a directory\n" % CONF in check()[1]
    finally:
        os.rmdir(CONF)


def test_directory_in_place_of_a_file(world, check):
    world.write_conf({"AUTHPATH": "/etc/dma"})
    assert "error   /etc/dma: Is a directory\n" in check()[1]


def test_json(world, check):
    world.write_conf({"SMARTHOST": 'a"b.test'})
    status, out = check("--json")
    *findings, last = [json.loads(line) for line in out.splitlines()]
    assert {f["level"] for f in findings} <= {"ok", "warning", "error"}
    assert last["errors"] == sum(f["level"] == "error" for f in findings)
    assert status == (78 if last["errors"] else 0)
    assert any(f["subject"] == CONF and f.get("line") for f in findings)


def test_nothing_else_is_taken_for_it(world, check):
    assert check("--yes")[0] == 64
    world.write_aliases("check: bob\n")
    world.send("check")
    world.wait_mail("bob")


# ---- --connect ----

LOGIN = dict(auth=("SCRAM-SHA-256", "PLAIN"), user="me", password="geheim",
             require_auth=True)


@pytest.fixture
def connect(world, peer, certs, check):
    """Runs dma check --connect against a relay; gives the lines about it."""
    def run(script, *args, login=None, certificate="smart", **keys):
        script.certificate = certs[certificate]
        p = peer(script)
        keys = {"TIMEOUT": "2s", "CAFILE": certs["ca"], **keys}
        world.smarthost(p, **keys)
        world.write_auth("me|smart.test:%s\n" % login if login else "")
        status, out = check("--connect", *args)
        print(out)
        about = "smart.test[127.0.0.1] port %d" % p.port
        lines = [line.replace(about, "RELAY") for line in out.splitlines()
                 if about in line]
        assert "geheim" not in out
        assert all("MAIL" not in c.verbs for c in p.connections)
        return status, lines, p
    yield run


def test_relay_that_takes_our_login(connect):
    status, lines, p = connect(Script(tls="starttls", **LOGIN),
                               login="geheim")
    assert status == 0 and len(lines) == 2
    assert lines[0].startswith("ok      RELAY: TLSv1.3 ")
    assert lines[0].endswith(" verified")
    assert lines[1] == "ok      RELAY: login me accepted (SCRAM-SHA-256)"
    assert p.connections[0].quit and p.logins == [("SCRAM-SHA-256", "me",
                                                   True)]


@pytest.mark.parametrize("script, keys, status, words", (
    (dict(), {}, 0, ("warning RELAY: mail is sent without TLS: the server "
                     "does not offer STARTTLS",
                     "ok      RELAY: ready for mail, without a login")),
    (dict(), {"TLS": "off"}, 0, ("without TLS (TLS off)",)),
    (dict(tls="implicit"), {"SECURETRANSFER": ""}, 0, (" verified",)),
    (dict(), {"TLS": "required"}, 78,
     ("error   RELAY: EHLO: TLS is required, but the server does not offer ",
      )),
    (dict(tls="starttls", starttls_reply="454 not now"), {}, 0,
     ("warning RELAY: STARTTLS: the server said: 454 not now",
      "warning RELAY: mail is sent without TLS, which failed")),
    (dict(banner="554 5.7.1 go away"), {}, 78,
     ("error   RELAY: greeting: the server said: 554 5.7.1 go away",)),
    (dict(mute_at="EHLO"), {}, 78,
     ("error   RELAY: EHLO: timed out, while waiting for the reply to EHLO",
      )),
    (dict(ehlo_reply="550 5.7.1 no"), {"TLS": "required"}, 78,
     ("error   RELAY: EHLO: the server said: 550 5.7.1 no",)),
))
def test_relay_without_a_login(connect, script, keys, status, words):
    got, lines, _ = connect(Script(**script), **keys)
    assert got == status
    for text in words:
        assert any(text in line for line in lines), lines


def test_relay_that_refuses_our_password(connect):
    status, lines, p = connect(Script(tls="starttls", **LOGIN), login="bad")
    assert status == 78
    assert lines[-1].startswith("error   RELAY: login: the server said: 535 ")
    assert lines[-1].endswith("; correct /etc/dma/auth.conf")
    assert len(p.logins) == 1


@pytest.mark.parametrize("certificate, words", (
    ("lone", "set CAFILE or FINGERPRINT"), ("other", "other.test")))
@pytest.mark.parametrize("tls", ("verify", "opportunistic"))
def test_certificates(connect, certificate, words, tls):
    status, lines, _ = connect(Script(tls="starttls"), TLS=tls,
                               certificate=certificate)
    assert words in lines[0] and "certificate: " in lines[0]
    if tls == "verify":
        assert status == 78
        assert lines[0].startswith("error   RELAY: certificate: ")
        assert len(lines) == 1
    else:
        assert status == 0 and lines[0].startswith("warning RELAY: TLSv1.3 ")
        assert 'set "TLS verify"' in lines[0]


def test_silent_relay(connect):
    """The limit is that of TIMEOUT."""
    status, lines, _ = connect(Script(hook=lambda *_: MUTE), TIMEOUT="1s")
    assert status == 78 and lines == [
        "error   RELAY: greeting: timed out, while waiting for the greeting"]


def test_relays_in_order(world, peer, check):
    """The first is down, the second has no address, the third works."""
    down, p = peer(Script()), peer(Script())
    down.close()
    world.write_conf({"SMARTHOST": "127.0.0.1:%d none.invalid 127.0.0.1:%d" %
                      (down.port, p.port)})
    status, out = check("--connect")
    assert status == 0
    for text in ("warning 127.0.0.1 port %d: connect: Connection refused\n"
                 % down.port, "warning none.invalid: ",
                 "ok      127.0.0.1 port %d: ready for mail" % p.port):
        assert text in out
    p.close()
    status, out = check("--connect")
    assert status == 78
    assert "error   127.0.0.1 port %d: connect: Conn" % p.port in out


def test_relay_without_an_address(world, check):
    world.write_conf({"SMARTHOST": "none.invalid"})
    status, out = check("--connect")
    assert status == 78 and out.count("error ") == 1
    assert "error   none.invalid: " in out


def test_relay_by_lookup(world, peer, check):
    p = peer(Script(), host="127.0.0.11", port=25)
    world.write_conf({"SMARTHOST": "mx:far.test"})
    with NameServer({("far.test", MX): [(10, "a.far.test"),
                                        (20, "b.far.test")],
                     ("a.far.test", A): ["127.0.0.11"],
                     ("b.far.test", A): ["127.0.0.12"]}):
        status, out = check("--connect")
    assert status == 0
    for text in (
            "ok      far.test: a.far.test port 25, b.far.test port 25\n",
            "ok      a.far.test: address 127.0.0.11\n",
            "ok      a.far.test[127.0.0.11] port 25: ready for mail",
            "warning b.far.test[127.0.0.12] port 25: connect: Connection r"):
        assert text in out
    assert len(p.connections) == 1


def test_domain_that_is_unknown(world, check):
    world.write_conf({"SMARTHOST": "mx:far.test"})
    with NameServer({}):
        status, out = check("--connect")
    assert status == 78 and out.count("error ") == 1
    assert "error   relay: " in out


def test_relays_of_senders(world, peer, certs, check):
    p = peer(Script(tls="starttls", certificate=certs["smart"], **LOGIN))
    world._fresh("/etc/dma/senders", "@a.test smart.test:%d user me\n"
                 "@b.test smart.test:%d user me\n" % (p.port, p.port), 0o644)
    world.write_conf({"SENDER_RELAY": "/etc/dma/senders",
                      "CAFILE": certs["ca"]})
    world.write_auth("me|smart.test:geheim\nyou|smart.test:falsch\n")
    status, out = check("--connect")
    assert status == 0
    assert out.count("login me accepted (SCRAM-SHA-256)\n") == 1
    assert p.logins == [("SCRAM-SHA-256", "me", True)]


def test_findings_of_a_relay_as_json(world, peer, check):
    p = peer(Script(banner="554 5.7.1 \x1b[2Jno"))
    world.smarthost(p)
    status, out = check("--connect", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert status == 78 and found[-1]["errors"] == 1
    assert found[-2]["level"] == "error" and "\x1b" not in found[-2]["text"]
    assert found[-2]["text"].startswith("greeting: the server said: 554 5.7.1")


def test_our_login_is_not_for_users(world, peer, check):
    p = peer(Script())
    world.smarthost(p)
    status, out = check("--connect", user="nobody")
    assert status == 77 and "run it as root" in out
    assert p.connections == []


def test_caller_that_leaves_ends_it(world, peer):
    """No process is left that talks to the relay."""
    p = peer(Script(hook=lambda *_: MUTE))
    world.smarthost(p)
    with subprocess.Popen([DMA, "check", "--connect"],
                          stdout=subprocess.DEVNULL) as call:
        world.wait_until(lambda: p.connections)
        call.kill()
    world.wait_until(lambda: p.connections[0].ended)


# ---- --to ----

ALIASES = """root: root, ann@far.test
team: alice, Bob, other+x
other: "|/bin/command x", /var/file, :include:/etc/list, \\carol
one: two
two: one
bad: "
"""


@pytest.mark.parametrize("keys, address, lines", (
    ({}, "alice", ("ok alice: deliverable: local user alice, mailbox "
                   "/var/mail/alice",)),
    ({}, "Alice+x@HOST.test", ("ok Alice+x@host.test: deliverable: local ",)),
    ({}, "alice, b@far.test", ("ok alice: deliverable: local user ",
                               "ok b@far.test: deliverable: mail exch")),
    ({"MAILBOX": "maildir ~/M/"}, "alice", (
        "ok alice: deliverable: local user alice, MAILBOX ~/M/",)),
    ({}, "nobody-here", (
        "error nobody-here: rejected: user unknown: there is neither",)),
    ({}, "a@b@", ("error a@b@: rejected: not an address",)),
    ({}, "root", ("ok root: is the alias root, /etc/aliases:1",
                  "ok root: deliverable: local user root, ",
                  "ok ann@far.test: deliverable: mail exchangers of far.test")),
    ({"SMARTHOST": "a.test"}, "ann@far.test", (
        "ok ann@far.test: deliverable: relay a.test port 25 (SMARTHOST)",)),
    ({}, "team", ("ok team: is the alias team", "ok alice: deliverable: local user",
                  "ok Bob: deliverable: local user bob",
                  "ok other+x: is the alias other",
                  "ok /bin/command x: deliverable: command, run as nobody",
                  "ok /var/file: deliverable: file, written as nobody",
                  "ok /etc/list: deliverable: list, read at delivery as no",
                  "ok carol: deliverable: local user carol, mailbox /var/m")),
    ({}, "one", ("ok one: is the alias one", "ok two: is the alias two",
                 "error one: rejected: the aliases form a loop")),
    ({}, "bad", ("error bad: deferred: the alias bad has an error",)),
    ({"NOREMOTE": ""}, "x@far.test", ("error x@far.test: rejected: ",)),
    ({"NULLCLIENT": "", "SMARTHOST": "a.test"}, "alice", (
        "ok alice: deliverable: relay a.test port 25 (SMARTHOST)",)),
    ({"NULLCLIENT": "aliases", "SMARTHOST": "a.test"}, "root", (
        "ok root: is the alias root", "ok root: deliverable: relay a.test ",
        "ok ann@far.test: deliverable: relay a.test port 25")),
    ({"SENDER_RELAY": "/nonexistent"}, "x@far.test", (
        "error x@far.test: deferred: the file of SENDER_RELAY",)),
    ({"SMARTHOSTS": "a.test"}, "x@far.test", (
        "error x@far.test: deferred: dma.conf has an error",)),
))
def test_way_of_an_address(world, check, keys, address, lines):
    world.write_aliases(ALIASES)
    world.write_conf(keys)
    status, out = check("--to", address)
    got = [" ".join(line.split()) for line in out.splitlines()
           if CONF not in line.split(": ")[0]][:-1]
    assert len(got) == len(lines), got
    for line, text in zip(got, lines):
        assert line.startswith(text), got
    assert status == (78 if "error " in out.replace("0 errors", "") else 0)


def test_alias_of_all_other_names(world, check):
    world.write_aliases("*: ann@far.test\n")
    status, out = check("--to", "nobody-here")
    assert status == 0 and "is the alias *, " in out
    assert "ann@far.test: deliverable: mail exchangers of far.test" in out


def test_targets_and_relays_are_not_shown_to_users(world, check):
    world.write_aliases("team: secret@far.test\n")
    status, out = check("--to", "team", user="nobody")
    assert status == 0 and "secret" not in out
    assert "ok      team: deliverable: alias team, whose targets" in out
    world._fresh("/etc/dma/senders", "nobody secret.test user me\n", 0o640, 0,
                 os.stat(AUTH).st_gid)
    world.write_conf({"SENDER_RELAY": "/etc/dma/senders"})
    status, out = check("--to", "x@far.test", user="nobody")
    assert "relay of SENDER_RELAY for nobody@host.test, which is " in out
    assert "secret" not in out


def test_many_targets_are_cut(world, check):
    world.write_aliases("all: %s\n" % ", ".join("u%d@far.test" % i
                                                for i in range(500)))
    status, out = check("--to", "all")
    assert status == 0 and "are not shown" in out
    assert len(out.splitlines()) < 250


def test_hosts_of_an_address_are_tried(world, peer, check):
    p = peer(Script(), host="127.0.0.11", port=25)
    world.write_aliases("two: a@far.test, b@far.test\n")
    with NameServer({("far.test", MX): [(10, "a.far.test")],
                     ("a.far.test", A): ["127.0.0.11"]}):
        status, out = check("--connect", "--to", "two")
    assert status == 0
    assert out.count("a.far.test[127.0.0.11] port 25: ready for mail") == 1
    assert len(p.connections) == 1
