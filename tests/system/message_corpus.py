"""message_corpus.py - difficult messages, and what must become of them.

MESSAGES maps a name to a Message.  wire() says what a host gets that takes all
of it; content() what a reader sees, so that two forms of a message can be
compared.
"""
import binascii
import email
import email.policy
import re

SECOND = "Thu, 1 Jan 1970 00:00:00 +0000"


class Message:
    """raw: as a caller hands it in.  needs: what a host must offer so that it
    goes out as it is ("8" 8BITMIME, "u" SMTPUTF8, "x" nothing helps: a line is
    too long, "n": 8-bit text in the header that needs no SMTPUTF8).  refused: codes of hosts without 8BITMIME and without SMTPUTF8,
    or None when it can be made fit."""

    def __init__(self, name, header, body, needs="", refused=None):
        self.name = name
        head = ("From: ann@host.test\nTo: ben@far.test\nDate: %s\n"
                "Message-ID: <%s@host.test>\nX-Case: %s\n"
                % (SECOND, name, name)).encode()
        for field in (b"From:", b"To:"):
            if re.search(rb"(?m)^" + field, header):
                head = re.sub(rb"(?m)^" + field + rb".*\n", b"", head)
        self.raw = head + header + b"\n" + body
        self.needs = needs
        self.refused = refused

    def wire(self):
        """All but the Received field on top."""
        header, _, body = self.raw.partition(b"\n\n")
        return crlf(header + b"\n\n" + body)


def crlf(text):
    """Line ends and NUL as they leave; lines that are too long broken."""
    if not text.endswith(b"\n"):
        text += b"\n"
    text = re.sub(rb"\r\n", b"\n", text).replace(b"\0", b"")
    lines = re.split(rb"\r\n|\n|\r", text)
    out = []
    for line in lines[:-1]:
        while len(line) > 998:
            out.append(line[:998])
            line = line[998:]
        out.append(line)
    return b"\r\n".join(out) + b"\r\n"


def without_received(data):
    """What the host got, from the field of the caller on."""
    return re.sub(rb"\AReceived: .*\r\n(?:[ \t].*\r\n)*", b"", data)


WORD = r"=\?([^?\s]+)\?([QqBb])\?([^?\s]*)\?="


def word_of(m):
    """An encoded word (RFC 2047) as the bytes that it stands for."""
    if m.group(2) in "Bb":
        return binascii.a2b_base64(m.group(3)).decode(
            "utf-8", "surrogateescape")
    return binascii.a2b_qp(m.group(3), header=True).decode(
        "utf-8", "surrogateescape")


def text_of(value):
    """A field as a reader sees it: decoded, blanks as one, and a name in
    quotes as one without."""
    value = re.sub(r"\r?\n", "", value)
    value = re.sub(r"(%s)\s+(?==\?)" % WORD, r"\1", value)
    value = re.sub(WORD, word_of, value).replace('"', "")
    return re.sub(r"\s+", " ", value).strip()


def parse(raw):
    if isinstance(raw, bytes):
        raw = re.sub(rb"\r\n|\r", b"\n", raw).replace(b"\0", b"")
    return email.message_from_bytes(raw, policy=email.policy.compat32)


CODINGS = ("content-transfer-encoding", "content-type", "mime-version",
           "content-disposition")


def content(raw):
    """Fields and parts as readers see them, without how they are encoded."""
    return list(parts_of(parse(raw)))


def filename(part):
    """Also where it stands there as it is, which the library hides."""
    for word in ("filename", "name"):
        for _, value in part._headers:
            m = re.search(r'\b%s="([^"]*)"' % word, value)
            if m:
                return value_of(m.group(1))
        if word == "filename" and part.get_filename() != part.get_param("name"):
            return part.get_filename()
    return part.get_filename()


def value_of(value):
    return value.encode("utf-8", "surrogateescape").decode(
        "utf-8", "surrogateescape")


