"""dma setup: a relay is found and tried; what is there already is kept."""
import grp
import os
import pty
import select
import stat
import subprocess
import termios
import time

import pytest

from dns_peer import A, SRV, NameServer
from smtp_peer import Script

DMA = "/usr/sbin/dma"
CONF = "/etc/dma/dma.conf"
AUTH = "/etc/dma/auth.conf"
SECRET = "Ge:he|im # 1"
ADDRESS = "me@smart.test"
LOGIN = dict(auth=("SCRAM-SHA-256", "PLAIN"), user=ADDRESS, password=SECRET,
             require_auth=True, tls="starttls")
LINE = "me@smart.test|smart.test:%s\n" % SECRET


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


@pytest.fixture
def relay(world, peer, certs):
    """A relay that takes the login of me@smart.test, and a configuration that
    knows its authority."""
    for path in (CONF + ".old", AUTH + ".old"):
        if os.path.exists(path):
            os.unlink(path)

    def start(**script):
        world.write_conf({"CAFILE": certs["ca"], "TIMEOUT": "5s"})
        return peer(Script(certificate=certs["smart"], **{**LOGIN, **script}))
    yield start


def setup(*args, secret=SECRET, user=None, argv0=DMA):
    call = [argv0, "setup", *args]
    if user:
        call = ["setpriv", "--reuid", user, "--clear-groups", "--"] + call
    done = subprocess.run(call, input=secret + "\n", capture_output=True,
                          text=True, timeout=60, check=False)
    print(done.stdout + done.stderr)
    assert SECRET not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


PIPED = ("--password-file", "-", ADDRESS)


def owner(path):
    st = os.stat(path)
    return stat.S_IMODE(st.st_mode), st.st_uid, grp.getgrgid(st.st_gid).gr_name


def at(p):
    return "--relay", "smart.test:%d" % p.port


def test_relay_is_tried_and_written(world, relay):
    p = relay()
    before = read(CONF)
    status, out = setup("--yes", *at(p), *PIPED)
    assert status == 0
    assert "login me@smart.test accepted (SCRAM-SHA-256)\n" in out
    assert "me@smart.test|smart.test:********\n" in out
    assert read(CONF) == before + "SMARTHOST smart.test:%d\n" % p.port
    assert read(AUTH) == LINE
    assert read(CONF + ".old") == before and read(AUTH + ".old") == ""
    assert owner(CONF) == (0o644, 0, "root")
    assert owner(AUTH) == owner(AUTH + ".old") == (0o640, 0, "_dma")
    assert not [x for x in os.listdir("/etc/dma") if x.endswith(".new")]
    assert all("MAIL" not in c.verbs for c in p.connections)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.taken[0].accepted == ["ann@far.test"]


def test_relay_by_srv(world, relay):
    p = relay()
    names = {("_submission._tcp.smart.test", SRV):
             [(0, 1, p.port, "a.smart.test")],
             ("a.smart.test", A): ["127.0.0.1"]}
    with NameServer(names):
        status, out = setup("--yes", *PIPED)
    # The certificate is that of the domain that was asked for.
    assert status == 0 and "a.smart.test[127.0.0.1] port %d: login" % p.port \
        in out
    assert read(CONF).endswith("\nSMARTHOST srv:smart.test\n")
    assert read(AUTH) == LINE


def test_tls_first_by_srv(world, relay):
    p = relay(tls="implicit")
    names = {("_submissions._tcp.smart.test", SRV):
             [(0, 1, p.port, "a.smart.test")],
             ("a.smart.test", A): ["127.0.0.1"]}
    with NameServer(names):
        assert setup("--yes", *PIPED)[0] == 0
    assert read(CONF).endswith("\nSMARTHOST srv:smart.test\n")


def unchanged(call):
    """Its status and output; the files are as before."""
    before = [(read(x), os.stat(x).st_ino) for x in (CONF, AUTH)]
    status, out = call()
    assert [(read(x), os.stat(x).st_ino) for x in (CONF, AUTH)] == before
    assert not os.path.exists(CONF + ".old")
    return status, out


def test_domain_without_srv(relay):
    p = relay()
    with NameServer({}):
        status, out = unchanged(lambda: setup("--yes", *PIPED))
    assert status == 69 and "error " in out
    assert "use --relay HOST:PORT" in out and p.connections == []


def test_srv_cannot_lead_the_password_elsewhere(relay):
    """A forged answer names a host with a valid certificate of its own."""
    p = relay()
    names = {("_submission._tcp.victim.test", SRV):
             [(0, 1, p.port, "smart.test")]}
    with NameServer(names):
        status, _ = unchanged(lambda: setup(
            "--yes", "--password-file", "-", "me@victim.test"))
    assert status == 69 and p.logins == []


