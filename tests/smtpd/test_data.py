"""The text of a message: what ends it, what is refused, what is kept."""
import itertools
import random
import re
import time

import pytest

EVIL = (b"MAIL FROM:<evil@from.test>\r\nRCPT TO:<victim@to.test>\r\n"
        b"DATA\r\nSubject: evil\r\n\r\nsmuggled")
END = b"\r\n.\r\n"

# What some servers take for the end of a text.
FALSE_ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r",
    b"\n.\r", b"\r.\n", b"\n\n.\n\n", b"\r\r.\r\r", b"\r\n.\r\r\n",
    b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n .\r\n", b"\r\n. \r\n",
    b"\x85.\x85", b"\xe2\x80\xa8.\xe2\x80\xa8"]


def is_bare(text):
    """A CR or LF that is not part of a CRLF."""
    rest = text.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


def normalised(text):
    return (text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            .replace(b"\n", b"\r\n"))


def unstuffed(text):
    """What is stored of a text that ended: text is without its final dot."""
    lines = text.split(b"\r\n")
    return b"\r\n".join(x[1:] if x.startswith(b".") else x for x in lines)


@pytest.fixture(scope="module")
def strict(module_smtpd):
    return module_smtpd(DURABLE="none", MAX_ERRORS="100000",
                        MAX_COMMANDS="100000000")


@pytest.fixture(scope="module")
def lenient(module_smtpd):
    return module_smtpd(DURABLE="none", NORMALIZE_FROM="127.0.0.2",
                        MAX_ERRORS="100000", MAX_COMMANDS="100000000")


@pytest.fixture(autouse=True)
def emptied(request):
    yield
    for name in ("strict", "lenient"):
        if name in request.fixturenames:
            request.getfixturevalue(name).tree.empty()


def begun(client):
    client.envelope()
    client.expect("DATA", "354 ")


def in_sync(client):
    """Nothing else was answered, and the session goes on."""
    client.expect("NOOP", "250 ")
    client.expect("RSET", "250 ")


@pytest.mark.parametrize("false_end", FALSE_ENDS)
def test_only_a_dot_alone_ends_a_text(strict, false_end):
    """One reply to all of it, wherever the bytes are split."""
    text = b"Subject: a\r\n\r\nx" + false_end + EVIL + END
    begin = text.index(false_end) - 2
    splits = range(begin, begin + len(false_end) + 6)
    with strict.hello() as c:
        for at in [None, *splits]:
            begun(c)
            c.send(text[:at])
            if at is not None:
                time.sleep(0.001)
                c.send(text[at:])
            reply = c.reply()
            assert reply.startswith("550 5.6.11 " if is_bare(text)
                                    else "250 "), (at, reply)
            in_sync(c)
        c.quit()
    want = 0 if is_bare(text) else len(splits) + 1
    got = strict.tree.messages()
    assert len(got) == want
    for m in got:
        assert m.to == ["bob@to.test"]
        assert m.text == unstuffed(text[:-3])


@pytest.mark.parametrize("false_end", FALSE_ENDS)
def test_chunks_have_no_ends_inside(strict, false_end):
    """As two chunks, split at every byte; one command is in the middle of a
    false end, too."""
    text = b"Subject: a\r\n\r\nx" + false_end + b"y" + END + EVIL + b"\r\n"
    with strict.hello() as c:
        splits = range(14, len(false_end) + 22)
        for at in splits:
            c.envelope()
            replies = [c.bdat(text[:at])]
            c.send(b"BDAT %d LAST\r\n%s" % (len(text) - at, text[at:]))
            replies.append(c.reply())
            if is_bare(text):
                assert any(r.startswith("550 5.6.11 ") for r in replies), \
                    replies
                assert replies[1].code >= 500
            else:
                assert [r.code for r in replies] == [250, 250], replies
            in_sync(c)
        c.quit()
    got = strict.tree.messages()
    assert len(got) == (0 if is_bare(text) else len(splits))
    assert all(m.text == text for m in got)


