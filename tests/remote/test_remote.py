"""dma-remote as a whole: records on one side, a scripted SMTP server on the
other.  No privilege and no network but 127.0.0.1.

Needs DMA_REMOTE (the executable) and DMA_CONFDIR (the directory that it was
built to read, writable for the test).  As root, the executable is run as
"nobody".
"""
import array
import contextlib
import hashlib
import os
import quopri
import re
import select
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

import pytest

REMOTE = os.environ.get("DMA_REMOTE", "")
CONFDIR = os.environ.get("DMA_CONFDIR", "")
VERSION = "2"           # of its records
pytestmark = pytest.mark.skipif(not (REMOTE and CONFDIR),
                                reason="DMA_REMOTE and DMA_CONFDIR are not set")

DESTINATION, MESSAGE, RECIPIENTS, STATUS, RECORD = range(48, 53)
LOG, NO_HOST, CANCEL = 55, 61, 62
SERVER = 1                      # enum source in lib/result.h
SMARTHOST, DOMAIN, SENDER = 0, 1, 2
SENT, DEFERRED, FAILED = 1, 2, 3
BODY_8BIT = 1
CAPS = ["PIPELINING", "8BITMIME", "SIZE 50000000", "ENHANCEDSTATUSCODES"]
CHUNKING = CAPS + ["CHUNKING"]


# --- the server ---------------------------------------------------------

class Server:
    """Default: takes everything.  script(session, command) may return a
    reply (str), None for the default, or False to hang up."""

    def __init__(self, script=None, caps=CAPS, tls=None, implicit=False,
                 banner="220 test ESMTP", login=None, delay=0, host="127.0.0.1",
                 max_conns=None, greet=None):
        self.greet = greet
        self.script, self.caps, self.tls = script, caps, tls
        self.implicit, self.banner, self.login = implicit, banner, login
        self.delay, self.max_conns = delay, max_conns
        self.sock = socket.create_server((host, 0), backlog=128)
        self.port = self.sock.getsockname()[1]
        self.sessions, self.messages, self.open = [], [], 0
        self.peak = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def accept(self):
        while True:
            try:
                self.take()
            except OSError:
                return

    def take(self):
        self.begin(self.sock.accept()[0])

    def begin(self, conn):
        session = Session(self, conn)
        self.sessions.append(session)
        threading.Thread(target=session.run, daemon=True).start()


class Session:
    def __init__(self, server, conn):
        self.server, self.conn = server, conn
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf, self.commands, self.is_tls = b"", [], False
        self.flights = 0
        self.quit = False

    def say(self, text):
        self.conn.sendall(text.encode() + b"\r\n")

    def leave(self):
        """Hangs up without losing what was said: a reset might."""
        self.conn.shutdown(socket.SHUT_WR)
        while self.conn.recv(65536):
            pass
        return False

    def fill(self):
        chunk = self.conn.recv(65536)
        if not chunk:
            raise EOFError
        self.flights += 1
        if self.server.delay:
            time.sleep(self.server.delay)
        self.buf += chunk

    def line(self):
        while b"\n" not in self.buf:
            self.fill()
        line, self.buf = self.buf.split(b"\n", 1)
        assert line.endswith(b"\r"), line
        return line[:-1]

    def text(self):
        while not (self.buf.startswith(b".\r\n") or b"\r\n.\r\n" in self.buf):
            self.fill()
        if self.buf.startswith(b".\r\n"):
            self.buf = self.buf[3:]
            return b""
        text, self.buf = self.buf.split(b"\r\n.\r\n", 1)
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", text)
        return re.sub(rb"(?m)^\.", b"", text) + b"\r\n"

    def start_tls(self):
        self.conn = self.server.tls.wrap_socket(self.conn, server_side=True)
        self.is_tls, self.is_resumed = True, self.conn.session_reused

    def run(self):
        s = self.server
        with s.lock:
            s.open += 1
            s.peak = max(s.peak, s.open)
            full = s.max_conns and s.open > s.max_conns
        try:
            if full:
                self.say("421 4.7.0 too many connections")
                return
            if s.implicit:
                self.start_tls()
            banner = s.greet(self) if s.greet else s.banner
            if banner is False:
                return
            self.say(banner)
            while self.command():
                pass
        except (EOFError, OSError, ssl.SSLError):
            pass
        finally:
            with s.lock:
                s.open -= 1
            self.conn.close()

    def command(self):
        s = self.server
        line = self.line().decode("utf-8", "surrogateescape")
        self.commands.append(line)
        verb = line.split(" ")[0].split(":")[0].upper()
        reply = s.script(self, line) if s.script else None
        if reply is False:
            return False
        if reply is None:
            reply = self.default(verb, line)
        if reply:
            self.say(reply)
        if verb == "DATA" and reply.startswith("354"):
            self.data()
        if verb == "STARTTLS" and reply.startswith("220"):
            self.start_tls()
        if verb == "QUIT":
            self.quit = True
            return False
        return not reply.startswith("421") or self.leave()

    def data(self):
        text = self.text()
        reply = self.server.script and self.server.script(self, ".")
        if reply is False:
            raise EOFError
        if not reply:
            with self.server.lock:
                self.server.messages.append(text)
                reply = "250 2.0.0 queued %d" % len(self.server.messages)
        self.say(reply)

    def default(self, verb, line):
        s = self.server
        if verb == "EHLO":
            caps = list(s.caps)
            if s.tls and not self.is_tls:
                caps.append("STARTTLS")
            if s.login and (self.is_tls or s.login != "tls"):
                caps.append("AUTH CRAM-MD5 PLAIN LOGIN")
            lines = ["test greets you"] + caps
            return "\r\n".join("250%s%s" % ("-" if l is not lines[-1] else " ",
                                            l) for l in lines)
        return {"AUTH": self.auth, "HELO": lambda l: "250 hello",
                "MAIL": lambda l: "250 2.1.0 ok",
                "RCPT": lambda l: "250 2.1.5 ok",
                "DATA": lambda l: "354 go",
                "RSET": lambda l: "250 2.0.0 reset",
                "STARTTLS": lambda l: "220 go",
                "QUIT": lambda l: "221 bye"}.get(verb, lambda l: "500 what")(line)

    def auth(self, line):
        words = line.split()
        if words[1] == "PLAIN":
            return "235 2.7.0 welcome" if len(words) > 2 else "334 "
        return "504 5.5.4 not that one"


# --- the runner ---------------------------------------------------------

def put(*fields):
    out = b""
    for f in fields:
        if isinstance(f, tuple):
            out += struct.pack("=Q", f[0])
        elif isinstance(f, int):
            out += struct.pack("=I", f)
        else:
            f = f.encode("utf-8", "surrogateescape") if isinstance(f, str) else f
            out += struct.pack("=I", len(f)) + f
    return out


class Fields:
    def __init__(self, data):
        self.data, self.at = data, 0

    def u32(self):
        self.at += 4
        return struct.unpack_from("=I", self.data, self.at - 4)[0]

    def text(self):
        n = self.u32()
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def more(self):
        return self.at < len(self.data)