def test_wrong_password(relay):
    p = relay()
    status, out = unchanged(lambda: setup("--yes", *at(p), *PIPED,
                                          secret="falsch"))
    assert status == 69 and "login: the server said: 535" in out
    assert "falsch" not in out and len(p.logins) == 1
    assert "correct /etc/dma/auth.conf" not in out


def test_relay_without_tls_gets_no_password(relay):
    p = relay(tls=None, auth_in_clear=True)
    status, _ = unchanged(lambda: setup("--yes", *at(p), *PIPED))
    assert status == 69 and p.logins == []


def test_print_writes_nothing(relay):
    p = relay()
    status, out = unchanged(lambda: setup("--print", *at(p), *PIPED))
    assert status == 0
    assert "/etc/dma/dma.conf:\nSMARTHOST smart.test:%d\n" % p.port in out


def test_without_a_terminal_or_consent_nothing_is_written(relay):
    p = relay()
    status, out = unchanged(lambda: setup(*at(p), *PIPED))
    assert status == 0 and "nothing was written: use --yes" in out


def test_existing_lines_are_kept(world, relay, certs):
    p = relay()
    old = ("# mine\nSMARTHOST old.test:25\r\n  smarthost=older.test\n"
           "#SMARTHOST oldest.test\nMASQUERADE x@y.test\n"
           "LOG file /var/log/dma.log\nMAILNAME host.test\n"
           "CAFILE %s" % certs["ca"])
    world.write_conf(old)
    world.write_auth("me@smart.test|smart.test:old\n"
                     "me@smart.test|smart.test.other:x\nyou|old.test:y")
    os.chmod(CONF, 0o640)
    os.chown(CONF, 0, grp.getgrnam("_dma").gr_gid)
    status, out = setup("--yes", *at(p), *PIPED)
    assert status == 0 and "\n#SMARTHOST old.test:25" in out
    assert "old\n" not in out.split("auth.conf:")[1].split("Written")[0]
    assert read(CONF + ".old") == old.replace("\r", "")     # as read() has it
    with open(CONF, encoding="utf-8", newline="") as f:
        assert f.read() == (
            "# mine\n#SMARTHOST old.test:25\r\n#  smarthost=older.test\n"
            "#SMARTHOST oldest.test\nMASQUERADE x@y.test\n"
            "LOG file /var/log/dma.log\nMAILNAME host.test\n"
            "CAFILE %s\nSMARTHOST smart.test:%d\n" % (certs["ca"], p.port))
    assert read(AUTH) == (
        "#me@smart.test|smart.test:old\nme@smart.test|smart.test.other:x\n"
        "you|old.test:y\n" + LINE)
    # What root had closed stays closed.
    assert owner(CONF) == owner(AUTH) == (0o640, 0, "_dma")


def test_again(relay):
    p = relay()
    for _ in range(2):
        assert setup("--yes", *at(p), *PIPED)[0] == 0
    relay_line = "SMARTHOST smart.test:%d\n" % p.port
    assert read(CONF).endswith("#" + relay_line + relay_line)
    assert read(AUTH) == "#" + LINE + LINE


def test_another_login_and_sender(world, relay):
    p = relay(user="ann")
    status, _ = setup("--yes", "--user", "ann", "--masquerade", *at(p),
                      *PIPED)
    assert status == 0 and read(AUTH) == "ann|smart.test:%s\n" % SECRET
    assert read(CONF).endswith(
        ":%d\nMASQUERADE me@smart.test\nFROM_HEADER force\n" % p.port)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.taken[0].sender == ADDRESS


def test_link_is_not_replaced(relay):
    p = relay()
    os.rename(CONF, CONF + ".real")
    os.symlink(CONF + ".real", CONF)
    try:
        status, out = setup("--yes", *at(p), *PIPED)
        assert status == 73 and "symbolic link" in out
        assert os.path.islink(CONF)
    finally:
        os.unlink(CONF)
        os.unlink(CONF + ".real")


@pytest.mark.parametrize("name", ("auth.conf", "dma.conf"))
def test_file_that_cannot_be_written_is_as_before(relay, name):
    p = relay()
    for path in ("/etc/dma/dma.conf.old", "/etc/dma/auth.conf.old"):
        if os.path.exists(path):
            os.unlink(path)
    os.mkdir("/etc/dma/%s.new" % name)
    before = read("/etc/dma/" + name)
    try:
        status, out = setup("--yes", *at(p), *PIPED)
        assert status == 73 and name in out and "directory" in out
        assert read("/etc/dma/" + name) == before
        assert not os.path.exists("/etc/dma/%s.old" % name)
    finally:
        os.rmdir("/etc/dma/%s.new" % name)