def test_bare_line_ends_at_the_edges_of_chunks(strict):
    """CR | LF is a CRLF; CR or LF at the end of all is bare."""
    cases = [([b"a\r", b"\nb\r\n"], True), ([b"a\r", b"b\r\n"], False),
             ([b"a\r", b"", b"\nb"], True), ([b"a\r\n", b"\nb"], False),
             ([b"\n", b"a"], False), ([b"a\r", b""], False),
             ([b"a", b"\r", b"\n"], True), ([b"\r", b"\r", b"\n"], False),
             ([b"no final line end"], True), ([b"a", b""], True),
             ([b""], True), ([b".\r\n", b".\r\n"], True)]
    with strict.hello() as c:
        for chunks, is_good in cases:
            strict.tree.empty()
            c.envelope()
            replies = [c.bdat(x, last=i == len(chunks) - 1)
                       for i, x in enumerate(chunks)]
            if is_good:
                assert {r.code for r in replies} == {250}, (chunks, replies)
                assert strict.only().text in (
                    b"".join(chunks), b"".join(chunks) + b"\r\n")
            else:
                assert any(r.startswith("550 5.6.11 ")
                           for r in replies), (chunks, replies)
                assert replies[-1].code >= 500
                assert strict.tree.paths() == []
            in_sync(c)
        c.quit()


def after_normalised_end(text):
    """What follows the line with the dot, as it was sent."""
    lines = re.findall(rb"([^\r\n]*)(\r\n|\r|\n)", text)
    at = 0
    for line, end in lines:
        at += len(line) + len(end)
        if line == b".":
            return text[at:]
    raise AssertionError(text)


@pytest.mark.parametrize("false_end", FALSE_ENDS)
def test_normalised_texts_end_as_they_are_stored(lenient, false_end):
    """For listed clients bare line ends become CRLF before the test for a
    dot: what is stored has no dot alone and no bare line end."""
    text = b"Subject: a\r\n\r\nx" + false_end + b"y" + END
    first = normalised(text).partition(END)[0]
    more = after_normalised_end(text).count(b"\n")
    begin = text.index(false_end) - 1
    splits = [None, *range(begin, begin + len(false_end) + 3)]
    with lenient.hello(source="127.0.0.2") as c:
        for at in splits:
            begun(c)
            c.send(text[:at])
            if at is not None:
                time.sleep(0.001)
                c.send(text[at:])
            assert c.reply().startswith("250 ")
            # What follows an early end is commands that do not exist.
            for _ in range(more):
                assert c.reply().code == 500
            in_sync(c)
        c.quit()
    got = lenient.tree.messages()
    assert len(got) == len(splits)
    assert {m.text for m in got} == {unstuffed(first + b"\r\n")}


def test_clients_that_are_not_listed_are_not_normalised(lenient):
    with lenient.hello(source="127.0.0.1") as c:
        begun(c)
        c.send(b"a\nb" + END)
        assert c.reply().startswith("550 5.6.11 ")
        c.quit()
    assert lenient.tree.paths() == []


def test_chunks_are_normalised_too(lenient):
    with lenient.hello(source="127.0.0.2") as c:
        for chunks in itertools.product([b"a\n", b"b\r", b"\nc", b".\r\n"],
                                        repeat=3):
            lenient.tree.empty()
            c.envelope()
            codes = [c.bdat(x, last=i == 2).code
                     for i, x in enumerate(chunks)]
            assert codes == [250] * 3
            stored = lenient.only().text
            want = normalised(b"".join(chunks))
            assert stored in (want, want + b"\r\n"), chunks
        c.quit()