class Runner:
    def __init__(self, conf, auth="", hop=(SMARTHOST, "", "")):
        with open(os.path.join(CONFDIR, "dma.conf"), "w") as f:
            f.write("MAILNAME sender.example.org\nLOG stderr\n"
                    "AUTHPATH %s/auth.conf\n" % CONFDIR + conf)
        with open(os.path.join(CONFDIR, "auth.conf"), "w") as f:
            f.write(auth)
        user = "nobody" if os.getuid() == 0 else None
        if user:
            import pwd
            os.chown(f.name, pwd.getpwnam(user).pw_uid, 0)
        os.chmod(f.name, 0o600)
        self.sock, theirs = socket.socketpair(socket.AF_UNIX,
                                              socket.SOCK_SEQPACKET)
        self.err = tempfile.TemporaryFile()
        # A process that nobody may look into cannot look for leaks either.
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
        self.proc = subprocess.Popen([REMOTE, VERSION], stdin=theirs, stderr=self.err,
                                     stdout=subprocess.DEVNULL, env=env,
                                     user=user,
                                     group=user and "nogroup",
                                     extra_groups=[] if user else None)
        theirs.close()
        self.statuses, self.recorded = {}, []
        self.hosts, self.servers = {}, {}   # of relay=, and in the words
        self.left, self.passed_on = {}, {}
        self.logged = ""
        self.unreached = []     # what the runner was told before statuses
        if hop:
            self.send(DESTINATION, 0, put(*hop, 0))

    def send(self, kind, ident, data, fds=()):
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        self.sock.sendmsg([struct.pack("=II", kind, ident) + data],
                          anc if fds else [])

    def job(self, ident, text, rcpts, sender="from@sender.example.org",
            flags=0, length=None, junk=b"preamble", ret=0, envid="",
            wishes=(), watched=False, suspect=False):
        if isinstance(rcpts, str):
            rcpts = [rcpts]
        with tempfile.TemporaryFile() as f:
            f.write(junk + text)
            f.flush()
            length = len(text) if length is None else length
            self.send(MESSAGE, ident, put("id%d" % ident, sender, flags,
                                      (len(junk),), (length,),
                                      (text.count(b"\n"),), len(rcpts), ret,
                                      envid, int(watched), int(suspect),
                                      (ident,)),
                      [f.fileno()])
        self.left[ident] = len(rcpts)
        data = b""
        for i, r in enumerate(rcpts):
            data += put(i, r, *(wishes[i] if wishes else (0, "")))
            if len(data) > 60000 or i == len(rcpts) - 1:
                self.send(RECIPIENTS, ident, data)
                data = b""

    def read(self, timeout=80):
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if not poll.poll(timeout * 1000):
            raise TimeoutError(self.log()[-2000:])
        data = self.sock.recv(1 << 17)
        if not data:
            raise EOFError(self.log())
        kind, ident = struct.unpack_from("=II", data)
        assert len(data) <= 64 * 1024 + 8
        f = Fields(data[8:])
        if kind == LOG:
            level, line = f.u32(), f.text()
            assert level <= 3 and not f.more() and line.isprintable()
            self.logged += line + "\n"
            return
        if kind == NO_HOST:
            assert f.u32() == DEFERRED
            f.u32()
            code, why, _, server, host = [f.text() for _ in range(5)]
            assert server.startswith(host + " ") or server == host
            assert not f.more()
            self.unreached.append((code, why, host))
            return
        if kind == RECORD:
            self.left[ident] = f.u32()
            self.recorded.append((ident, self.left[ident]))
            return
        assert kind == STATUS
        while f.more():
            index, status, source = f.u32(), f.u32(), f.u32()
            code, why, detail = f.text(), f.text(), f.text()
            server, host = f.text(), f.text()
            assert server == host or source != SERVER
            assert (source == SERVER) == bool(re.match(r"[2-5]\d\d( |$)",
                                                       why)), (source, why)
            self.passed_on[ident, index] = f.u32()
            assert (ident, index) not in self.statuses
            self.statuses[ident, index] = (status, code, why)
            self.hosts[ident, index] = host
            self.servers[ident, index] = server

    def collect(self, timeout=80):
        """Waits until all is settled; the statuses by (job, index)."""
        end = time.time() + timeout
        while any(self.left.values()):
            self.read(max(0.01, end - time.time()))
        return self.statuses

    def log(self):
        """What the runner was to log; else there are only sanitizers."""
        self.err.seek(0)
        return self.err.read().decode() + self.logged

    def finish(self):
        with contextlib.suppress(TimeoutError, EOFError):
            while True:
                self.read(0)
        self.sock.close()
        status = self.proc.wait(40)
        log = self.log()
        assert "Sanitizer" not in log and "runtime error" not in log, log
        assert status == 0, (status, log)
        return log


TEXT = b"Subject: test\n\nhello\n.dot\n"
WIRE = b"Subject: test\r\n\r\nhello\r\n.dot\r\n"


def smarthost(*servers, more=""):
    return "SMARTHOST %s\n%s" % (" ".join("127.0.0.1:%d" % s.port
                                          for s in servers), more)


def run(server, rcpts="to@example.net", conf=None, auth="", text=TEXT, **kw):
    """One message; the statuses in order, and the log."""
    r = Runner(conf or smarthost(server), auth)
    r.job(1, text, rcpts, **kw)
    statuses = r.collect()
    log = r.finish()
    return [statuses[k] for k in sorted(statuses)], log


def status_codes(statuses):
    return [(f[0], f[1]) for f in statuses]


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    d = tmp_path_factory.mktemp("tls")
    d.chmod(0o755)
    d.parent.chmod(0o755)
    d.parent.parent.chmod(0o755)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-keyout", d / "key", "-out", d / "cert", "-days", "2",
                    "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, capture_output=True)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(d / "cert", d / "key")
    ctx.cert = str(d / "cert")
    return ctx


# --- one message --------------------------------------------------------

def test_plain():
    s = Server()
    statuses, log = run(s)
    assert statuses == [(SENT, "2.0.0", "250 2.0.0 queued 1")]
    assert s.messages == [WIRE]
    c = s.sessions[0].commands
    assert c == ["EHLO sender.example.org",
                 "MAIL FROM:<from@sender.example.org> SIZE=%d" % len(TEXT.replace(b"\n", b"\r\n")),
                 "RCPT TO:<to@example.net>", "DATA", "QUIT"]
    assert "relay=127.0.0.1" in log and 'tls="none"' in log


def test_empty_and_null_sender():
    s = Server()
    statuses, _ = run(s, text=b"", sender="")
    assert statuses[0][0] == SENT
    assert s.messages == [b""]
    assert s.sessions[0].commands[1] == "MAIL FROM:<>"


def test_big_message_keeps_every_byte():
    s = Server()
    text = b"Subject: big\n\n" + b"".join(
        b"%s line %d\n" % (b"." * (i % 3), i) for i in range(200000))
    statuses, _ = run(s, text=text)
    assert statuses[0][0] == SENT
    assert s.messages[0] == text.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("caps", [CAPS, CAPS[1:]])
def test_sorting(caps):
    def script(session, line):
        return {"RCPT TO:<b@x>": "450 4.2.1 later",
                "RCPT TO:<c@x>": "550-5.1.1 no such\r\n550 5.1.1 user here",
                "RCPT TO:<d@x>": "530 5.7.0 log in first"}.get(line)
    s = Server(script, caps=caps)
    statuses, _ = run(s, ["a@x", "b@x", "c@x", "d@x", "e@x"])
    assert statuses == [
        (SENT, "2.0.0", "250 2.0.0 queued 1"),
        (DEFERRED, "4.2.1", "450 4.2.1 later"),
        (FAILED, "5.1.1", "550 5.1.1 no such user here"),
        (DEFERRED, "4.7.0", "530 5.7.0 log in first"),
        (SENT, "2.0.0", "250 2.0.0 queued 1")]
    assert len(s.messages) == 1 and len(s.sessions) == 1


def test_text_waits_for_its_own_354():
    """CHUNKING may be offered: BDAT is never sent, and no text without a 354,
    not even to a host that reads it as commands."""
    smuggled = b"MAIL FROM:<a@x>\nRCPT TO:<b@x>\nDATA\n"
    s = Server(caps=CHUNKING)
    r = Runner(smarthost(s, more="CONCURRENCY 1\n"))
    for i in range(10):
        r.job(i, smuggled, "to@x")
    r.collect()
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert s.messages == [smuggled.replace(b"\n", b"\r\n")] * 10
    s = Server(lambda session, line: {"RCPT TO:<to@x>": "550 5.1.1 no",
               "DATA": "503 5.5.1 no recipients"}.get(line), caps=CHUNKING)
    statuses, _ = run(s, "to@x", text=smuggled)
    assert status_codes(statuses) == [(FAILED, "5.1.1")]
    assert s.sessions[0].commands[1:] == [
        "MAIL FROM:<from@sender.example.org> SIZE=38", "RCPT TO:<to@x>",
        "DATA", "RSET", "QUIT"]


