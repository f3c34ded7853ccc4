"""dns_peer.py - a name server that knows a handful of names.

Answers on 127.0.0.1:53 of the private network: MX and A by table, "SERVFAIL"
and "MUTE" as told, NXDOMAIN for the rest.
"""
import socket
import struct
import threading

A, MX, AAAA = 1, 15, 28


def encode(name):
    return b"".join(bytes([len(x)]) + x.encode()
                    for x in name.split(".") if x) + b"\0"


class NameServer:
    def __init__(self, table):
        """table: (name, type) -> list of data, "SERVFAIL" or "MUTE"; data of
        an MX is (preference, host), of an A the address."""
        self.table = table
        self.asked = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._socket.settimeout(0.1)
        self._closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._closing = True
        self._thread.join()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _serve(self):
        while not self._closing:
            try:
                query, where = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            answer = self._answer(query)
            if answer:
                self._socket.sendto(answer, where)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
            at += 1 + query[at]
        kind, = struct.unpack_from(">H", query, at + 1)
        question = query[12:at + 5]
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        found = self.table.get((name, kind))
        known = any(n == name for n, _ in self.table)
        code, records = (0 if known else 3), []
        if found == "MUTE":
            return None
        if found == "SERVFAIL":
            code = 2
        elif found:
            records = [self._data(kind, x) for x in found]
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1,
                                       len(records), 0, 0)
        return head + question + b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(x)) + x
            for x in records)

    def _data(self, kind, x):
        if kind == MX:
            return struct.pack(">H", x[0]) + encode(x[1])
        return socket.inet_pton(
            socket.AF_INET if kind == A else socket.AF_INET6, x)
