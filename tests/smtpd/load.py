"""load.py - many clients at once, which remember what was acknowledged."""
import itertools
import threading
import time

from client import Client, Closed

END_S = 60


class Load:
    """n connections that send numbered messages until end(); each begins a
    new connection when one is lost.  acknowledged: ids whose 250 was read;
    doubtful: those whose text was sent and whose reply never came."""
    def __init__(self, port, n, domains=3, text=b"x" * 200 + b"\r\n",
                 **more):
        self.port, self.text, self.more = port, text, more
        self.domains = domains
        self.acknowledged, self.doubtful, self.refused = set(), set(), set()
        self.errors = []
        self.connections = 0
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(i,),
                                          daemon=True) for i in range(n)]
        for t in self._threads:
            t.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self._is_over.set()
        for t in self._threads:
            t.join(END_S)
        assert not any(t.is_alive() for t in self._threads)
        assert self.errors == []

    def wait(self, n):
        """Until so many are acknowledged in all."""
        end = time.monotonic() + END_S
        while len(self.acknowledged) < n:
            assert time.monotonic() < end, len(self.acknowledged)
            assert self.errors == []
            time.sleep(0.005)

    def _run(self, number):
        idents = ("%d-%d" % (number, i) for i in itertools.count())
        while not self._is_over.is_set():
            try:
                self._session(idents)
            except (Closed, OSError):
                # Nobody listens for the moment, or the child is gone.
                time.sleep(0.01)
            except Exception as e:
                self.errors.append(repr(e))
                return

    def _session(self, idents):
        with Client(self.port, **self.more) as c:
            with self._lock:
                self.connections += 1
            if c.banner.code != 220 or c("EHLO load.test").code != 250:
                return
            while not self._is_over.is_set():
                if not self._one(c, next(idents)):
                    return
            c("QUIT")

    def _one(self, c, ident):
        """False when the server says goodbye."""
        c.send("MAIL FROM:<%s@from.test>\r\nRCPT TO:<u@d%d.test>\r\nDATA\r\n"
               % (ident, hash(ident) % self.domains))
        replies = [c.reply()]
        if replies[0].code == 421:
            return False
        replies += [c.reply(), c.reply()]
        if replies[2].code != 354:
            with self._lock:
                self.refused.add(ident)
            return replies[2].code != 421
        c.send(b"Message-ID: <%s>\r\n\r\n%s.\r\n" % (ident.encode(),
                                                    self.text))
        try:
            reply = c.reply()
        except (Closed, OSError):
            with self._lock:
                self.doubtful.add(ident)
            raise
        with self._lock:
            (self.acknowledged if reply.code == 250 else
             self.refused).add(ident)
        return reply.code != 421


def idents(tree):
    """Ids of all messages of a tree, each as often as it is there; their
    texts are whole."""
    found = []
    for m in tree.messages():
        ident = m.sender[1:].partition("@")[0]
        assert m.text.startswith(b"Message-ID: <%s>\r\n" % ident.encode())
        assert m.text.endswith(b"x\r\n"), m.path
        found.append(ident)
    return found