STAGES = [
    # what, reply, status, enhanced code
    ("MAIL", "451 4.3.0 later", DEFERRED, "4.3.0"),
    ("MAIL", "550 5.7.1 go away", FAILED, "5.7.1"),
    ("MAIL", "530 authenticate", DEFERRED, "4.0.0"),
    ("MAIL", False, DEFERRED, "4.4.2"),
    ("MAIL", "999 what", DEFERRED, "4.5.0"),
    ("RCPT", False, DEFERRED, "4.4.2"),
    ("RCPT", "421 4.3.2 bye", DEFERRED, "4.3.2"),
    ("DATA", "451 no", DEFERRED, "4.0.0"),
    ("DATA", "554 5.6.0 no", FAILED, "5.6.0"),
    ("DATA", "250 eh", DEFERRED, "4.5.0"),
    ("DATA", False, DEFERRED, "4.4.2"),
    (".", "451 4.7.1 greylisted", DEFERRED, "4.7.1"),
    (".", "554 5.7.1 spam", FAILED, "5.7.1"),
    (".", "535 5.7.8 login", DEFERRED, "4.7.8"),
    (".", "421 4.3.2 bye", DEFERRED, "4.3.2"),
    (".", False, DEFERRED, "4.4.2"),
    (".", "2x0 eh", DEFERRED, "4.5.0"),
    ("EHLO", "421 busy", DEFERRED, "4.0.0"),
    ("EHLO", False, DEFERRED, "4.4.1"),
]


@pytest.mark.parametrize("verb,reply,status,code", STAGES)
@pytest.mark.parametrize("caps", [CAPS, CAPS[1:]])
def test_stage(verb, reply, status, code, caps):
    s = Server(lambda session, line: reply if line.startswith(verb) else None,
               caps=caps)
    statuses, _ = run(s, ["a@x", "b@x"])
    assert status_codes(statuses) == [(status, code)] * 2
    assert not any(s.messages)      # an empty one is the lone dot


@pytest.mark.parametrize("banner", ["554 5.7.1 no", "421 busy", False, "hello",
                                    "220 hi\r\n220 again"])
def test_banner(banner):
    bad, good = Server(banner=banner), Server()
    statuses, _ = run(None, conf=smarthost(bad))
    assert statuses[0][0] == DEFERRED
    statuses, _ = run(None, conf=smarthost(bad, good))
    assert statuses[0][0] == SENT and len(good.messages) == 1


def test_nobody_listens():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        statuses, _ = run(None, conf="SMARTHOST 127.0.0.1:%d\n"
                       % s.getsockname()[1])
    assert statuses[0][:2] == (DEFERRED, "4.4.1") and "refused" in statuses[0][2]


@pytest.mark.parametrize("verb, is_unreached", (
    ("banner", True), ("EHLO", True), ("MAIL", False), ("RCPT", False),
    (".", False)))
def test_host_that_is_not_reached_is_not_the_messages_fault(verb, is_unreached):
    """The runner learns it first, and sends no more for a while."""
    s = Server(lambda session, line: "450 4.3.0 busy"
               if line.startswith(verb) else None,
               banner="450 4.3.0 busy" if verb == "banner" else "220 hi")
    r = Runner(smarthost(s))
    r.job(1, TEXT, "a@example.net")
    wait_for(r, 1)
    assert r.statuses[1, 0][0] == DEFERRED
    assert [code for code, _, _ in r.unreached] == (
        [r.statuses[1, 0][1]] if is_unreached else [])


@pytest.mark.parametrize("reply", ["502 eh", "550 5.7.1 no"])
def test_helo(reply):
    s = Server(lambda session, line: reply if line.startswith("EHLO")
               else None)
    assert run(s)[0][0][0] == SENT
    assert "HELO sender.example.org" in s.sessions[0].commands
    statuses, _ = run(s, conf=smarthost(s, more="TLS required\n"))
    assert statuses[0][0] == DEFERRED


def test_all_refused_lone_dot():
    s = Server(lambda session, line: "550 5.1.1 no" if line.startswith("RCPT")
               else None)
    r = Runner(smarthost(s))
    for i in range(3):
        r.job(i, TEXT, ["a@x", "b@x"])
        r.collect()
    r.finish()
    assert status_codes(r.statuses.values()) == [(FAILED, "5.1.1")] * 6
    assert set(s.messages) == {b""} and len(s.sessions) == 1


def test_too_many():
    def script(session, line):
        if line.startswith("MAIL"):
            session.taken = 0
        if line.startswith("RCPT"):
            session.taken += 1
            if session.taken > 10:
                return "452 4.5.3 too many recipients"
        return None
    s = Server(script)
    statuses, _ = run(s, ["r%d@x" % i for i in range(25)])
    assert {f[0] for f in statuses} == {SENT}
    assert len(s.messages) == 3 and len(s.sessions) == 1


def test_limits():
    s = Server(caps=CAPS + ["LIMITS MAILMAX=100 RCPTMAX=7"])
    statuses, _ = run(s, ["r%d@x" % i for i in range(15)])
    assert {f[0] for f in statuses} == {SENT}
    assert len(s.messages) == 3 and len(s.sessions) == 1
    s = Server(caps=CAPS + ["LIMITS RCPTDOMAINMAX=1"])
    statuses, _ = run(s, ["r%d@d%d" % (i, i % 3) for i in range(15)])
    assert {f[0] for f in statuses} == {SENT}
    assert len(s.messages) == 3 and len(s.sessions) == 1
    s = Server(caps=CAPS + ["LIMITS MAILMAX=2 RCPTMAX=3"])
    start = time.time()
    statuses, _ = run(s, ["r%d@x" % i for i in range(15)])
    assert {f[0] for f in statuses} == {SENT}
    assert len(s.messages) == 5 and len(s.sessions) == 3
    assert time.time() - start < 2      # QUIT is not waited for


@pytest.mark.parametrize("caps", [CAPS, CAPS[1:]])
def test_thousand(caps):
    """One transaction, and no deadlock where replies are longer than any
    buffer in between."""
    s = Server(lambda session, line: "250 2.1.5 " + "x" * 480
               if line.startswith("RCPT") else None, caps=caps)
    statuses, _ = run(s, ["recipient-number-%d@example.net" % i
                       for i in range(1000)])
    assert [f[0] for f in statuses] == [SENT] * 1000
    assert len(s.messages) == 1 and len(s.sessions) == 1
    if "PIPELINING" in caps:
        assert s.sessions[0].flights < 30


def test_thousand_refusals():
    s = Server(lambda session, line: "\r\n".join(
        ["550-5.1.1 " + "y" * 200] * 10 + ["550 5.1.1 end"])
        if line.startswith("RCPT") else None)
    statuses, _ = run(s, ["recipient-number-%d@example.net" % i
                       for i in range(1000)])
    assert [f[0] for f in statuses] == [FAILED] * 1000


def test_size_and_8bit():
    s = Server(caps=["PIPELINING", "SIZE 100"])
    statuses, _ = run(s, text=b"x\n" * 100)
    assert status_codes(statuses) == [(FAILED, "5.3.4")]
    statuses, _ = run(s, ["j\u00f6rg@x", "joe@x"])
    assert status_codes(statuses) == [(FAILED, "5.6.7"), (SENT, "2.0.0")]
    s = Server(caps=["PIPELINING", "8BITMIME", "SMTPUTF8"])
    statuses, _ = run(s, ["j\u00f6rg@x"], flags=BODY_8BIT)
    assert statuses[0][0] == SENT
    assert s.sessions[0].commands[1].endswith("> BODY=8BITMIME SMTPUTF8")


@pytest.mark.parametrize("offered", [True, False])
def test_reports(offered):
    s = Server(caps=CAPS + ["DSN"] if offered else CAPS)
    r = Runner(smarthost(s))
    r.job(1, TEXT, ["a@x", "b@x", "c@x"], ret=1, envid="a b",
          wishes=((2, "rfc822;list@y"), (1, "rfc822;list@y"), (0, "")))
    r.collect()
    r.finish()
    says = [c for c in s.sessions[0].commands
            if c.startswith(("MAIL", "RCPT"))]
    assert says[0].endswith(" RET=FULL ENVID=a+20b") == offered
    assert says[1:] == ([
        "RCPT TO:<a@x> NOTIFY=SUCCESS ORCPT=rfc822;list@y",
        "RCPT TO:<b@x> NOTIFY=NEVER", "RCPT TO:<c@x>"] if offered else
        ["RCPT TO:<a@x>", "RCPT TO:<b@x>", "RCPT TO:<c@x>"])
    assert list(r.passed_on.values()) == [offered] * 3


WIDE = b"Subject: s\n\n" + ".gr\u00fc\u00dfe \n..\n".encode() * 3


