"""Modules that are built outside of the tree, with the installed header."""
import ctypes
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess

import pytest

import intake

HERE = os.path.join(os.path.dirname(__file__), "modules")
TREE = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


@pytest.fixture(scope="module")
def build():
    """Compiles modules/NAME.c; gives the path of the module."""
    folder = intake.new_folder()

    def made(name, *flags, called=None):
        path = "%s/%s.so" % (folder, called or name)
        if flags or not os.path.exists(path):
            subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror",
                            "-fPIC", "-shared", "-o", path, *flags,
                            "%s/%s.c" % (HERE, name)], check=True)
        return path
    yield made
    shutil.rmtree(folder)


@pytest.fixture
def told(smtpd, build):
    """A server whose first module does as it is told."""
    def make(*lines, modules=("minute",), **keys):
        return smtpd(MODULE=[build("told"), *modules], told=list(lines),
                     **keys)
    return make


def test_the_header_compiles_alone():
    for command in (["cc", "-std=c11", "-pedantic", "-x", "c"],
                    ["clang", "-std=c11", "-pedantic", "-x", "c"],
                    ["g++", "-std=c++11", "-pedantic", "-x", "c++"],
                    ["clang++", "-std=c++11", "-pedantic", "-x", "c++"]):
        if shutil.which(command[0]):
            subprocess.run([*command, "-Wall", "-Wextra", "-Werror",
                            "-fsyntax-only", "-"], check=True,
                           input=b"#include <smtpd_module.h>\n")
    with open(intake.HEADER) as f:
        assert set(re.findall(r"#include (\S+)", f.read())) <= {
            "<stddef.h>", "<stdint.h>", "<sys/types.h>"}


REFUSABLE = ["connect", "helo", "mail", "rcpt", "data", "header", "body",
             "end_of_data", "deliver"]
VERDICTS = [
    # verdict and text, the reply
    ("temporary", r"4[25]\d 4\.\d\.\d "),
    ("permanent", r"55\d 5\.\d\.\d "),
    ("temporary 450 4.2.1 not now", r"450 4\.2\.1 not now$"),
    ("permanent 553 5.1.3 not there", r"553 5\.1\.3 not there$"),
    ("permanent go away", r"55\d 5\.\d\.\d go away$")]


def talk(s):
    """One message, stage by stage: the reply that was not positive."""
    with s.client() as c:
        if c.banner.code != 220:
            assert c.wait_closed() == ""
            return "connect", c.banner
        for stage, line in (("helo", "EHLO client.test"),
                            ("mail", "MAIL FROM:<ann@from.test>"),
                            ("rcpt", "RCPT TO:<bob@to.test>"),
                            ("data", "DATA")):
            reply = c(line)
            if reply.code >= 400:
                c.quit()
                return stage, reply
        c.send("Subject: x\r\n folded\r\nTo: y\r\n\r\nhello\r\n.\r\n")
        reply = c.reply()
        c.quit()
        return "deliver", reply


@pytest.mark.parametrize("verdict, pattern", VERDICTS)
def test_refusals_at_every_stage(told, verdict, pattern):
    for stage in REFUSABLE:
        s = told("on %s %s" % (stage, verdict))
        where, reply = talk(s)
        assert where == (stage if stage in REFUSABLE[:5] else "deliver")
        assert re.match(pattern, reply), (stage, reply)
        assert s.tree.paths() == []
        if stage == "connect":
            assert len(s.lines("client=127.0.0.1 status=%s" % (
                "deferred" if verdict.startswith("temporary") else
                "refused"))) == 1
        s.finish()


@pytest.mark.parametrize("stage", REFUSABLE)
def test_drop_at_every_stage(told, stage):
    s = told("on %s drop" % stage)
    where, reply = talk(s)
    assert (where, reply.code) == ("deliver", 250)
    assert s.tree.paths() == []


@pytest.mark.parametrize("stage", [x for x in REFUSABLE if x not in (
    "header", "body")])