def parts_of(part):
    fields = []
    for name, value in part._headers:       # get() would hide 8-bit bytes
        if name.lower() not in CODINGS and name.lower() != "received":
            value = text_of(value_of(value))
            if name.lower() in ("references", "in-reply-to"):
                value = re.sub("[^ -~]+", lambda m: "".join(
                    "=%02X" % c for c in m[0].encode()), value)
            fields.append((name, value))
    fields.append(("type", part.get_content_type()))
    fields.append(("name", filename(part)))
    if part.is_multipart():
        yield fields, None
        for inner in part.get_payload():
            yield from parts_of(inner)
        return
    data = part.get_payload(decode=True) or b""
    yield fields, re.sub(rb"\r\n|\r", b"\n", data).rstrip(b"\n")


MESSAGES = {}


def add(name, header, body, *more, **kw):
    if isinstance(header, str):
        header = header.encode()
    if isinstance(body, str):
        body = body.encode()
    assert name not in MESSAGES
    MESSAGES[name] = Message(name, header, body, *more, **kw)


def typed(kind, coding=None):
    return ("MIME-Version: 1.0\nContent-Type: %s\n" % kind +
            ("Content-Transfer-Encoding: %s\n" % coding if coding else ""))


# Dots and line ends.
add("plain", "Subject: hello\n", "hello\n")
add("dots", "Subject: dots\n", ".\n..\n.a\na.\n...\n .\n.\n")
add("only-dot", "Subject: dot\n", ".\n")
add("only-dots", "", "." * 70000 + "\n", needs="x")
add("dot-lines", "", ".\n..\n" * 20000)
add("last-dot", "", "a\n.")
add("dots-at-chunks", "", "".join("x" * 32600 + "\n" + ".\n..\n" * 200
                                  for _ in range(4)).replace(
                                      "x" * 32600, ("x" * 99 + "\n") * 326))
add("empty-body", "Subject: nothing\n", "")
add("one-newline", "", "\n")
add("newlines", "", "\n" * 5000)
add("no-final-newline", "", "the end")
add("trailing-blanks", "", "a \nb\t\n \n\t\n  \n-- \nc   ")
add("crlf", "", "a\r\nb\r\n.\r\n\r\nc\r\n")
add("cr-storm", "", "a\rb\r\r\rc\n\r\n\r\r\n" + "\r" * 3000 + "d\r")
add("cr-lf-mix", "", "a\r\n\rb\n\r\n\r\r\nc\n\r")
add("cr-dot", "", "a\r.\rb\r\n.\r.\n")
add("nul", "", "a\0b\n\0\n\0.\n.\0\nc\0")
add("nul-storm", "", "\0" * 40000 + "x\n")
add("from-lines", "", "From here\n>From there\nFrom: x\n")
add("control-characters", "", "\x01\x02\x1b[31m\x07\x7f\x08\x0b\x0c\n")

# Long lines.
for size in (76, 77, 997, 998):
    add("line-%d" % size, "", "a" * size + "\nb\n")
    add("dot-line-%d" % size, "", "." * size + "\nb\n")
for size in (999, 1000, 1996, 1997, 32768, 65536, 65537):
    add("line-%d" % size, "", "a" * size + "\nb\n", needs="x")
add("long-lines-of-dots", "", ("." * 1500 + "\n") * 3, needs="x")
add("long-line-of-words", "", "word = " * 20000 + "\n", needs="x")
add("long-html", typed("text/html; charset=us-ascii", "7bit"),
    "<p>" + "x &amp; y - " * 900 + "</p>\n", needs="x")
add("long-qp", typed("text/plain; charset=utf-8", "quoted-printable"),
    "=C3=BC" * 700 + "\n", needs="x")
add("long-base64", typed("application/octet-stream", "base64"),
    "QUJD" * 600 + "\n", needs="b")
add("long-json", typed("application/json"), "{" + '"a":1,' * 400 + "}\n",
    needs="x")
add("long-signed", typed('multipart/signed; boundary="s"; micalg=x'),
    "--s\n\n" + "a" * 1200 + "\n--s\nContent-Type: application/x\n\nsig\n"
    "--s--\n", needs="b")