def same_as_wide(message, text=WIDE):
    header, _, body = message.partition(b"\r\n\r\n")
    assert b"\r\nContent-Transfer-Encoding: quoted-printable" in header
    return quopri.decodestring(body) == text.partition(b"\n\n")[2].replace(
        b"\n", b"\r\n") and not re.search(rb"[\x80-\xff]", message)


def test_encoded():
    """For a host without 8BITMIME; what is announced is what is sent."""
    s = Server(caps=["PIPELINING", "SIZE 50000000"])
    r = Runner(smarthost(s))
    for i in range(20):
        r.job(i, WIDE if i % 2 else TEXT, "to@x", flags=BODY_8BIT * (i % 2))
    r.collect()
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert s.messages.count(WIRE) == 10
    assert sum(m != WIRE and same_as_wide(m) for m in s.messages) == 10
    mails = {c.partition(" SIZE=")[2] for x in s.sessions
             for c in x.commands if c.startswith("MAIL")}
    assert mails == {str(len(m)) for m in s.messages}


def test_encoded_for_one_host_only():
    """The next one takes it as it is, and gets it so."""
    first = Server(lambda session, line: "450 4.2.0 later"
                   if line.startswith("RCPT") else None, caps=["SIZE 100000"])
    second = Server()
    statuses, _ = run(None, conf=smarthost(first, second), text=WIDE,
                   flags=BODY_8BIT)
    assert statuses[0][0] == SENT
    assert second.messages == [WIDE.replace(b"\n", b"\r\n")]
    assert second.sessions[0].commands[1].endswith(
        " SIZE=%d BODY=8BITMIME" % len(second.messages[0]))
    assert " SIZE=%d" % len(second.messages[0]) not in first.sessions[
        0].commands[1]


def test_host_hangs_up_during_the_look():
    """The mail is taken to another connection."""
    def script(session, line):
        if line.startswith("EHLO") and len(s.sessions) == 1:
            session.say("250-x\r\n250 PIPELINING")
            return False
        return None
    text = WIDE + ("\u00fc" * 30 + "\n").encode() * 100000
    s = Server(script, caps=["PIPELINING"])
    statuses, _ = run(s, text=text, flags=BODY_8BIT)
    assert statuses[0][0] == SENT and len(s.sessions) == 2
    assert same_as_wide(s.messages[0], text)


@pytest.mark.parametrize("text, code", [
    (b"Content-Type: multipart/signed; boundary=b\n\n\xff\n", "5.6.3"),
    (b"From: <\xff@x>\n\n\xff\n", "5.6.7")])
def test_not_to_be_encoded(text, code):
    s = Server(caps=["PIPELINING"])
    r = Runner(smarthost(s, more="CONCURRENCY 1\n"))
    r.job(0, text, ["a@x", "b@x"], flags=3)
    r.job(1, TEXT, "c@x")
    r.collect()
    r.finish()
    assert status_codes(r.statuses.values()) == [(FAILED, code)] * 2 + [
        (SENT, "2.0.0")]
    assert s.messages == [WIRE]


@pytest.mark.parametrize("flags", [BODY_8BIT, 8, 16])
def test_short_file_is_seen_by_the_look(flags):
    s = Server(caps=["PIPELINING"])
    statuses, _ = run(s, text=WIDE, length=len(WIDE) + 1, flags=flags)
    assert status_codes(statuses) == [(DEFERRED, "4.3.0")]
    assert not s.messages


def test_addresses_stay_arguments():
    s = Server()
    statuses, _ = run(s, ["a@x> SIZE=1", "b <c@x>", "\"a b\"@x", "", "ok@x"])
    assert status_codes(statuses) == [(FAILED, "5.1.3")] * 2 + [
        (SENT, "2.0.0"), (FAILED, "5.1.3"), (SENT, "2.0.0")]