def test_pending_blocks_nobody(told, stage):
    """The verdict comes later; the same child serves others meanwhile, and
    commands that are already here wait their turn."""
    s = told("later %s pass 400" % stage, MIN_SPARE="1", MAX_SPARE="1",
             MAX_CHILDREN="1", DURABLE="none")
    clients = [s.client(banner=False) for _ in range(20)]
    for i, c in enumerate(clients):
        c.send("EHLO c.test\r\nMAIL FROM:<s%d@x>\r\nRCPT TO:<bob@to.test>"
               "\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n" % i)
    for c in clients:
        assert [c.reply().code for _ in range(7)] == [
            220, 250, 250, 250, 354, 250, 221]
    assert sorted(m.sender for m in s.tree.messages()) == sorted(
        "<s%d@x>" % i for i in range(20))


@pytest.mark.parametrize("stage", ["connect", "mail", "end_of_data",
                                   "deliver"])
def test_a_client_that_leaves_while_pending(told, stage):
    s = told("later %s pass 200" % stage, "trace", MIN_SPARE="1",
             MAX_SPARE="1", MAX_CHILDREN="1")
    for how in ("close", "reset"):
        c = s.client(banner=False)
        c.send("EHLO c.test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
               "x\r\n.\r\n")
        s.wait_until(lambda: s.lines("trace " + stage), "the hook")
        getattr(c, how)()
    s.wait_until(lambda: len(s.lines("trace disconnect")) == 2,
                 "the disconnects")
    where, reply = talk(s)
    assert reply.code == 250


def test_pending_and_then_refused(told):
    s = told("later rcpt permanent 50")
    where, reply = talk(s)
    assert (where, reply.code) == ("rcpt", 550)


def test_a_drain_waits_for_a_pending_verdict(told):
    s = told("later deliver pass 300")
    with s.hello() as c:
        c.envelope()
        c.expect("DATA", "354 ")
        c.send("x\r\n.\r\n")
        s.signal(signal.SIGTERM)
        assert c.reply().code == 250
        assert c.reply().startswith("421 4.3.2 ")
    s.wait_end()
    s.only()


def test_a_crash_takes_one_child_and_is_named(told):
    s = told("crash rcpt", MIN_SPARE="2", MAX_SPARE="3", MAX_CHILDREN="4")
    with s.hello() as victim:
        victim.expect("MAIL FROM:<a@b>", "250 ")
        before = set(s.children())
        victim.send("RCPT TO:<c@d>\r\n")
        victim.wait_closed()
        s.wait_until(lambda: len(before - set(s.children())) == 1,
                     "the end of one child")
        died, = before - set(s.children())
        s.wait_until(lambda: s.lines(str(died), "told"),
                     "the module's name in the log")
    with s.hello() as c:        # others go on
        c.expect("MAIL FROM:<a@b>", "250 ")
        c.expect("RSET", "250 ")
        c.quit()
    s.expects_litter = False


def test_hooks_come_in_their_order(told):
    s = told("trace", MIN_SPARE="1", MAX_SPARE="1", MAX_CHILDREN="1")
    talk(s)
    s.stop()
    trace = [re.sub(r".*trace (\S+) ?(.*)", r"\1 \2", line).rstrip('" ')
             for line in s.lines("trace ")]
    names = [x.split()[0] for x in trace]
    assert names[0] == "init" and names.count("init") == 1
    assert "durable=full" in trace[0] and "unknown=none" in trace[0]
    assert "size=52428800" in trace[0]
    begin = names.index("connect")
    assert names[begin - 1] == "child_init"
    middle = names[begin:names.index("disconnect") + 1]
    without_body = [x for x in middle if x != "body"]
    assert without_body == [
        "connect", "helo", "mail", "rcpt", "data", "header", "header",
        "end_of_data", "deliver", "reset", "disconnect"]
    assert middle.index("body") > middle.index("data")
    assert middle.index("end_of_data") > len(middle) - 1 - \
        middle[::-1].index("body")
    assert "connect 127.0.0.1" in trace and "helo client.test" in trace
    assert "mail ann@from.test" in trace and "rcpt bob@to.test" in trace
    assert "header Subject: x|| folded" in trace
    assert "deliver to.test" in trace
    assert names[-1] == "child_exit"