add("long-field", "Subject: " + "word " * 500 + "end\n", "x\n", needs="f")
add("long-references",
    "References:" + "".join("\n <%d.%s@host.test>" % (i, "x" * 50)
                            for i in range(100)) + "\n", "x\n")
add("long-field-without-blank", "X-Long: " + "x" * 3000 + "\n", "x\n",
    needs="f")

# 8-bit text.
add("utf-8-body", typed("text/plain; charset=utf-8", "8bit"),
    "Größe \nüber = alles\n-- \n", "8")
add("utf-8-bare", "Subject: no MIME\n", "Grüße\n", "8")
add("latin-1-bare", "", b"Gr\xfc\xdfe\n", "8")
add("all-bytes", typed("text/plain; charset=iso-8859-1", "8bit"),
    b"".join(bytes((c, c, 10)) for c in range(1, 256)
             if c not in (10, 13)), "8")
add("utf-8-cut", "", b"a\xc3\nb\xbc\n\xe2\x82\n", "8")
add("utf-8-at-chunks", typed("text/plain; charset=utf-8", "8bit"),
    ("ü€𐀀" * 40 + "\n") * 600, "8")
add("utf-8-long", typed("text/plain; charset=utf-8", "8bit"),
    "ü" * 3000 + "\n", "x8")
add("utf-8-subject", "Subject: Größe über alles\n", "x\n", "n")
add("utf-8-subject-long", "Subject:" + " Größe" * 60 + "\n", "x\n", "n")
add("utf-8-subject-mixed",
    "Subject: a =?utf-8?q?=C3=BC?= ü b  ö\n\tä =?utf-8?b?w7w=?= c\n",
    "x\n", "n")
add("utf-8-names", 'From: Jürg "ü, x" Müller <ann@host.test>\n'
    'To: "Bén" <ben@far.test>, Zoë\n <zoe@far.test> (ä (ö) b), x@far.test\n',
    "x\n", "n")
add("utf-8-all", typed("text/plain; charset=utf-8", "8bit") +
    "Subject: Größe\n", "Größe\n", "8n")
add("latin-1-subject", b"Subject: Gr\xf6\xdfe und mehr\n", "x\n", "n")
add("utf-8-address", "From: <jürg@host.test>\n", "x\n", "u", refused="5.6.7")
add("utf-8-id", "References: <ü@x> <a@b>\n", "x\n", "n")
add("utf-8-filename", typed('text/plain; charset=utf-8; name="größe.txt"',
                            "8bit"), "Größe\n", "8n")

# Parts.
MIXED = typed('multipart/mixed; boundary="b"')
add("mixed", MIXED, "preamble\n--b\nContent-Type: text/plain\n\nhello \n"
    "--b\nContent-Type: text/html\n\n<p>\n\n--b--\nepilogue\n")
add("mixed-8bit", MIXED + "Content-Transfer-Encoding: 8bit\n",
    "--b\nContent-Type: text/plain; charset=utf-8\n"
    "Content-Transfer-Encoding: 8bit\n\nGröße \n--b\n"
    'Content-Type: text/plain; charset=utf-8; name="größe.txt"\n'
    'Content-Disposition: attachment;\n filename="größe.txt"\n\nü\n\n--b\n'
    "Content-Type: text/plain\n\nclean \n--b--\n", "8")
add("mixed-binary", MIXED, b"--b\nContent-Type: application/octet-stream\n"
    b"Content-Transfer-Encoding: binary\n\n\x80\x81\xff\nx\xfe\n\n--b--\n", "8")
add("long-field-of-part", MIXED, "--b\nContent-Type: message/rfc822\n\n"
    "Subject: " + "word " * 500 + "end\n\nx\n--b\nX-Long: %s\n\nx\n--b--\n"
    % ("x" * 2000), needs="f")
add("boundaries-in-text", MIXED, "--b\n\nü\n--bb\n--b-\n --b\n-- b\n--\n--b--\n",
    "8")
add("broken-boundaries", MIXED, "--b\n\nü\n--b\nno blank line here ü\n--b\n", "8")
add("no-boundary", typed("multipart/mixed"), "--b\n\nü\n--b--\n", "8",
    refused="5.6.3")