@pytest.mark.parametrize("n", [10, 300000])
def test_short_file(n):
    """A file that ends too soon: deferred, and the server gets no dot."""
    s = Server()
    statuses, _ = run(s, text=b"x" * 70 + b"\n" + b"y\n" * (n // 2),
                   length=n + 200)
    assert status_codes(statuses) == [(DEFERRED, "4.3.0")]
    assert not s.messages


def test_early_refusal():
    def script(session, line):
        if line == "DATA":
            session.say("354 go")
            session.fill()
            session.say("552 5.3.4 too big for us")
            time.sleep(0.3)
            return False
        return None
    s = Server(script)
    statuses, _ = run(s, text=b"line\n" * 2000000)
    assert status_codes(statuses) == [(FAILED, "5.3.4")]


def test_words_about_a_connection_name_it(tls):
    """Whoever reads them does not know which host it was."""
    gone = Server()
    gone.close()
    for s, more, words in (
            (gone, "", "connect: Connection refused"),
            (Server(banner=False), "", "the server closed the connection"),
            (Server(lambda session, line: False if line == "." else None), "",
             "the server closed the connection"),
            (Server(tls=tls), "TLS verify\n", "certificate: ")):
        r = Runner(smarthost(s, more=more))
        r.job(1, TEXT, "to@example.net")
        assert r.collect()[1, 0][2].startswith(words)
        r.finish()
        assert r.hosts[1, 0] == "127.0.0.1"
        assert r.servers[1, 0] == "127.0.0.1 port %d" % s.port


def test_timeout():
    s = Server(lambda session, line: time.sleep(3) if line.startswith("MAIL")
               else None)
    statuses, _ = run(s, conf=smarthost(s, more="TIMEOUT 1s\n"))
    assert statuses[0][:2] == (DEFERRED, "4.4.2") and "timed out" in statuses[0][2]


# --- many messages ------------------------------------------------------

def many(r, n, most=64, **kw):
    for i in range(n):
        r.job(i, b"Subject: %d\n\nbody\n" % i, "to%d@example.net" % i, **kw)
        while i + 1 - sum(1 for _, left in r.recorded if not left) >= most:
            r.read()
    return r.collect()


def test_one_connection_in_a_row():
    s = Server()
    r = Runner(smarthost(s))
    for i in range(20):
        r.job(i, TEXT, "to@x")
        r.collect()
    r.finish()
    assert len(s.sessions) == 1 and len(s.messages) == 20
    assert "RSET" not in s.sessions[0].commands
    time.sleep(0.3)             # for the server to have seen it
    assert s.sessions[0].quit


def test_pipelined_behind_the_dot():
    s = Server(delay=0.02)
    r = Runner(smarthost(s, more="CONCURRENCY 1\n"))
    many(r, 60)
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(s.sessions) == 1 and len(s.messages) == 60
    assert s.sessions[0].flights < 60 + 10
    assert len(set(s.messages)) == 60


def test_cut_every_ten():
    """Of what a cut connection had under way one is in doubt, the rest goes
    again at once; none twice, none lost."""
    def script(session, line):
        if line == ".":
            session.dots = getattr(session, "dots", 0) + 1
            if session.dots == 10:
                return session.leave()
        return None
    s = Server(script)
    r = Runner(smarthost(s, more="CONCURRENCY 1\n"))
    many(r, 95, most=95)
    r.finish()
    statuses = [f[0] for f in r.statuses.values()]
    assert set(statuses) == {SENT, DEFERRED} and statuses.count(DEFERRED) == 9
    assert len(s.messages) == 86 == len(set(s.messages))


def test_concurrency():
    s = Server(delay=0.02)
    r = Runner(smarthost(s, more="CONCURRENCY 5\n"))
    many(r, 400)
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert 2 <= len(s.sessions) <= 5
    assert len(s.messages) == 400 == len(set(s.messages))


@pytest.mark.parametrize("reply", [
    "421 4.7.0 too many", "432 4.7.0 too many", "452 4.3.2 too many"])
@pytest.mark.parametrize("verb", ["banner", "AUTH", "MAIL"])
def test_throttled_at_the_fourth_connection(reply, verb):
    """Fewer connections then, and nothing is deferred."""
    def script(session, line):
        return reply if line.startswith(verb) and session.is_fourth else None

    def greet(session):
        with s.lock:
            session.is_fourth = s.open > 3
        return reply if verb == "banner" and session.is_fourth else "220 hi"
    s = Server(script, login="any", greet=greet, delay=0.01)
    r = Runner(smarthost(s, more="INSECURE\n"), AUTH)
    many(r, 60)
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(s.messages) == 60 == len(set(s.messages))


def test_fewer_connections_than_wanted():
    s = Server(delay=0.01, max_conns=3)
    r = Runner(smarthost(s))
    many(r, 300)
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(s.messages) == 300


@pytest.mark.parametrize("limits,reply", [
    (["LIMITS MAILMAX=1"], None), ([], "421 4.7.0 enough for one connection")])
def test_concurrency_of_last_mails(limits, reply):
    """A connection that takes no more mail counts until its last is over."""
    lock, at_once = threading.Lock(), [0, 0]

    def script(session, line):
        if line.startswith("MAIL"):
            session.mails = getattr(session, "mails", 0) + 1
            return reply if session.mails > 1 else None
        if line == ".":
            with lock:
                at_once[0] += 1
                at_once[1] = max(at_once)
            time.sleep(0.1)
            with lock:
                at_once[0] -= 1
        return None
    s = Server(script, caps=CAPS + limits)
    r = Runner(smarthost(s, more="CONCURRENCY 3\n"))
    many(r, 30)
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(s.messages) == 30 == len(set(s.messages))
    assert at_once[1] <= 3


def test_421_after_some():
    def script(session, line):
        if line.startswith("MAIL"):
            session.mails = getattr(session, "mails", 0) + 1
            if session.mails > 5:
                return "421 4.7.0 enough for one connection"
        return None
    s = Server(script)
    r = Runner(smarthost(s, more="CONCURRENCY 2\n"))
    many(r, 60)
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(s.messages) == 60 == len(set(s.messages))


def test_poison():
    """A message that kills the session harms only itself."""
    def script(session, line):
        return False if "poison" in line else None
    s = Server(script)
    r = Runner(smarthost(s, more="CONCURRENCY 1\n"))
    r.job(100, TEXT, "poison@x")
    many(r, 20)
    r.finish()
    assert r.statuses.pop((100, 0))[0] == DEFERRED
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(s.messages) == 20


# --- a message that the relay does not answer -------------------------------

class Held(Server):
    """Does not answer, at that stage, for a message to slow@x until go."""

    def __init__(self, stage=".", **kw):
        self.stage, self.go, self.held = stage, threading.Event(), []
        super().__init__(self.hold, **kw)

    def hold(self, session, line):
        if line.startswith("MAIL"):
            session.is_slow = "slow@" in line
        if line.startswith("RCPT") and "slow@" in line:
            session.is_slow = True
        if line.startswith(self.stage) and getattr(session, "is_slow", False):
            session.is_slow = False
            self.held.append(session)
            self.go.wait(60)
        return None


def slow_and_nine(r):
    r.job(0, TEXT, "slow@x", sender="slow@y")
    for i in range(1, 10):
        r.job(i, b"Subject: %d\n\nbody\n" % i, "to@x")


def wait_for(r, n):
    """Until n requests are over."""
    while sum(1 for left in r.left.values() if not left) < n:
        r.read()


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("caps", [CAPS, CAPS[1:]], ids=["pipelining", "plain"])
@pytest.mark.parametrize("more", ["", "CONCURRENCY 2\n"])
def test_message_that_is_not_answered_holds_nothing_up(stage, caps, more):
    """The others are through while it still waits; then its verdict counts,
    and it is sent once."""
    s = Held(stage, caps=caps)
    r = Runner(smarthost(s, more=more))
    slow_and_nine(r)
    wait_for(r, 9)
    assert r.left[0] == 1 and len(s.messages) == 9
    s.go.set()
    r.collect()
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(s.messages) == 10 == len(set(s.messages))
    if more:
        assert s.peak <= 2


def test_connection_is_closed_after_a_slow_verdict():
    """What was put after that message goes elsewhere, and sends no text."""
    sent = threading.Event()

    def greet(session):
        """All are there by then, and no other connection is ready."""
        sent.wait(20)
        end = time.time() + 20
        while session is not s.sessions[0] and not s.held and \
                time.time() < end:
            time.sleep(0.01)
        return "220 hi"
    s = Held(greet=greet)
    r = Runner(smarthost(s, more="CONCURRENCY 2\n"))
    slow_and_nine(r)
    time.sleep(0.2)
    sent.set()
    wait_for(r, 9)
    s.go.set()
    r.collect()
    r.finish()
    first = s.held[0]
    at = first.commands.index("RCPT TO:<slow@x>")
    rest = [c.split(":")[0] for c in first.commands[at + 2:]]
    # In vain: the server may see the end before it has read them all.
    assert rest and rest == ["MAIL FROM", "RCPT TO", "DATA"][:len(rest)]
    assert len(s.messages) == 10 == len(set(s.messages))


def test_message_that_is_never_answered_is_not_the_end_of_its_host():
    """It is deferred; what comes after it goes to the same host at once."""
    s = Held()
    r = Runner(smarthost(s, more="TIMEOUT 2s\n"))
    slow_and_nine(r)
    r.collect()
    assert r.statuses.pop((0, 0))[:2] == (DEFERRED, "4.4.2")
    r.job(10, b"Subject: 10\n\nbody\n", "to@x")
    r.collect()
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    s.go.set()


def test_suspect_goes_last_and_alone():
    """At a later attempt; nor does it count against the host."""
    s = Held()
    r = Runner(smarthost(s, more="TIMEOUT 2s\nCONCURRENCY 1\n"))
    r.job(0, TEXT, "slow@x", suspect=True)
    for i in range(1, 10):
        r.job(i, b"Subject: %d\n\nbody\n" % i, "to@x")
    r.collect()
    for i in range(10, 14):
        r.job(i, TEXT, "slow@x", suspect=True)
    r.collect()
    r.job(20, b"Subject: 20\n\nbody\n", "to@x")
    r.collect()
    r.finish()
    assert r.statuses.pop((20, 0))[0] == SENT
    assert [r.statuses[i, 0][0] for i in range(1, 10)] == [SENT] * 9
    assert r.statuses[0, 0][:2] == (DEFERRED, "4.4.2")
    for session in s.held:
        assert "slow@x" in session.commands[-2]     # RCPT, DATA
        assert session.commands[-1] == "DATA"
    s.go.set()


def test_second_connection_during_a_long_upload():
    """And one message is enough to open it."""
    s = Held("DATA")
    r = Runner(smarthost(s))
    r.job(0, b"x" * 70 + b"\n" + b"line\n" * 4000000, "slow@x")
    end = time.time() + 20
    while not s.held and time.time() < end:
        time.sleep(0.01)
    r.job(1, TEXT, "to@x")
    wait_for(r, 1)
    assert r.left == {0: 1, 1: 0}
    s.go.set()
    r.collect()
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(s.messages) == 2 == len(s.sessions)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("is_known", [False, True])
def test_reset_at_the_fourth_message(stage, is_known):
    """Those before it are sent once, those after it once; it goes alone, and
    last, and at a later attempt over one connection more."""
    def script(session, line):
        if line.startswith(stage) and getattr(session, "is_fourth", False) or \
                line.startswith(stage) and "4@" in line:
            session.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    struct.pack("ii", 1, 0))
            return False
        if line.startswith("MAIL"):
            session.is_fourth = "4@" in line
        return None
    s = Server(script)
    r = Runner(smarthost(s, more="CONCURRENCY 1\n"))
    for i in range(1, 9):
        r.job(i, b"Subject: %d\n\nbody\n" % i, "%d@x" % i,
              sender="%d@y" % i, suspect=is_known and i == 4)
    r.collect()
    r.finish()
    assert r.statuses.pop((4, 0))[:2] == (DEFERRED, "4.4.2")
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(s.messages) == 7 == len(set(s.messages))
    alone = [x for x in s.sessions if any("<4@y>" in c for c in x.commands)]
    assert len(alone) == (1 if is_known else 3)
    for session in alone:
        senders = [c for c in session.commands if c.startswith("MAIL")]
        assert "<4@y>" in senders[-1]
        assert len(senders) == 1 or session is alone[0] or \
            len(alone) > 1 and session is alone[1]


def test_dead_relay_is_remembered():
    bad, good = Server(banner="554 no"), Server()
    r = Runner(smarthost(bad, good))
    for i in range(10):
        r.job(i, TEXT, "to@x")
        r.collect()
    r.finish()
    assert len(bad.sessions) == 1 and len(good.messages) == 10
    bad = Server(banner="554 no")
    r = Runner(smarthost(bad))
    for i in range(10):
        r.job(i, TEXT, "to@x")
        r.collect()
    assert {f[0] for f in r.statuses.values()} == {DEFERRED}
    assert r.hosts[9, 0] == "127.0.0.1"
    r.finish()
    assert len(bad.sessions) == 1