def test_a_module_sees_the_connection(told, certificate):
    """The size is that of the text without dot-stuffing."""
    text = b"Subject: x\r\n\r\n.\r\n..\r\n"
    s = told("trace", CERTIFICATE=certificate["smart"],
             PRIVATE_KEY=certificate["smart"])
    for over_tls in False, True:
        with s.hello() as c:
            if over_tls:
                c.starttls()
                c.ehlo()
            c.envelope()
            assert c.data(text).startswith("250 ")
            port = c.sock.getsockname()[1]
            tls = " ".join(c.sock.cipher()[1::-1]) if over_tls else ""
            c.quit()
        line = s.wait_until(lambda: s.lines("seen port=%d " % port),
                            "what it saw")[0]
        size, seen = re.search(r"size=(\d+) tls=(.*)", line).groups()
        assert int(size) == len(text)
        assert seen.rstrip('"') == tls


def test_resets_match_mails(told):
    s = told("trace", "on rcpt permanent", MIN_SPARE="1", MAX_SPARE="1",
             MAX_CHILDREN="1")
    with s.hello() as c:
        c.expect("RSET", "250 ")
        for line in ("RSET", "EHLO again", "HELO again"):
            c.expect("MAIL FROM:<a@b>", "250 ")
            c.expect("RCPT TO:<c@d>", "550 ")
            c.expect(line, "250")
        c.expect("MAIL FROM:<a@b>", "250 ")
        c.reset()
    s.wait_until(lambda: s.lines("trace disconnect"), "disconnect")
    assert len(s.lines("trace mail")) == len(s.lines("trace reset")) == 4


def test_accept_asks_no_other_module(told, build, smtpd):
    """The second one would refuse."""
    other = build("told", "-DOTHER", called="other")
    with open("%s/told.c" % HERE) as f:
        source = f.read().replace('.name = "told"', '.name = "other"')
    copy = os.path.dirname(other) + "/other.c"
    with open(copy, "w") as f:
        f.write(source)
    subprocess.run(["cc", "-std=c11", "-fPIC", "-shared", "-o", other, copy],
                   check=True)
    for verdict, code in (("accept", 250), ("pass", 550)):
        s = smtpd(MODULE=[build("told"), other, "minute"],
                  told="on rcpt " + verdict, other="on rcpt permanent")
        with s.hello() as c:
            c.expect("MAIL FROM:<a@b>", "250 ")
            assert c("RCPT TO:<c@d>").code == code
            c.quit()


def test_nobody_delivers(told):
    s = told(modules=())
    where, reply = talk(s)
    assert where == "deliver" and reply.startswith("451 ")


def test_the_fallback(told):
    s = told("on deliver temporary", modules=(), FALLBACK="minute")
    where, reply = talk(s)
    assert reply.code == 250
    s.only()
    s = told("on deliver permanent", modules=(), FALLBACK="minute")
    where, reply = talk(s)
    assert 550 <= reply.code <= 554
    assert s.tree.paths() == []
    s = told("later deliver temporary 50", modules=(), FALLBACK="minute")
    where, reply = talk(s)
    assert reply.code == 250
    s.only()