@pytest.mark.parametrize("mode", ["strict", "lenient"])
def test_random_texts(request, mode):
    """CR, LF, dots and letters in any order and any pieces."""
    server = request.getfixturevalue(mode)
    source = "127.0.0.2" if mode == "lenient" else None
    generator = random.Random(5)
    want = []
    with server.hello(source=source) as c:
        for _ in range(150):
            text = bytes(generator.choice(b"\r\n\r\n..a")
                         for _ in range(generator.randrange(12)))
            text = b"b" + text + END
            whole = normalised(text) if mode == "lenient" else text
            if whole.index(END) + len(END) != len(whole):
                continue        # ends early
            begun(c)
            cut = generator.randrange(len(text))
            c.send(text[:cut])
            if cut % 4 == 0:
                time.sleep(0.001)
            c.send(text[cut:])
            reply = c.reply()
            if is_bare(whole):
                assert reply.startswith("550 5.6.11 "), (text, reply)
            else:
                assert reply.startswith("250 "), (text, reply)
                want.append(unstuffed(whole[:-3]))
            in_sync(c)
        c.quit()
    assert sorted(m.text for m in server.tree.messages()) == sorted(want)


# What is sent after 354, and what is stored.
TEXTS = {
    "nothing": (b".\r\n", b""),
    "an empty line": (b"\r\n.\r\n", b"\r\n"),
    "dots": (b"..\r\n...\r\n.a\r\n....\r\n.\r\n", b".\r\n..\r\na\r\n...\r\n"),
    "a dot inside of a line": (b"a.\r\n a .\r\n.\r\n", b"a.\r\n a .\r\n"),
    "NUL": (b"a\0b\r\n\0\r\n.\r\n", b"a\0b\r\n\0\r\n"),
    "every byte": (bytes(set(range(256)) - {10, 13}) + b"\r\n.\r\n",
                   bytes(set(range(256)) - {10, 13}) + b"\r\n"),
    "a long line": (b"x" * 300000 + b"\r\n.\r\n", b"x" * 300000 + b"\r\n"),
    "many short lines": (b"\r\n" * 50000 + b".\r\n", b"\r\n" * 50000),
    "no header": (b"hello\r\n.\r\n", b"hello\r\n"),
    "lines like those before it": (
        b"Forward-Path: <x@y>\r\nReceived: z\r\n\r\n.\r\n",
        b"Forward-Path: <x@y>\r\nReceived: z\r\n\r\n"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_kept_byte_for_byte(strict, name):
    sent, stored = TEXTS[name]
    with strict.hello() as c:
        begun(c)
        c.send(sent)
        assert c.reply().startswith("250 2.0.0 ")
        assert strict.only().text == stored
        strict.tree.empty()
        c.envelope()
        assert c.bdat(stored, last=True).startswith("250 2.0.0 ")
        assert strict.only().text == stored
        c.quit()


def test_chunks_of_any_size(strict):
    text = b"Subject: chunks\r\n\r\n" + bytes(range(256)).replace(
        b"\r", b"").replace(b"\n", b"") * 40 + b"\r\n"
    with strict.hello() as c:
        for size in (1, 2, 100, 4096, len(text)):
            strict.tree.empty()
            c.envelope()
            pieces = [text[i:i + size] for i in range(0, len(text), size)]
            if size == 1:
                pieces = pieces[:40] + [text[40:]]
            c.send(b"".join(b"BDAT %d\r\n%s" % (len(x), x) for x in pieces) +
                   b"BDAT 0 LAST\r\n")
            assert {c.reply().code for _ in range(len(pieces) + 1)} == {250}
            assert strict.only().text == text
        c.quit()


def test_rset_discards_chunks(strict):
    with strict.hello() as c:
        c.envelope()
        assert c.bdat(b"half").code == 250
        c.expect("RSET", "250 ")
        c.expect("BDAT 0 LAST", "503 ")
        c.message()
        c.quit()
    assert strict.only().text.startswith(b"Subject: test")


def test_a_chunk_that_is_refused_is_swallowed(strict):
    """A chunk with no transaction has bytes that are no commands."""
    with strict.hello() as c:
        c.send(b"BDAT %d LAST\r\n%s" % (len(EVIL), EVIL))
        assert c.reply().code == 503
        in_sync(c)
        c.expect("MAIL FROM:<a@b>", "250 ")
        c.expect("RCPT TO:<x>", "501 ")
        c.send(b"BDAT %d LAST\r\n%s" % (len(EVIL), EVIL))
        assert c.reply().code in (503, 554)
        in_sync(c)
        c.quit()
    assert strict.tree.paths() == []