# --- the next host, in the same attempt -----------------------------------

PUT_OFF = [("MAIL", "451 4.3.0 first"), ("RCPT", "450 4.2.0 first"),
           ("RCPT", "451 first"), ("DATA", "451 4.3.0 first"),
           (".", "451 4.7.1 first")]


@pytest.mark.parametrize("verb,reply", PUT_OFF)
@pytest.mark.parametrize("more", ["", "CONCURRENCY 1\n"])
def test_next_host(verb, reply, more):
    first = Server(lambda session, line: reply if line.startswith(verb)
                   else None)
    second = Server()
    statuses, _ = run(None, ["a@x", "b@x"],
                   conf=smarthost(first, second, more=more))
    assert status_codes(statuses) == [(SENT, "2.0.0")] * 2
    assert len(second.messages) == 1 and not any(first.messages)
    # What the last one says counts, and what one says, not that none is left.
    second = Server(lambda session, line: "452 4.3.1 second"
                    if line.startswith("RCPT") else None)
    statuses, _ = run(None, ["a@x", "b@x"],
                   conf=smarthost(first, second, more=more))
    assert status_codes(statuses) == [(DEFERRED, "4.3.1")] * 2
    second = Server(banner="554 5.3.2 no")
    statuses, _ = run(None, ["a@x", "b@x"],
                   conf=smarthost(first, second, more=more))
    assert {f[0] for f in statuses} == {DEFERRED} and "first" in statuses[0][2]
    assert len(second.sessions) == 1


def test_next_host_each():
    """Only who was deferred goes on, each with their own words."""
    def script(session, line):
        return {"RCPT TO:<b@x>": "450 4.2.1 first",
                "RCPT TO:<c@x>": "550 5.1.1 first",
                "RCPT TO:<d@x>": "450 4.2.1 first"}.get(line)
    first = Server(script)
    second = Server(lambda session, line: "550 5.7.1 second"
                    if line == "RCPT TO:<d@x>" else None)
    statuses, _ = run(None, ["a@x", "b@x", "c@x", "d@x"],
                   conf=smarthost(first, second))
    assert statuses == [(SENT, "2.0.0", "250 2.0.0 queued 1"),
                     (SENT, "2.0.0", "250 2.0.0 queued 1"),
                     (FAILED, "5.1.1", "550 5.1.1 first"),
                     (FAILED, "5.7.1", "550 5.7.1 second")]
    assert [c for c in second.sessions[0].commands if "RCPT" in c] == [
        "RCPT TO:<b@x>", "RCPT TO:<d@x>"]


def test_next_host_many():
    first = Server(lambda session, line: "451 4.7.1 greylisted"
                   if line.startswith("RCPT") and "0@" in line else None)
    second = Server()
    r = Runner(smarthost(first, second, more="CONCURRENCY 4\n"))
    many(r, 200)
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len([m for m in first.messages if m]) == 180
    assert len(second.messages) == 20
    assert len(first.sessions) + len(second.sessions) <= 8


@pytest.mark.parametrize("caps", [CAPS[1:], CAPS])
@pytest.mark.parametrize("most", [1, 2])
def test_next_host_limits(caps, most):
    """Who waits for the next host leaves the room to those behind."""
    first = Server(lambda session, line: "450 4.7.1 greylisted"
                   if line.startswith("RCPT") and "@x" in line else None,
                   caps=caps + ["LIMITS RCPTMAX=%d" % most])
    second = Server(caps=caps)
    statuses, _ = run(None, ["a@x", "b@x", "c@y", "d@x", "e@y"],
                   conf=smarthost(first, second))
    assert status_codes(statuses) == [(SENT, "2.0.0")] * 5
    for server, rcpts in (first, 5), (second, 3):
        assert sum("RCPT" in c for s in server.sessions
                   for c in s.commands) == rcpts
    assert len([m for m in second.messages if m]) == 1


# Every stage, and everything that can go wrong there (SMTP.md, "By stage").
BEFORE = ["banner", "EHLO", "STARTTLS", "AUTH"]
AFTER = ["MAIL", "RCPT", "DATA", "."]
TROUBLE = {
    "4xx": "451 4.3.0 trouble", "421": "421 4.3.2 trouble",
    "5xx": "554 5.7.1 trouble", "530": "530 5.7.0 trouble",
    "535": "535 5.7.8 trouble", "eof": False, "reset": "reset",
    "mute": "mute", "words": "trouble", "disagree": "250-a\r\n550 b",
    "lines": "\r\n".join(["250-x"] * 1001 + ["250 x"]),
    "bytes": "\r\n".join(["250-" + "x" * 500] * 140 + ["250 x"]),
    "line": "250 " + "x" * 9000, "nul": "250 a\0b", "1xx": "150 eh",
    "7xx": "750 eh", "2 digits": "25 eh", "other": None, "twice": None}
CLEAN = {"4xx", "5xx", "530", "535", "421"}


def trouble_at(stage, name):
    """The script of a server with that trouble; it ends a line by itself."""
    usual = {"banner": "220 hi", "EHLO": "250 x", "STARTTLS": "220 go",
             "AUTH": "235 in", "MAIL": "250 ok", "RCPT": "250 ok",
             "DATA": "354 go", ".": "250 ok"}[stage]
    reply = TROUBLE[name]
    if name == "other":
        reply = "250 eh" if stage == "DATA" else "354 eh"
    if name == "twice":
        reply = usual + "\r\n" + usual.replace("354", "250")

    def say(session):
        if reply == "reset":
            session.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    struct.pack("ii", 1, 0))
            session.conn.close()
            return False
        if reply == "mute":
            while session.conn.recv(65536):
                pass
            return False
        return session.leave() if reply is False else reply
    return say


def expected(stage, name, has_next):
    if stage in BEFORE:
        if stage == "AUTH" and name == "535":
            return DEFERRED
        is_helo = stage == "EHLO" and name in ("5xx", "530", "535")
        return SENT if has_next or is_helo else DEFERRED
    if name == "5xx":
        return FAILED
    if stage == "." and name in ("twice", "lines", "bytes", "line", "nul"):
        return SENT                 # and the connection is of no more use
    if stage == "." and name not in CLEAN:
        return DEFERRED                # it may have been taken
    return SENT if has_next else DEFERRED


class Trouble:
    """One message, one host with that trouble, perhaps another without."""
    def __init__(self, stage, name, caps, has_next, tls):
        self.stage, self.name, self.has_next = stage, name, has_next
        say = trouble_at(stage, name)
        self.bad = Server(lambda session, line: say(session)
                          if line.startswith(stage) else None, caps=caps,
                          tls=tls if stage == "STARTTLS" else None,
                          login="any" if stage == "AUTH" else None,
                          greet=say if stage == "banner" else None)
        self.good = Server(caps=caps, tls=self.bad.tls, login=self.bad.login)
        hosts = (self.bad, self.good) if has_next else (self.bad,)
        more = "TIMEOUT %s\n" % ("3s" if name == "mute" else "30s")
        self.runner = Runner(smarthost(*hosts, more=more + {
            "STARTTLS": "TLS required\n", "AUTH": "INSECURE\n"}.get(stage, "")),
            AUTH if stage == "AUTH" else "")
        self.runner.job(1, TEXT, ["a@x", "b@x"])
        end = time.time() + 10
        while not self.bad.sessions and time.time() < end:
            time.sleep(0.002)           # dma.conf is the next one's then

    def check(self):
        what = "%s at %s, %s" % (self.name, self.stage,
                                 "two hosts" if self.has_next else "one host")
        statuses = self.runner.collect()
        status = expected(self.stage, self.name, self.has_next)
        assert [f[0] for f in statuses.values()] == [status] * 2, (what, statuses)
        if status != SENT:
            assert not self.good.messages, what
        if self.name in CLEAN and status != SENT:
            assert "trouble" in statuses[1, 0][2], (what, statuses)
        took = [m for m in self.bad.messages + self.good.messages if m]
        assert len(took) <= 1, what     # nothing twice
        assert len(self.bad.sessions) <= 4, what
        assert "secret" not in self.runner.finish(), what
        self.bad.close()
        self.good.close()