def test_a_module_that_changes_envelope_and_text(smtpd, build):
    s = smtpd(MODULE=[build("edit"), "minute"])
    with s.hello() as c:
        c.envelope("keep@to.test", "away@to.test", "move@to.test",
                   "double@to.test", sender="old@from.test")
        assert c.data("See: me#\r\n\r\ntree\r\n").code == 250
        # Chunks, and pieces of any size.
        c.envelope("double@to.test")
        for piece in (b"e", b"e#\r", b"\nx"):
            assert c.bdat(piece).code == 250
        assert c.bdat(b"e\r\n", last=True).code == 250
        c.quit()
    first, second = sorted(s.tree.messages(), key=lambda m: m.sender,
                           reverse=True)
    assert first.sender == "<new@from.test>"
    assert first.forward == ["<keep@to.test>", "<moved@moved.test>",
                             "<double@to.test>", "<copy@copies.test>"]
    assert first.text == b"SEE: mEhash\r\n\r\ntrEE\r\n-- the end\r\n"
    assert second.text == b"EEhash\r\nxE\r\n-- the end\r\n"
    assert s.tree.domains() == ["copies.test", "moved.test", "to.test"]


def test_descriptors_and_timers(smtpd, build):
    s = smtpd(MODULE=build("descriptor"), MIN_SPARE="1", MAX_SPARE="1",
              MAX_CHILDREN="1")
    clients = [s.hello() for _ in range(30)]
    for c in clients:
        c.envelope()
        c.expect("DATA", "354 ")
    for c in clients:
        c.send("x\r\n.\r\n")
    for c in clients:
        assert c.reply().code == 250
        c.quit()
    child, = s.children()
    assert len(os.listdir("/proc/%d/fd" % child)) < 40
    assert s.tree.paths() == []


def test_counters_of_modules(told):
    s = told("on rcpt pass")
    talk(s)
    assert re.search(r"told\D+1\b", s.query())
    assert re.search(r"told", s.query(b"GET /metrics HTTP/1.0\r\n\r\n"))


def landlock_abi():
    """0 where the kernel has none."""
    return max(ctypes.CDLL(None).syscall(444, None, 0, 1), 0)


def test_a_module_that_is_taken_over_is_confined(smtpd, build):
    """A child reaches the tree, and neither other files nor hosts nor
    processes."""
    with socket.create_server(("127.0.0.1", next(intake.ports))) as listener:
        s = smtpd(start=False, MODULE=[build("escape"), "minute"])
        outside = s.folder + "/run/outside"
        s.write_conf({"MODULE": [build("escape"), "minute"], "escape": [
            "outside " + outside, "port %d" % listener.getsockname()[1]]})
        s.start()
        with s.hello() as c:
            reply = c("MAIL FROM:<a@b>")
        did = set(re.search(r"did:(.*)\.$", reply).group(1).split())
    allowed = {"write-inside"}
    if landlock_abi() < 2:
        allowed |= {"read-outside", "write-outside"}
    if landlock_abi() < 4:
        allowed.add("connect")
    assert "write-inside" in did and did <= allowed, reply
    assert os.path.exists(outside) == ("write-outside" in did)
    if landlock_abi() < 4:
        pytest.skip("this kernel cannot confine files or connections")


def test_a_child_cannot_name_others_to_be_ended(smtpd, build):
    """What it writes into shared memory ends no other process of the user, and
    keeps nobody from ending."""
    user = pwd.getpwnam(intake.USER)
    victim = subprocess.Popen(["sleep", "1000"], user=user.pw_uid)
    try:
        forge = build("forge", "-D_GNU_SOURCE", "-I" + TREE)
        s = smtpd(MODULE=[forge, "minute"], forge="pid %d" % victim.pid)
        with s.hello() as c:
            c.expect("MAIL FROM:<a@b>", "250 ")
            c.quit()
        s.stop()
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_the_queue_of_dma_is_away(smtpd):
    """451, and nothing is lost; or what FALLBACK names stores it."""
    s = smtpd(MODULE="queue")
    with s.hello() as c:
        c.envelope()
        assert c.data("x\r\n").startswith("451 4.")
        c.quit()
    s = smtpd(MODULE="queue", FALLBACK="minute")
    s.send()
    s.only()


WRONG = {
    "abi": ["-DABI=999"], "size": ["-DSIZE=8"], "no name": ["-DNAME=0"],
    "nothing": ["-DNOTHING"],
}