@pytest.mark.parametrize("args, status", (
    ((), 64), (("a@b.test", "c@d.test"), 64), (("--what", "a@b.test"), 64),
    (("--relay",), 64), (("--yes", "--print", ADDRESS), 64),
    (("--password-file", "x", ADDRESS), 64),
    (("--password-file", "/none", ADDRESS), 66), ((ADDRESS,), 66),
    (("--password-file", "-", "me"), 64),
    (("--relay", "a b", *PIPED), 64), (("--relay", "mx:", *PIPED), 64),
    (("--relay", "a:25\nMAILBOX x", *PIPED), 64),
    (("--user", "a\nb|c:d", *PIPED), 64), (("--user", "a|b", *PIPED), 64),
))
def test_calls_that_are_refused(relay, args, status):
    relay()
    assert unchanged(lambda: setup(*args))[0] == status


def test_password_file_that_cannot_be_used(relay):
    """It is named, with the remedy of that trouble alone."""
    relay()
    with open("/root/password", "w") as f:
        f.write("x" * 3000)
    try:
        for path, words in (
                ("/none", "/none: No such file or directory\n"),
                ("/etc", "/etc: Is a directory\n"),
                ("/root/password", "/root/password: Permission denied: the "
                 "user _dma must be able to read it, or use ")):
            status, out = unchanged(
                lambda: setup("--yes", "--password-file", path, ADDRESS))
            assert status == 66 and "setup: " + words in out
    finally:
        os.unlink("/root/password")


def test_authpath_is_not_passed_over(world, relay):
    p = relay()
    world.write_conf(read(CONF) + "AUTHPATH /etc/dma/other\n")
    status, out = unchanged(lambda: setup("--yes", *at(p), *PIPED))
    assert status == 78 and "AUTHPATH" in out and p.connections == []


# ---- who may ----

@pytest.mark.parametrize("user", ("alice", "_dma"))
def test_others_may_not(relay, user):
    p = relay()
    status, out = unchanged(lambda: setup("--yes", *at(p), *PIPED, user=user))
    assert status == 77 and p.connections == []


def roots(world):
    """Our processes that have any id of root."""
    return [x for x in world.processes()
            if "0" in world.status_of(x, "Uid") + world.status_of(x, "Gid")]


@pytest.mark.parametrize("name, user, n", (
    ("dma", "root", 1), ("sendmail", "root", 0), ("dma", "alice", 0),
    ("dma", "_dma", 0)))
def test_process_that_writes_is_for_root_alone(world, name, user, n):
    """Seen while the call waits: in its usage, which nobody reads, or for its
    message.  It ends with the call."""
    reader, full = os.pipe()
    os.set_blocking(full, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(full, b"x" * 4096)
    os.set_blocking(full, True)
    with subprocess.Popen(["/usr/sbin/" + name, "setup"], user=user,
                          extra_groups=[], stdin=subprocess.PIPE,
                          stderr=full) as call:
        def waits():
            with open("/proc/%d/wchan" % call.pid, encoding="ascii") as f:
                return "pipe" in f.read()
        world.wait_until(waits)
        assert len(roots(world)) == n
        call.kill()
    os.close(full)
    os.close(reader)
    world.wait_until(lambda: not world.processes())


# ---- a person at a terminal ----

class Terminal:
    def __init__(self, *args):
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [DMA, "setup", *args], stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True)
        self.theirs = theirs
        self.seen = ""

    def wait(self, text):
        end = time.monotonic() + 30
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.ours], [], [], 0.2)[0]:
                self.seen += os.read(self.ours, 4096).decode()

    def type(self, text):
        os.write(self.ours, text.encode())

    def shows(self):
        return bool(termios.tcgetattr(self.theirs)[3] & termios.ECHO)

    def end(self):
        status = self.process.wait(30)
        while select.select([self.ours], [], [], 0.2)[0]:
            self.seen += os.read(self.ours, 4096).decode()
        assert self.shows()
        os.close(self.ours)
        os.close(self.theirs)
        return status


@pytest.mark.parametrize("answer, is_written", (("y", True), ("n", False),
                                                ("", False), ("yes", True)))
def test_person_is_asked(relay, answer, is_written):
    p = relay()
    t = Terminal(*at(p), ADDRESS)
    t.wait("Password of me@smart.test: ")
    while t.shows():
        time.sleep(0.01)
    t.type(SECRET + "\n")
    t.wait("Write these lines? [y/N] ")
    assert t.shows()
    t.type(answer + "\n")
    assert t.end() == 0 and SECRET not in t.seen
    assert (read(AUTH) == LINE) == is_written
    assert ("nothing was written" in t.seen) != is_written


def test_person_who_interrupts(relay):
    p = relay()
    t = Terminal(*at(p), ADDRESS)
    t.wait("Password of ")
    while t.shows():
        time.sleep(0.01)
    t.process.send_signal(2)
    assert t.end() == 66 and p.connections == []
    assert "nothing was written" in t.seen


def test_password_that_is_too_long(relay):
    p = relay()
    t = Terminal(*at(p), ADDRESS)
    t.wait("Password of ")
    while t.shows():
        time.sleep(0.01)
    t.type("x" * 1500 + "\n")
    assert t.end() == 66 and p.connections == []
