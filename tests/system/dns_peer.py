"""dns_peer.py - a name server that knows a handful of names.

Answers at port 53 of the private network, over UDP and TCP: records by table,
"SERVFAIL", "MUTE" and "GARBAGE" as told, NXDOMAIN for the rest.  An answer
that does not fit UDP is cut there, as RFC 1035 has it.
"""
import socket
import struct
import threading

A, CNAME, MX, AAAA, SRV, TLSA = 1, 5, 15, 28, 33, 52
UDP_MAX = 512


def encode(name):
    return b"".join(bytes([len(x)]) + x.encode()
                    for x in name.split(".") if x) + b"\0"


class NameServer:
    def __init__(self, table, host="127.0.0.1", secure=()):
        """table: (name, type) -> list of data, or a word.  Data of an MX is
        (preference, host), of an SRV (priority, weight, port, host), of an A
        the address, of a TLSA the bytes, of a CNAME the other name.  secure:
        names that it says to have validated."""
        self.table = table
        self.secure = secure
        self.asked = []
        self.over_tcp = 0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self._udp.bind((host, 53))
        self._tcp = socket.socket(family, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._tcp.bind((host, 53))
        self._tcp.listen(16)
        self._closing = False
        self._threads = []
        for serve, s in ((self._serve_udp, self._udp),
                         (self._serve_tcp, self._tcp)):
            s.settimeout(0.1)
            self._threads.append(threading.Thread(target=serve, daemon=True))
            self._threads[-1].start()

    def close(self):
        self._closing = True
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _serve_udp(self):
        while not self._closing:
            try:
                query, where = self._udp.recvfrom(4096)
            except TimeoutError:
                continue
            answer = self._answer(query)
            if answer and len(answer) > UDP_MAX:
                question = answer[12:12 + len(query) - 12]
                answer = answer[:2] + bytes([answer[2] | 2]) + \
                    answer[3:6] + b"\0\0" + answer[8:12] + question
            if answer:
                self._udp.sendto(answer, where)

    def _serve_tcp(self):
        while not self._closing:
            try:
                s, _ = self._tcp.accept()
            except TimeoutError:
                continue
            with s:
                s.settimeout(5)
                # The C library asks for A and AAAA over one connection.
                try:
                    while self._answer_tcp(s):
                        pass
                except OSError:
                    pass

    def _answer_tcp(self, s):
        head = s.recv(2, socket.MSG_WAITALL)
        if len(head) < 2:
            return False
        query = s.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
        self.over_tcp += 1
        answer = self._answer(query)
        if answer:
            s.sendall(struct.pack(">H", len(answer)) + answer)
        return True

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
            at += 1 + query[at]
        kind, = struct.unpack_from(">H", query, at + 1)
        question = query[12:at + 5]
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        flags = 0x8180 | (0x20 if name in self.secure and query[3] & 0x20
                          else 0)
        records = []
        while kind != CNAME and (name, CNAME) in self.table:
            alias, = self.table[(name, CNAME)]
            records.append((name, CNAME, encode(alias)))
            name = alias
        found = self.table.get((name, kind))
        known = any(n == name for n, _ in self.table)
        code = 0 if known else 3
        if found == "MUTE":
            return None
        if found == "SERVFAIL":
            code, records = 2, []
        elif found == "GARBAGE":
            records.append((name, kind, b"\xc0"))
        elif found:
            records += [(name, kind, self._data(kind, x)) for x in found]
        head = query[:2] + struct.pack(">HHHHH", flags | code, 1,
                                       len(records), 0, 0)
        return head + question + b"".join(
            encode(n) + struct.pack(">HHIH", k, 1, 60, len(x)) + x
            for n, k, x in records)

    def _data(self, kind, x):
        if kind == MX:
            return struct.pack(">H", x[0]) + encode(x[1])
        if kind == SRV:
            return struct.pack(">HHH", *x[:3]) + encode(x[3])
        if kind == CNAME:
            return encode(x)
        if kind == TLSA:
            return x
        return socket.inet_pton(
            socket.AF_INET if kind == A else socket.AF_INET6, x)