@pytest.mark.parametrize("name", WRONG)
def test_modules_that_are_none(build, name):
    folder = intake.new_folder()
    path = build("wrong", *WRONG[name],
                 called="wrong" + str(list(WRONG).index(name)))
    status, said = intake.check_conf("MODULE minute\nMODULE %s\n" % path,
                                     folder)
    assert status == 78, said
    assert path in said, said


@pytest.mark.parametrize("owner, mode, text", (
    (0, 0o644, None),
    (1, 0o644, "not loaded: must be owned by root"),
    (0, 0o664, "not loaded: must be owned by root"),
    (0, 0o646, "not loaded: must be owned by root"),
))
def test_a_module_of_somebody_else_is_not_loaded(build, owner, mode, text):
    """Its code would run as root."""
    folder = intake.new_folder()
    path = shutil.copy(build("told"), folder + "/told.so")
    os.chmod(path, mode)
    os.chown(path, owner, 0)
    status, said = intake.check_conf("MODULE minute\nMODULE %s\n" % path,
                                     folder)
    assert status == (0 if text is None else 78), said
    assert text is None or "%s: %s" % (path, text) in said


@pytest.mark.parametrize("content, text", (
    ("no library\n", "file too short"), (None, "No such file"),
))
def test_a_file_that_is_no_module(content, text):
    folder = intake.new_folder()
    path = folder + "/x.so"
    if content:
        with open(path, "w") as f:
            f.write(content)
        os.chmod(path, 0o644)
    status, said = intake.check_conf("MODULE minute\nMODULE %s\n" % path,
                                     folder)
    assert status == 78 and path in said and text in said


@pytest.mark.parametrize("stage, status", [("configure", (78,)),
                                           ("init", (70, 71, 75, 78))])
def test_a_module_that_fails_to_start(smtpd, build, stage, status):
    s = smtpd(start=False, MODULE=[build("told"), "minute"],
              told="fail " + stage)
    s.start(wait=False)
    s.process.wait(30)
    assert s.process.returncode in status, s.log()
    assert "fails as told" in s.log()


def test_a_child_init_that_fails_is_said_and_slow(smtpd, build):
    s = smtpd(start=False, MODULE=[build("told"), "minute"],
              told="fail child_init")
    s.start(wait=False)
    s.wait_until(lambda: len(s.lines("fails as told")) >= 3 or
                 s.process.poll() is not None, "three attempts")
    assert len(s.lines("fails as told")) < 200


COMPILERS = [["cc", "-std=c11", "-Wextra"],
             ["g++", "-std=c++20", "-x", "c++"]]


def build_alone(source, path, compiler):
    """Against the installed header, with nothing of the tree."""
    subprocess.run([*compiler, "-Wall", "-Werror", "-fPIC", "-shared", "-o",
                    path, source], check=True, cwd="/")


@pytest.mark.parametrize("compiler", COMPILERS, ids=["c", "c++"])
def test_the_example_of_the_manual(smtpd, compiler):
    """The module of smtpd-module(3) is complete: it builds, and does what the
    page says."""
    page = "/usr/share/man/man3/smtpd-module.3"
    with open(page) as f:
        blocks = re.findall(r"(?s)^\.Bd -literal[^\n]*\n(.*?)^\.Ed",
                            f.read(), re.M)
    source, = [x for x in blocks if "smtpd_module = {" in x and
               "#include" in x]
    source = (source.replace(r"\e", "\\").replace(r"\(dq", '"')
              .replace(r"\-", "-").replace(r"\&", ""))
    assert len(source.splitlines()) <= 30
    name = re.search(r'\.name = "(\w+)"', source).group(1)
    folder = intake.new_folder()
    with open("%s/%s.c" % (folder, name), "w") as f:
        f.write(source)
    module = "%s/%s.so" % (folder, name)
    build_alone("%s/%s.c" % (folder, name), module, compiler)
    s = smtpd(MODULE=[module, "minute"], **{name: "DOMAIN to.test"})
    with s.hello() as c:
        c.expect("MAIL FROM:<ann@from.test>", "250 ")
        c.expect("RCPT TO:<bob@TO.test>", "250 ")
        c.expect("RCPT TO:<bob@sub.to.test>", "550 5.7.1 ")
        assert c.data("x\r\n").code == 250
        c.quit()
    assert s.only().to == ["bob@TO.test"]
    s = smtpd(start=False, MODULE=[module, "minute"], **{name: "NET to.test"})
    s.start(wait=False)
    s.process.wait(30)
    assert s.process.returncode == 78 and "DOMAIN name" in s.log()