@pytest.mark.parametrize("stage,caps", [
    *(pytest.param(s, CAPS, id=s + "-pipelining") for s in BEFORE + AFTER),
    *(pytest.param(s, CAPS[1:], id=s + "-plain") for s in AFTER)])
def test_trouble(stage, caps, tls):
    """What each recipient gets, and whether the next host is asked."""
    cases = []
    for name in sorted(TROUBLE, key=lambda n: n != "mute"):
        if (name, stage) == ("other", "banner") or \
                name == "mute" and "PIPELINING" not in caps:
            continue
        for has_next in (True, False):
            cases.append(Trouble(stage, name, caps, has_next, tls))
            if name != "mute":
                cases.pop().check()
    for case in cases:
        case.check()


def test_not_the_next_host():
    """In doubt, or final."""
    for verb, reply in ((".", False), ("RCPT", "550 no"), (".", "554 no")):
        first = Server(lambda session, line: reply if line.startswith(verb)
                       else None)
        second = Server()
        run(None, conf=smarthost(first, second))
        assert not second.sessions


def test_ten_hosts():
    servers = [Server(lambda session, line: "451 no"
                      if line.startswith("MAIL") else None)
               for i in range(13)]
    statuses, _ = run(None, conf=smarthost(*servers))
    assert statuses[0][0] == DEFERRED
    assert sum(1 for s in servers if s.sessions) == 10


def test_421_from_one_host():
    first = Server(lambda session, line: "421 4.3.2 bye"
                   if line.startswith("RCPT") else None)
    second = Server()
    r = Runner(smarthost(first, second))
    many(r, 20)
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(first.sessions) <= 20 and len(second.messages) == 20


def test_slow_runner():
    """A full socket to the runner loses no status."""
    s = Server(lambda session, line: "550 5.1.1 " + "z" * 400
               if line.startswith("RCPT") else None)
    r = Runner(smarthost(s))
    for i in range(8):
        r.job(i, TEXT, ["r%d@x" % n for n in range(1000)])
    time.sleep(3)
    r.collect()
    r.finish()
    assert len(r.statuses) == 8000
    assert {f[0] for f in r.statuses.values()} == {FAILED}


def test_half_closed_runner():
    s = Server(delay=0.05)
    r = Runner(smarthost(s))
    for i in range(10):
        r.job(i, TEXT, "to@x")
    r.sock.shutdown(socket.SHUT_WR)
    r.collect()
    r.finish()
    assert len(s.messages) == 10 and {x[0] for x in r.statuses.values()} == {SENT}


def test_runner_gone():
    s = Server(lambda session, line: time.sleep(1) if line.startswith("MAIL")
               else None)
    r = Runner(smarthost(s))
    r.job(1, TEXT, "to@x")
    time.sleep(0.3)
    r.finish()
    assert not s.messages


def head(sender="s", ret=0, envid=""):
    return put("id", sender, 0, (0,), (0,), (0,), 1, ret, envid, 0, 0, (0,))


HEAD = (DESTINATION, 0, put(0, "", "", 0), False)


@pytest.mark.parametrize("records", [
    [(MESSAGE, 1, head(), True)],   # no hop
    [(DESTINATION, 0, put(7, "", "", 0), False)],
    [(DESTINATION, 0, put(DOMAIN, "", "", 0), False)],
    [(DESTINATION, 0, put(DOMAIN, "x", "user", 0), False)],
    [(DESTINATION, 0, put(SENDER, "", "user", 0), False)],
    [(DESTINATION, 0, put(SENDER, "a:b", "user", 0), False)],
    [HEAD, HEAD],
    [HEAD, (RECIPIENTS, 1, put(0, "a@x", 0, ""), False)],
    [HEAD, (MESSAGE, 1, head(), False)],  # no file
    [HEAD, (MESSAGE, 1, head("s\r\nX"), True)],
    [HEAD, (MESSAGE, 1, head(ret=3), True)],
    [HEAD, (MESSAGE, 1, head(envid="a\nb"), True)],
    [HEAD, (MESSAGE, 1, head(envid="x" * 101), True)],
    [HEAD, (MESSAGE, 1, head(), True), (RECIPIENTS, 1, put(0, "a@x", 16, ""), False)],
    [HEAD, (MESSAGE, 1, head(), True), (RECIPIENTS, 1, put(0, "a@x", 3, ""), False)],
    [HEAD, (MESSAGE, 1, head(), True),
     (RECIPIENTS, 1, put(0, "a@x", 0, "rfc822"), False)],
    [HEAD, (MESSAGE, 1, head(), True),
     (RECIPIENTS, 1, put(0, "a@x", 0, "rfc822;" + "x" * 520), False)],
    [HEAD, (STATUS, 1, b"", False)],
    [HEAD, (99, 1, b"", False)],
])
def test_records_out_of_turn(records):
    r = Runner("SMARTHOST 127.0.0.1:1\n", hop=None)
    with tempfile.TemporaryFile() as f:
        for kind, ident, data, has_fd in records:
            r.send(kind, ident, data, [f.fileno()] if has_fd else [])
        assert r.proc.wait(5) == 76


def test_refuses_root_and_terminals():
    p = subprocess.run([REMOTE], stdin=subprocess.DEVNULL, capture_output=True)
    assert p.returncode == 64 and b"started by dma" in p.stderr
    if os.getuid() != 0:
        pytest.skip("only root can try to run it as root")
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    p = subprocess.run([REMOTE], stdin=b, capture_output=True)
    assert p.returncode == 77 and b"root" in p.stderr


# --- by MX --------------------------------------------------------------

def test_domain_literal():
    s = Server()
    r = Runner("PORT %d\n" % s.port, hop=(DOMAIN, "[127.0.0.1]", ""))
    r.job(1, TEXT, "to@[127.0.0.1]")
    assert r.collect()[1, 0][0] == SENT
    r.finish()
    assert len(s.messages) == 1


# --- TLS and login ------------------------------------------------------

AUTH = "joe|127.0.0.1:secret-word\n"


def test_opportunistic(tls):
    s = Server(tls=tls)
    statuses, log = run(s)
    assert statuses[0][0] == SENT and s.sessions[0].is_tls
    assert 'tls="TLSv1.3' in log
    assert [c.split()[0] for c in s.sessions[0].commands[:3]] == [
        "EHLO", "STARTTLS", "EHLO"]


def test_opportunistic_falls_back(tls):
    s = Server(lambda session, line: "454 4.7.0 not now"
               if line == "STARTTLS" else None, tls=tls)
    statuses, _ = run(s)
    assert statuses[0][0] == SENT and not s.sessions[-1].is_tls
    assert len(s.sessions) == 2

    def script(session, line):
        return "220 go\r\n250 injected" if line == "STARTTLS" else None
    for conf, status in (("", SENT), ("TLS required\n", DEFERRED)):
        s = Server(script, tls=tls)
        statuses, _ = run(s, conf=smarthost(s, more=conf))
        assert statuses[0][0] == status


@pytest.mark.parametrize("policy", ["required", "verify"])
def test_required(tls, policy):
    conf = "TLS %s\nCAFILE %s\n" % (policy, tls.cert)
    s = Server()
    statuses, _ = run(s, conf=smarthost(s, more=conf))
    assert status_codes(statuses) == [(DEFERRED, "4.7.4")]
    assert [c.split()[0] for c in s.sessions[0].commands] == ["EHLO"]
    s = Server(tls=tls)
    statuses, log = run(s, conf=smarthost(s, more=conf))
    assert statuses[0][0] == SENT


def test_verify_refuses(tls):
    s = Server(tls=tls)
    statuses, _ = run(s, conf=smarthost(s, more="TLS verify\n"))
    assert statuses[0][0] == DEFERRED and not s.messages
    assert not any(c.startswith("MAIL") for x in s.sessions for c in x.commands)


def test_capabilities_are_forgotten(tls):
    """What was offered in the clear may have been put there by others."""
    def script(session, line):
        if line.startswith("EHLO") and not session.is_tls:
            return "\r\n".join(["250-x"] + ["250-" + c for c in CHUNKING] +
                               ["250-SIZE 10", "250 STARTTLS"])
        return "250 x" if line.startswith("EHLO") else None
    s = Server(script, tls=tls)
    statuses, _ = run(s)
    assert statuses[0][0] == SENT
    assert s.sessions[0].commands[3:] == [
        "MAIL FROM:<from@sender.example.org>", "RCPT TO:<to@example.net>",
        "DATA", "QUIT"]
    assert s.sessions[0].flights >= 7


