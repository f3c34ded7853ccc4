"""client.py - an SMTP client that sends exactly the bytes it is given."""
import os
import re
import socket
import ssl

LIMIT_S = int(os.environ.get("SMTPD_LIMIT_S", "30"))


class Closed(Exception):
    """The server closed the connection; what it had sent last."""


class Reply(str):
    """One reply: its lines, joined by \\n, without their CRLF."""
    @property
    def code(self):
        return int(self[:3])

    @property
    def lines(self):
        return [line[4:] for line in self.split("\n")]


class Client:
    """A connection.  proxy: bytes to send before anything else; source: the
    own address."""
    def __init__(self, port, host="127.0.0.1", source=None, proxy=b"",
                 banner=True, limit=LIMIT_S):
        self.sock = socket.create_connection(
            (host, port), limit, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in = b""
        self.banner = None
        if proxy:
            self.send(proxy)
        if banner:
            self.banner = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Ends the connection by a TCP RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    # -- bytes ---------------------------------------------------------------

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.sock.sendall(data)

    def _more(self):
        try:
            piece = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLEOFError):
            piece = b""
        if not piece:
            raise Closed(self._in)
        self._in += piece

    def line(self):
        while b"\n" not in self._in:
            self._more()
        line, _, self._in = self._in.partition(b"\n")
        assert line.endswith(b"\r"), line
        line = line[:-1]
        assert b"\r" not in line and len(line) <= 510, line
        return line.decode()

    def reply(self):
        lines = [self.line()]
        assert re.match(r"[2-5]\d\d[- ]", lines[0]), lines
        while lines[-1][3] == "-":
            lines.append(self.line())
            assert lines[-1][:3] == lines[0][:3], lines
        return Reply("\n".join(lines))

    def is_silent(self, seconds):
        """No byte comes within that time."""
        if self._in:
            return False
        self.sock.settimeout(seconds)
        try:
            self._more()
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(LIMIT_S)
        return False

    def wait_closed(self):
        """The server closes; gives what came before, as text."""
        try:
            while True:
                self._more()
        except Closed:
            return self._in.decode()

    # -- commands --------------------------------------------------------------

    def __call__(self, line):
        """Sends a command, and gives its reply."""
        self.send((line if isinstance(line, bytes) else line.encode()) +
                  b"\r\n")
        return self.reply()

    def expect(self, line, pattern):
        reply = self(line)
        assert re.match(pattern, reply), (line, reply, pattern)
        return reply

    def ehlo(self, name="client.test"):
        return self.expect("EHLO " + name, "250")

    def capabilities(self):
        """What EHLO offers: {"SIZE": "1000", ...}"""
        lines = self.ehlo().lines[1:]
        pairs = [line.partition(" ")[::2] for line in lines]
        assert len(dict(pairs)) == len(pairs), lines
        return dict(pairs)

    def envelope(self, *to, sender="ann@from.test", more=""):
        self.expect("MAIL FROM:<%s>%s" % (sender, more), "250 ")
        for recipient in to or ("bob@to.test",):
            self.expect("RCPT TO:<%s>" % recipient, "250 ")

    def data(self, text):
        """DATA and a text, which is dot-stuffed and ended here."""
        self.expect("DATA", "354 ")
        if isinstance(text, str):
            text = text.encode()
        assert not text or text.endswith(b"\r\n"), text
        stuffed = re.sub(rb"(?m)^\.", b"..", text)
        self.send(stuffed + b".\r\n")
        return self.reply()

    def bdat(self, chunk, last=False):
        self.send(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last else b"") +
                  chunk)
        return self.reply()

    def message(self, *to, text="Subject: test\r\n\r\nhello\r\n", **more):
        """One transaction that must be accepted; gives the reply."""
        self.envelope(*to, **more)
        reply = self.data(text)
        assert reply.startswith("250 "), reply
        return reply

    def starttls(self, context=None):
        self.expect("STARTTLS", "220 ")
        assert not self._in, self._in
        if context is None:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock,
                                        server_hostname="smart.test")

    def quit(self):
        self.expect("QUIT", "221 ")
        assert self.wait_closed() == ""
        self.close()


def hello(port, **more):
    """A client that has said EHLO."""
    client = Client(port, **more)
    client.ehlo()
    return client