@pytest.mark.parametrize("compiler", COMPILERS, ids=["c", "c++"])
def test_the_example_module_builds_alone(compiler):
    source = os.path.join(HERE, "../../../smtpd/modules/example.c")
    folder = intake.new_folder()
    shutil.copy(source, folder)
    build_alone(folder + "/example.c", folder + "/example.so", compiler)
    shutil.rmtree(folder)


def test_the_example_module(smtpd):
    assert os.path.exists(intake.MODULES + "/example.so")
    s = smtpd(MODULE=["example", "minute"])
    s.send()
    s.only()


def test_what_the_example_module_can_do(smtpd):
    s = smtpd(MODULE=["example", "minute"], MIN_SPARE="1", MAX_CHILDREN="1",
              MAX_SPARE="1", example=["DELAY 300", "REFUSE X-Spam",
                                      "ALIAS info@to.test ann@other.test"])
    # A client that leaves before the banner, and others that wait for it.
    s.client(banner=False).close()
    with s.hello() as c, s.hello() as d:
        c.message("INFO@to.test", "x@to.test")
        d.expect("MAIL FROM:<ann@from.test>", "250 ")
        d.expect("RCPT TO:<x@to.test>", "250 ")
        reply = d.data("Subject: x\r\nX-SPAM: yes\r\n no\r\n\r\nx\r\n")
        assert reply.startswith("550 5.7.1 messages with a field X-Spam")
        c.quit()
        d.quit()
    assert s.only().to == ["ann@other.test", "x@to.test"]
    assert s.counters()["module_example_rewritten"] == 1


@pytest.mark.parametrize("line", ["DELAY", "DELAY x", "DELAY 60001", "ALIAS a",
                                  "REFUSE", "REFUSE " + 200 * "x", "WHAT x"])
def test_the_example_module_refuses_bad_lines(smtpd, line):
    s = smtpd(start=False, MODULE=["example", "minute"], example=line)
    s.start(wait=False)
    s.process.wait(30)
    assert s.process.returncode == 78 and "module example" in s.log()


def test_maildir(smtpd):
    """Once in new of each Maildir; no address names a file outside."""
    s = smtpd(start=False)
    boxes = s.folder + "/boxes"
    os.mkdir(boxes, 0o700)
    shutil.chown(boxes, intake.USER)
    s.write_conf({"MODULE": "maildir", "maildir": "PATH %s/%%d/%%l" % boxes})
    s.start()
    with s.hello() as c:
        c.message("Bob@To.test", "amy@other.test", '"../../../x"@to.test',
                  "x@[192.0.2.1]", "Postmaster",
                  text="Subject: x\r\n\r\n.dot\r\n")
        c.quit()
    found = {}
    for folder, _, names in os.walk(boxes):
        for name in names:
            with open(folder + "/" + name, "rb") as f:
                found[os.path.relpath(folder, boxes)] = f.read()
    assert len(found) == 5
    assert {"to.test/bob/new", "other.test/amy/new", "_invalid/x/new",
            "_invalid/postmaster/new"} <= set(found), set(found)
    for text in found.values():
        assert text.replace(b"\r\n", b"\n").endswith(
            b"\nSubject: x\n\n.dot\n")
        assert b"Received: from client.test " in text
    assert os.path.isdir(boxes + "/to.test/bob/cur")