@pytest.mark.parametrize("is_clean", [True, False])
@pytest.mark.parametrize("said", ["250 2.0.0 tak", "250", "250-2.0.0 taken\r\n"])
def test_truncated_tls(tls, said, is_clean):
    """The end of the stream, with or without a goodbye, ends no reply."""
    def script(session, line):
        if line != ".":
            return None
        session.conn.sendall(said.encode())
        if is_clean:
            session.conn.unwrap()
        return False
    s = Server(script, tls=tls)
    statuses, _ = run(s)
    assert status_codes(statuses) == [(DEFERRED, "4.4.2")]


def test_resumption(tls):
    s = Server(tls=tls, delay=0.02)
    r = Runner(smarthost(s, more="CONCURRENCY 4\n"))
    many(r, 60)
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(s.sessions) > 1
    assert any(x.is_resumed for x in s.sessions)


def test_pins(tls):
    out = subprocess.run(["openssl", "x509", "-in", tls.cert, "-outform",
                          "DER"], check=True, capture_output=True).stdout
    right, wrong = hashlib.sha256(out).hexdigest(), "ab" * 32
    for pins, status in ((right, SENT), ("%s %s" % (wrong, right), SENT),
                       (wrong, DEFERRED), ("%s %s" % (wrong, wrong), DEFERRED)):
        s = Server(tls=tls)
        statuses, log = run(s, conf=smarthost(s, more="FINGERPRINT %s\n" % pins))
        assert statuses[0][0] == status, log
        assert not any(c.startswith("MAIL") for x in s.sessions
                       for c in x.commands) or status == SENT


def test_implicit(tls):
    s = Server(tls=tls, implicit=True)
    statuses, _ = run(s, conf=smarthost(s, more="SECURETRANSFER\nTLS required\n"))
    assert statuses[0][0] == SENT


def test_login(tls):
    s = Server(tls=tls, login="tls")
    statuses, log = run(s, conf=smarthost(s, more="CAFILE %s\n" % tls.cert),
                     auth=AUTH)
    assert statuses[0][0] == SENT
    c = s.sessions[0].commands
    assert c[3].startswith("AUTH CRAM-MD5")     # refused with 504
    assert c[4] == "AUTH PLAIN AGpvZQBzZWNyZXQtd29yZA=="
    assert "login=PLAIN" in log


def test_no_login_in_the_clear(tls):
    for kw in ({"login": "any"}, {}):
        s = Server(**kw)
        statuses, _ = run(s, conf=smarthost(s, more="TLS opportunistic\n"),
                       auth=AUTH)
        assert statuses[0][0] == DEFERRED
        assert [c.split()[0] for c in s.sessions[0].commands] == ["EHLO"]
    s = Server(lambda session, line: "454 no" if line == "STARTTLS" else None,
               tls=tls, login="any")
    statuses, _ = run(s, conf=smarthost(s, more="TLS opportunistic\nINSECURE\n"),
                   auth=AUTH)
    assert statuses[0][0] == DEFERRED
    assert not any(c.startswith("AUTH") for x in s.sessions for c in x.commands)
    s = Server(login="any")
    statuses, _ = run(s, conf=smarthost(s, more="INSECURE\n"), auth=AUTH)
    assert statuses[0][0] == SENT


def test_password_refused():
    def script(session, line):
        if line.startswith("AUTH"):
            return "535 5.7.8 bad: %s secret-word" % line.split()[-1]
        return None
    s = Server(script, login="any")
    other = Server()
    r = Runner(smarthost(s, other, more="INSECURE\n"), AUTH)
    many(r, 20)
    log = r.finish()
    assert status_codes(r.statuses.values()) == [(DEFERRED, "4.7.8")] * 20
    assert len(s.sessions) == 1 and not other.sessions
    assert "login refused" in log
    assert "connection failed: 535" in log and "lost" not in log
    told = log + "".join(f[2] for f in r.statuses.values())
    assert "535" in told and "secret" not in told and "c2VjcmV0" not in told


@pytest.mark.parametrize("reply,next_host", [
    ("454 4.7.0 temporary", True), ("421 bye", True), (False, True),
    ("538 5.7.11 encryption", True), ("334 %%%", True)])
def test_login_trouble(reply, next_host):
    def script(session, line):
        if line == "*":
            return "501 cancelled"
        return reply if line.startswith("AUTH") else None
    bad = Server(script, login="any")
    statuses, _ = run(bad, conf=smarthost(bad, more="INSECURE\n"), auth=AUTH)
    assert statuses[0][0] == DEFERRED
    assert not any(c.startswith("MAIL") for x in bad.sessions
                   for c in x.commands)


# --- requests that are not wanted any more ---------------------------------

def cancel(r, ident):
    r.send(CANCEL, ident, b"")


def until(condition):
    end = time.time() + 20
    while not condition():
        assert time.time() < end
        time.sleep(0.01)


def assert_cancelled(r, s, n):
    """Job 0 was not sent, and each of the n others once."""
    assert r.statuses.pop((0, 0))[:2] == (DEFERRED, "4.3.0")
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(r.statuses) == n == len(s.messages) == len(set(s.messages))


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("caps", [CAPS, CAPS[1:]], ids=["pipelining", "plain"])
def test_cancelled_before_its_text_is_not_sent(stage, caps):
    s = Held(stage, caps=caps)
    r = Runner(smarthost(s, more="CONCURRENCY 1\n"))
    slow_and_nine(r)
    until(lambda: s.held)
    cancel(r, 0)
    r.collect()
    s.go.set()
    r.finish()
    assert_cancelled(r, s, 9)


def test_cancelled_between_its_recipients_is_not_sent():
    s = Held("RCPT", caps=CAPS[1:])
    r = Runner(smarthost(s))
    r.job(0, TEXT, ["to@x", "slow@x", "more@x"])
    until(lambda: s.held)
    cancel(r, 0)
    r.collect()
    s.go.set()
    r.finish()
    assert {f[:2] for f in r.statuses.values()} == {(DEFERRED, "4.3.0")}
    assert not s.messages and len(r.statuses) == 3


def test_cancelled_in_its_text_is_not_sent():
    s = Server(delay=0.02)
    r = Runner(smarthost(s, more="CONCURRENCY 1\n"))
    r.job(0, b"Subject: big\n\n" + (b"x" * 76 + b"\n") * 300000, "slow@x")
    until(lambda: s.sessions and s.sessions[0].flights > 12)
    for i in range(1, 10):
        r.job(i, b"Subject: %d\n\nbody\n" % i, "to@x")
    cancel(r, 0)
    r.collect()
    r.finish()
    assert_cancelled(r, s, 9)


def test_cancelled_after_its_text_has_the_verdict_of_the_server():
    s = Held(".")
    r = Runner(smarthost(s, more="CONCURRENCY 1\n"))
    slow_and_nine(r)
    until(lambda: s.held)
    cancel(r, 0)
    with pytest.raises(TimeoutError):
        while True:
            r.read(0.3)
    s.go.set()
    r.collect()
    r.finish()
    assert {f[0] for f in r.statuses.values()} == {SENT}
    assert len(s.messages) == 10 == len(set(s.messages))


def test_cancelled_behind_the_text_of_another_harms_neither():
    """One is in doubt when its connection is closed; here it is not."""
    s = Held(".")
    r = Runner(smarthost(s, more="CONCURRENCY 1\n"))
    r.job(1, TEXT, "slow@x", sender="slow@y")
    until(lambda: s.held)
    r.job(0, b"Subject: no\n\nno\n", "to@x")
    r.job(2, b"Subject: yes\n\nyes\n", "to@x")
    with pytest.raises(TimeoutError):
        while True:
            r.read(0.3)
    cancel(r, 0)
    wait_for(r, 1)
    s.go.set()
    r.collect()
    r.finish()
    assert_cancelled(r, s, 2)


def test_cancelled_before_there_is_a_connection():
    s = Server(greet=lambda session: time.sleep(0.5) or "220 hi")
    r = Runner(smarthost(s))
    slow_and_nine(r)
    cancel(r, 0)
    cancel(r, 77)               # over, or never there
    r.collect()
    r.finish()
    assert_cancelled(r, s, 9)