add("no-boundary-clean", typed("multipart/mixed"), "--b\n\nx \n--b--\n")
add("boundary-of-200", typed('multipart/mixed; boundary="%s"' % ("b" * 200)),
    "--%s\n\nü\n--%s--\n" % ("b" * 200, "b" * 200), "8")
add("boundary-of-300", typed('multipart/mixed; boundary="%s"' % ("b" * 300)),
    "--%s\n\nü\n--%s--\n" % ("b" * 300, "b" * 300), "8", refused="5.6.3")


def nested(depth, text):
    for i in range(depth):
        text = ("Content-Type: multipart/mixed; boundary=n%d\n\n--n%d\n%s"
                "\n--n%d--\n" % (i, i, text, i))
    return text


def deep(name, depth, **more):
    head, _, body = nested(depth, "\nü\n").partition("\n\n")
    add(name, "MIME-Version: 1.0\n" + head + "\n", body, "8", **more)


deep("ten-deep", 10)
deep("eleven-deep", 11, refused="5.6.3")
add("forwarded", typed("message/rfc822", "8bit"),
    "Subject: Größe\nFrom: x@y\n\nGröße\n", "8")
add("digest", typed("multipart/digest; boundary=d"),
    "--d\n\nSubject: one\n\nü\n--d\n\nSubject: zwö\n\nx\n--d--\n", "8")
add("qp-with-8bit", typed("text/plain; charset=utf-8", "quoted-printable"),
    "=C3=BC ü =\nx\n", "8")
add("base64-with-8bit", typed("text/plain; charset=utf-8", "base64"),
    "w7w=\nü\n", "8", refused="5.6.3")
add("wrong-label", typed("text/plain; charset=utf-8", "utf-8"), "ü\n", "8")
add("flowed", typed("text/plain; charset=us-ascii; format=flowed; delsp=yes"),
    "> quoted \n> text\n\nsoft \nbreaks \nhere\n-- \nsig\n")
add("flowed-8bit", typed("text/plain; charset=utf-8; format=flowed", "8bit"),
    "> größe \n> text\nsoft \n-- \nsig\n", "8")
add("pgp-signed", typed('multipart/signed; micalg=pgp-sha256;\n protocol='
                        '"application/pgp-signature"; boundary="p"'),
    "--p\nContent-Type: text/plain\n\nsigned \ntext\n--p\nContent-Type: "
    "application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n"
    "-----END PGP SIGNATURE-----\n\n--p--\n")
add("pgp-signed-8bit", typed('multipart/signed; boundary="p"'),
    "--p\n\nü\n--p\nContent-Type: application/pgp-signature\n\nx\n--p--\n",
    "8", refused="5.6.3")
add("pgp-encrypted", typed('multipart/encrypted; boundary="p"'),
    "--p\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--p\n"
    "Content-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n"
    "\nAAAA\n-----END PGP MESSAGE-----\n--p--\n")
add("smime", typed('application/pkcs7-mime; smime-type=signed-data;\n '
                   'name="smime.p7m"', "base64"), "MIAGCSqGSIb3DQEHAqCAMIACAQ"
    "ExDzANBglg\nhkgBZQMEAgEFADCABgkqhkiG9w0BBwGg\n")
add("signed-beside-8bit", MIXED,
    "--b\nContent-Type: text/plain; charset=utf-8\n\nü\n--b\n"
    "Content-Type: multipart/signed; boundary=s\n\n--s\n\nx  \n--s--\n--b--\n",
    "8")
add("report", typed("multipart/report; report-type=delivery-status; "
                    "boundary=r"),
    "--r\n\nü\n--r\nContent-Type: message/delivery-status\n\n"
    "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b\nAction: failed\n"
    "--r\nContent-Type: text/rfc822-headers\n\nSubject: Größe\n--r--\n", "8")
add("format-of-mailers", typed("text/plain; charset=UTF-8; format=flowed") +
    "X-Mailer: x (y)\nList-Id: ü <l.x>\n", "x\n", "n")
