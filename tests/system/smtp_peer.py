"""smtp_peer.py - an SMTP server that does as it is told, and remembers.

A Peer listens on a port of its own choice on the loopback.  What it offers and
how it answers is one Script; successive connections may have scripts of their
own.  Afterwards peer.connections tells what each client did, byte by byte.
"""
import base64
import dataclasses
import hashlib
import hmac
import os
import re
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

LINE_LIMIT = 1 << 20
MUTE, RESET = "MUTE", "RESET"   # never a reply; a TCP RST
IDLE_LIMIT = 60         # seconds that a silent client is kept


def certificates(folder):
    """Makes a CA and server certificates in folder; gives their paths.

    ca.pem signs smart.pem (smart.test, 127.0.0.1), other.pem (other.test) and
    client.pem (client.test); lone.pem (smart.test) is signed by itself.  Each file holds its key too.
    """
    def openssl(*args):
        subprocess.run(("openssl",) + args, cwd=folder, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)

    def path(name):
        return os.path.join(folder, name)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=Test CA", "-days", "2")
    for name, host, more in (("smart", "smart.test", ",IP:127.0.0.1"),
                             ("other", "other.test", ""),
                             ("client", "client.test", "")):
        with open(path(name + ".ext"), "w") as f:
            f.write("subjectAltName=DNS:%s%s\n" % (host, more))
        openssl("req", "-new", *curve, "-keyout", name + ".key",
                "-out", name + ".csr", "-subj", "/CN=" + host)
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem",
                "-CAkey", "ca.key", "-set_serial", str(len(name)),
                "-days", "2", "-extfile", name + ".ext", "-out", name + ".crt")
    openssl("req", "-x509", *curve, "-keyout", "lone.key", "-out", "lone.crt",
            "-subj", "/CN=smart.test", "-days", "2",
            "-addext", "subjectAltName=DNS:smart.test")
    for name in ("smart", "other", "lone", "client"):
        with open(path(name + ".pem"), "wb") as out:
            for part in (".key", ".crt"):
                with open(path(name + part), "rb") as f:
                    out.write(f.read())
    os.chmod(path("ca.pem"), 0o644)
    return {name: path(name + ".pem")
            for name in ("ca", "smart", "other", "lone", "client")}


@dataclasses.dataclass
class Script:
    """How one connection is treated; the defaults are a good server."""
    banner: str = "220 smart.test ESMTP"
    capabilities: tuple = ("PIPELINING", "8BITMIME", "SIZE 0",
                           "ENHANCEDSTATUSCODES")
    ehlo_reply: str = None      # instead of the capabilities
    helo_reply: str = "250 smart.test"
    tls: str = None             # None, "starttls", "implicit"
    certificate: str = None     # a .pem with key
    starttls_reply: str = "220 2.0.0 go ahead"
    after_starttls: str = ""    # injected behind that reply, in the clear
    tls_max: str = None         # "TLSv1_2": no newer version
    client_ca: str = None       # a certificate is asked for that it signed
    auth: tuple = ()            # mechanisms offered
    auth_old: bool = False      # in a line "AUTH=..."
    iterations: int = 4096      # of SCRAM
    scram_lie: str = None       # None, "signature", "silent" (235 without one)
    scram_first: str = None     # instead of "r=...,s=...,i=...", %s: the nonce
    challenge: str = None       # instead of any base64 behind "334 "
    auth_in_clear: bool = False  # offer them before TLS too
    user: str = None            # credentials that are right
    password: str = None
    auth_reply: str = None      # answers every AUTH, whatever was given
    #                             (%said: what the client said there, as it
    #                             came and decoded; in rcpt_reply, too)
    said_max: int = 100000      # bytes of each of these
    require_auth: bool = False  # 530 to MAIL without
    mail_reply: str = "250 2.1.0 sender ok"
    rcpt_rules: tuple = ()      # (regex, reply), the first match counts
    rcpt_reply: str = "250 2.1.5 recipient ok"
    rcpt_max: int = 0           # 452 after so many accepted; 0: no limit
    data_reply: str = "354 go"
    final_reply: str = "250 2.0.0 taken"
    final_rules: tuple = ()     # (regex over the message, reply; None: never)
    drop_at: str = None         # verb at which the line is cut: "EHLO", ...
    #                             "DATA" (command), "BODY" (at the final dot,
    #                             before its reply), "TAKEN" (same, but the
    #                             message was kept)
    final_delay: float = 0      # seconds before the reply to the final dot
    drip: float = 0             # seconds between the bytes of each reply
    endless_at: str = None      # verb that is answered by a line without end
    endless_lines_at: str = None  # ... by continuation lines without end
    mute_at: str = None         # verb that is never answered
    deaf_at: str = None         # verb from which on nothing more is read
    settle: float = 0           # seconds to wait for more input before
    #                             answering: makes the count of waits exact
    hold_open: bool = False     # after QUIT: neither answer nor close
    hook: object = None         # hook(connection, verb, argument or message):
    #                             None, or what happens instead: a reply, MUTE,
    #                             RESET, bytes as they are.  Verbs: CONNECT,
    #                             those of commands, BODY (the final dot)


class Transaction:
    """One MAIL ... final dot."""
    def __init__(self, mail):
        self.mail = mail        # argument of MAIL, as received
        self.rcpts = []         # (address, reply code) in order
        self.data = None        # bytes after unstuffing, CRLF kept
        self.reply = None       # to the final dot

    @property
    def sender(self):
        return re.match(r"FROM:\s*<([^>]*)>", self.mail, re.I).group(1)

    @property
    def accepted(self):
        return [a for a, code in self.rcpts if code // 100 == 2]

    @property
    def taken(self):
        return self.reply is not None and self.reply.startswith("2")

    @property
    def header(self):
        return self.data.partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def body(self):
        return self.data.partition(b"\r\n\r\n")[2]


class Gone(Exception):
    """The client left, or the script says to leave."""


class Cancelled(Exception):
    """The client gave up on a mechanism."""


class Connection:
    """One client: what came, in order, and what was made of it."""
    def __init__(self, peer, sock, script):
        self.peer, self.sock, self.script = peer, sock, script
        self.raw_sock = sock
        self.lines = []         # lines received outside of DATA, as bytes
        self.chunks = []        # what each read from the line gave
        self.clear = b""        # everything read before TLS was up
        self.replies = []       # codes sent, in order
        self.waits = 0          # times that the client had to wait for replies
        self.transactions = []
        self.handshakes = 0
        self.tls_error = None
        self.tls_resumed = None
        self.sock_version = None    # "TLSv1.3"
        self.sni = None
        self.injected = b""     # bytes that came in the clear behind STARTTLS
        self.logins = []        # (mechanism, user, good)
        self.gs2 = None         # what SCRAM said of channel binding
        self.asked_at = ()      # SCRAM: when it was asked, and answered
        self.taken_at = []      # when each message was
        self.quit = False
        self.ended = False
        self.began_at = time.monotonic()
        self.ended_at = None
        self._in = b""
        self._out = b""
        self._clear = True
        self._authed = False

    # -- bytes ---------------------------------------------------------

    def _more(self):
        if self._out and not self._ready(self.script.settle):
            self._flush()
            self.waits += 1
        if not self._ready(IDLE_LIMIT):
            raise Gone("idle")
        try:
            data = self.sock.recv(65536)
        except (OSError, ssl.SSLError) as e:
            raise Gone(str(e))
        if not data:
            raise Gone("end of file")
        self.chunks.append(data)
        if self._clear:
            self.clear += data
        self._in += data

    def _ready(self, seconds):
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return True
        return bool(select.select([self.sock], [], [], seconds)[0])

    def _flush(self):
        out, self._out = self._out, b""
        try:
            if not self.script.drip:
                self.sock.sendall(out)
                return
            for i in range(len(out)):
                self.sock.sendall(out[i:i + 1])
                time.sleep(self.script.drip)
        except (OSError, ssl.SSLError) as e:
            raise Gone(str(e))

    def _line(self):
        while b"\n" not in self._in:
            if len(self._in) > LINE_LIMIT:
                raise Gone("line too long")
            self._more()
        line, _, self._in = self._in.partition(b"\n")
        return line + b"\n"

    def _say(self, text):
        for line in text.split("\n"):
            self._out += line.encode("utf-8", "surrogateescape") + b"\r\n"
        self.replies.append(int(text[:3]) if text[:3].isdigit() else 0)

    # -- the conversation ----------------------------------------------

    def serve(self):
        try:
            if self.script.tls == "implicit":
                self._handshake()
            self._misbehave("CONNECT")
            if not self._hooked("CONNECT", ""):
                self._say(self.script.banner)
            while True:
                self._command()
        except Gone:
            pass
        finally:
            self._end()

    def _end(self):
        if self.script.hold_open and self.quit:
            select.select([self.raw_sock], [], [], IDLE_LIMIT)
        try:
            if self._out:
                self._flush()
        except Gone:
            pass
        for s in (self.sock, self.raw_sock):
            try:
                s.close()
            except OSError:
                pass
        self.ended_at = time.monotonic()
        self.ended = True

    def _handshake(self):
        context = self.peer.context(self.script.certificate,
                                    self.script.tls_max,
                                    self.script.client_ca)
        context.sni_callback = self._note_sni
        try:
            self.sock.settimeout(IDLE_LIMIT)
            self.sock = context.wrap_socket(self.sock, server_side=True)
        except (OSError, ssl.SSLError) as e:
            self.tls_error = str(e)
            raise Gone("handshake: %s" % e)
        self._clear = False
        self.handshakes += 1
        self.tls_resumed = self.sock.session_reused
        self.sock_version = self.sock.version()

    def _note_sni(self, _sock, name, _context):
        self.sni = name

    def _command(self):
        line = self._line()
        self.lines.append(line)
        text = line.decode("latin-1").rstrip("\r\n")
        verb, _, rest = text.partition(" ")
        verb = verb.upper()
        self._misbehave(verb)
        if self._hooked(verb, rest):
            return
        do = getattr(self, "_do_" + verb.lower(), None)
        if do is None:
            self._say("500 5.5.1 unknown command")
        else:
            do(rest)

    def _hooked(self, verb, said):
        """What the script's hook does instead; gives the reply's text."""
        done = self.script.hook and self.script.hook(self, verb, said)
        if done is None:
            return None
        if done == MUTE:
            self._flush()
            while True:
                self._more()
        if done == RESET:
            self._flush()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
            raise Gone("as told")
        if isinstance(done, bytes):
            self._out += done
            return done.decode("latin-1").strip() or " "
        self._say(done)
        if done.startswith("421"):
            raise Gone("as told")
        return done

    def _misbehave(self, verb):
        s = self.script
        if s.drop_at == verb:
            self._out = b""
            raise Gone("as told")
        if s.deaf_at == verb:
            self._flush()
            while not self.peer.closing:
                time.sleep(0.05)
            raise Gone("as told")
        if s.mute_at == verb:
            self._flush()
            while True:
                self._more()
        if s.endless_at == verb or s.endless_lines_at == verb:
            piece = b"x" * 4096
            if s.endless_lines_at == verb:
                piece = b"250-" + b"x" * 60 + b"\r\n"
            else:
                self._out += b"250 "
            while not self.peer.closing:
                self._out += piece
                self._flush()

    def _do_ehlo(self, _):
        s = self.script
        if s.ehlo_reply is not None:
            self._say(s.ehlo_reply)
            return
        words = ["smart.test"] + list(s.capabilities)
        if s.tls == "starttls" and self._clear:
            words.append("STARTTLS")
        if s.auth and (not self._clear or s.tls is None or s.auth_in_clear):
            words.append("AUTH" + (" ", "=")[s.auth_old] + " ".join(s.auth))
        self._say("\n".join("250%s%s" % (" " if w is words[-1] else "-", w)
                            for w in words))

    def _do_helo(self, _):
        self._say(self.script.helo_reply)

    def _do_starttls(self, _):
        if self.script.tls != "starttls" or not self._clear:
            self._say("502 5.5.1 not offered")
            return
        self._say(self.script.starttls_reply)
        if not self.script.starttls_reply.startswith("220"):
            return
        self._out += self.script.after_starttls.encode()
        self._flush()
        self.waits += 1
        self.injected = self._in
        self._in = b""
        self._handshake()

    def _do_auth(self, rest):
        mech, _, first = rest.partition(" ")
        mech = mech.upper()
        if mech not in self.script.auth:
            self._say("504 5.5.4 unknown mechanism")
            return
        try:
            user, good = getattr(
                self, "_auth_" + mech.lower().replace("-", "_"))(first)
        except Cancelled:
            self.logins.append((mech, None, False))
            self._say("501 5.7.0 cancelled")
            return
        except ValueError:
            self.logins.append((mech, None, False))
            self._say("501 5.5.2 cannot read that")
            return
        if self.script.auth_reply is not None:
            self.logins.append((mech, user, False))
            self._say(self._echo(self.script.auth_reply))
            return
        self.logins.append((mech, user, good))
        self._authed = good
        self._say("235 2.7.0 welcome" if good
                  else "535 5.7.8 wrong user or password")

    def _echo(self, reply):
        """What came behind AUTH, and in answers to its challenges."""
        if "%said" not in reply:
            return reply
        said = []
        since = max(i for i, c in enumerate(self.commands)
                    if c.upper().startswith("AUTH"))
        for line in self.lines[since:]:
            word = line.strip().split(b" ")[-1]
            try:
                plain = base64.b64decode(word, validate=True)
            except ValueError:
                continue
            said += [word[:self.script.said_max], plain[:self.script.said_max]]
        text = b" ".join(said).decode("latin-1")
        return reply.replace("%said", re.sub("[\0-\x1f]", " ", text))

    def _ask(self, challenge):
        self._say("334 " + (self.script.challenge or
                            base64.b64encode(challenge).decode()))
        line = self._line()
        self.lines.append(line)
        if line.strip() == b"*":
            raise Cancelled
        return base64.b64decode(line.strip(), validate=True)

    def _auth_external(self, first):
        """Who it is stands in the certificate; the name is left out."""
        if first != "=":
            raise ValueError
        shown = self.sock.getpeercert() if not self._clear else None
        names = dict(x[0] for x in (shown or {}).get("subject", ()))
        return names.get("commonName"), bool(shown)

    def _auth_xoauth2(self, first):
        said = self._initial(first)
        want = "user=%s\1auth=Bearer %s\1\1" % (self.script.user,
                                               self.script.password)
        return self._token(said, want, b"")

    def _auth_oauthbearer(self, first):
        said = self._initial(first)
        want = "n,a=%s,\1host=smart.test\1port=%d\1auth=Bearer %s\1\1" % (
            self.script.user, self.peer.port, self.script.password)
        return self._token(said, want, b"\1")

    def _token(self, said, want, after):
        good = said == want.encode()
        if not good and self._ask(b'{"status":"401"}') != after:
            raise ValueError
        return self.script.user, good

    def _initial(self, first):
        return (base64.b64decode(first, validate=True) if first
                else self._ask(b""))

    def _auth_scram_sha_1(self, first):
        return self._scram("sha1", first, False)

    def _auth_scram_sha_256(self, first):
        return self._scram("sha256", first, False)

    def _auth_scram_sha_256_plus(self, first):
        return self._scram("sha256", first, True)

    def _scram(self, name, first, is_bound):
        """The host's side of RFC 5802, with its checks."""
        s = self.script
        gs2, bare = re.match(r"([^,]*,[^,]*,)(.*)$",
                             self._initial(first).decode()).groups()
        user, nonce = re.match("n=(.*),r=(.*)$", bare).groups()
        has_plus = "SCRAM-SHA-256-PLUS" in s.auth
        binding = b""
        if is_bound:
            if gs2 != "p=tls-unique,,":
                raise ValueError
            binding = self.sock.get_channel_binding("tls-unique")
        elif gs2 == "y,," and has_plus or gs2 not in ("n,,", "y,,"):
            raise ValueError
        self.gs2 = gs2
        nonce += "%x" % time.monotonic_ns()
        salt = os.urandom(12)
        server = s.scram_first or "r=%%s,s=%s,i=%d" % (
            base64.b64encode(salt).decode(), s.iterations)
        server = server % nonce
        asked = time.monotonic()
        final = self._ask(server.encode()).decode()
        self.asked_at = asked, time.monotonic()
        without, _, proof = final.rpartition(",p=")
        salted = hashlib.pbkdf2_hmac(name, s.password.encode(), salt,
                                     s.iterations)

        def mac(key, text):
            return hmac.new(key, text.encode(), name).digest()

        text = ",".join((bare, server, without))
        key = mac(salted, "Client Key")
        signed = mac(hashlib.new(name, key).digest(), text)
        good = (without == "c=%s,r=%s" % (base64.b64encode(
                    gs2.encode() + binding).decode(), nonce) and
                base64.b64decode(proof) == bytes(
                    a ^ b for a, b in zip(key, signed)) and user == s.user)
        signature = mac(mac(salted, "Server Key"), text)
        if s.scram_lie == "signature":
            signature = signature[::-1]
        if good and s.scram_lie != "silent":
            self._ask(b"v=" + base64.b64encode(signature))
        return user, good

    def _auth_plain(self, first):
        answer = (base64.b64decode(first, validate=True) if first
                  else self._ask(b""))
        parts = answer.split(b"\0")
        if len(parts) != 3:
            raise ValueError
        return parts[1].decode(), parts[1:] == [
            self.script.user.encode(), self.script.password.encode()]

    def _auth_login(self, first):
        user = (base64.b64decode(first, validate=True) if first
                else self._ask(b"Username:"))
        password = self._ask(b"Password:")
        return user.decode(), (user == self.script.user.encode() and
                               password == self.script.password.encode())

    def _auth_cram_md5(self, first):
        challenge = b"<%d.%d@smart.test>" % (id(self), time.monotonic_ns())
        user, _, digest = self._ask(challenge).rpartition(b" ")
        right = hmac.new(self.script.password.encode(), challenge,
                         hashlib.md5).hexdigest()
        return user.decode(), (user == self.script.user.encode() and
                               digest.decode() == right)

    def _do_mail(self, rest):
        if self.script.require_auth and not self._authed:
            self._say("530 5.7.0 log in first")
            return
        if self.script.mail_reply.startswith("2"):
            self.transactions.append(Transaction(rest))
            self._open = self.transactions[-1]
        self._say(self.script.mail_reply)

    def _do_rcpt(self, rest):
        t = getattr(self, "_open", None)
        if t is None:
            self._say("503 5.5.1 MAIL first")
            return
        address = re.match(r"TO:\s*<([^>]*)>", rest, re.I).group(1)
        reply = next((r for pattern, r in self.script.rcpt_rules
                      if re.search(pattern, address)), self.script.rcpt_reply)
        if self.script.rcpt_max and len(t.accepted) >= self.script.rcpt_max:
            reply = "452 4.5.3 too many recipients"
        reply = self._echo(reply)
        t.rcpts.append((address, int(reply[:3])))
        self._say(reply)

    def _do_data(self, _):
        t = getattr(self, "_open", None)
        if t is None or not t.accepted:
            self._say("503 5.5.1 no valid recipients")
            return
        self._say(self.script.data_reply)
        self._misbehave("TEXT")
        if not self.script.data_reply.startswith("354"):
            self._open = None
            return
        t_data = self._body()
        self._end_of_text(t, t_data)

    def _end_of_text(self, t, data):
        s = self.script
        if s.drop_at == "BODY":
            raise Gone("as told")
        t.data = data
        if s.final_delay:
            time.sleep(s.final_delay)
        t.reply = self._hooked("BODY", data)
        if t.reply:
            self.taken_at.append(time.monotonic())
            self._open = None
            return
        t.reply = next((r for pattern, r in s.final_rules
                        if re.search(pattern, t.data)), s.final_reply)
        if s.drop_at == "TAKEN":
            raise Gone("as told")
        while t.reply is None:
            self._flush()
            self._more()
        if s.mute_at == "BODY":
            self._misbehave("BODY")
        self._say(t.reply)
        self.taken_at.append(time.monotonic())
        self._open = None

    def _body(self):
        """The data up to the final dot, unstuffed; bare LF is kept as is."""
        while not self._in.startswith(b".\r\n") and \
                b"\r\n.\r\n" not in self._in:
            have = len(self._in)
            pieces = [self._in]
            tail = self._in[-4:]
            self._in = b""
            # Gather without searching the whole of it again and again.
            while True:
                self._more()
                piece, self._in = self._in, b""
                pieces.append(piece)
                have += len(piece)
                if b"\r\n.\r\n" in tail + piece or \
                        (have - len(piece) < 3 and
                         b"".join(pieces).startswith(b".\r\n")):
                    break
                tail = (tail + piece)[-4:]
            self._in = b"".join(pieces)
        if self._in.startswith(b".\r\n"):
            self._in = self._in[3:]
            return b""
        data, _, self._in = self._in.partition(b"\r\n.\r\n")
        data += b"\r\n"
        if data.startswith(b"."):
            data = data[1:]
        return data.replace(b"\r\n.", b"\r\n")

    def _do_rset(self, _):
        self._open = None
        self._say("250 2.0.0 forgotten")

    def _do_noop(self, _):
        self._say("250 2.0.0 fine")

    def _do_quit(self, _):
        self.quit = True
        if self.script.hold_open:
            raise Gone("as told")
        self._say("221 2.0.0 bye")
        self._flush()
        raise Gone("quit")

    @property
    def commands(self):
        return [line.decode("latin-1").rstrip("\r\n") for line in self.lines]

    @property
    def verbs(self):
        return [c.partition(" ")[0].upper() for c in self.commands]


class Peer:
    """Listens until close().  scripts: one for all, or one per connection
    (the last one goes on for the rest)."""
    def __init__(self, *scripts, port=0, host="127.0.0.1"):
        self.scripts = list(scripts) or [Script()]
        self.connections = []
        self.most_at_once = 0
        self.closing = False
        self._contexts = {}
        self._lock = threading.Lock()
        self._listener = socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, port))
        self._listener.listen(256)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.closing = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self._thread.join(5)
        for c in self.connections:
            if not c.ended:
                try:
                    c.raw_sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def context(self, *how):
        with self._lock:
            if how not in self._contexts:
                certificate, newest, client_ca = how
                c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                c.load_cert_chain(certificate)
                if newest:
                    c.maximum_version = ssl.TLSVersion[newest]
                if client_ca:
                    c.load_verify_locations(client_ca)
                    c.verify_mode = ssl.CERT_OPTIONAL
                self._contexts[how] = c
            return self._contexts[how]

    def _accept(self):
        while not self.closing:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                n = len(self.connections)
                script = self.scripts[min(n, len(self.scripts) - 1)]
                c = Connection(self, sock, script)
                self.connections.append(c)
                self.most_at_once = max(
                    self.most_at_once,
                    sum(1 for x in self.connections if not x.ended))
            threading.Thread(target=c.serve, daemon=True).start()

    # -- what came of it -------------------------------------------------

    @property
    def transactions(self):
        return [t for c in list(self.connections) for t in c.transactions]

    @property
    def taken(self):
        """Transactions that were answered with 2xx after the final dot."""
        return [t for t in self.transactions if t.taken]

    @property
    def deliveries(self):
        """Counts per (recipient, message) taken: more than 1 is a double."""
        counts = {}
        for t in self.taken:
            for address in t.accepted:
                key = (address, hashlib.sha256(t.data).hexdigest())
                counts[key] = counts.get(key, 0) + 1
        return counts

    @property
    def logins(self):
        return [login for c in list(self.connections) for login in c.logins]

    @property
    def handshakes(self):
        return sum(c.handshakes for c in list(self.connections))

    @property
    def clear(self):
        """All bytes that came outside of TLS."""
        return b"".join(c.clear for c in list(self.connections))
