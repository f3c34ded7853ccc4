"""What a call costs, in system calls, page faults and files: counts that no
load of the machine changes."""
import os
import re
import subprocess
import time

import pytest

import big_queue
from smtp_peer import Script
from world import LOG, SENDMAIL, SPOOL

TEXT = (b"From: <alice@host.test>\nTo: <ann@far.test>\nSubject: cost\n"
        b"Date: Thu, 01 Jan 2026 00:00:00 +0000\n"
        b"Message-ID: <cost@host.test>\n\n").ljust(4095, b"x") + b"\n"
# Names that need no look-up of users, and mail that no runner is woken for.
SUBMIT = [SENDMAIL, "-odq", "-i", "-f", "alice@host.test", "ann@far.test"]
LIST = [SENDMAIL, "-bp"]
TRIES = 9       # the least of them counts: what the kernel maps at once varies


@pytest.fixture
def message(world, tmp_path):
    if world.is_sanitized():
        pytest.skip("a sanitizer has calls and pages of its own")
    world.write_conf({"LOG": None})     # to syslog, as by default
    world.leaves("queue")
    assert world.run(LIST).returncode == 0      # which makes the queue
    path = tmp_path / "message"
    path.write_bytes(TEXT)
    return path


def system_calls(argv, message):
    """The lines of strace of a call by alice, from exec to exit."""
    trace = message.parent / "trace"
    with open(message) as f:
        subprocess.run(["strace", "-f", "-qq", "-u", "alice", "-o", trace,
                        *argv], stdin=f, stdout=subprocess.DEVNULL,
                       check=True, timeout=60)
    lines = [x.split(maxsplit=1) for x in trace.read_text().splitlines()]
    assert len({pid for pid, _ in lines}) == 1, "more than one process"
    return [call for _, call in lines]


def names(calls):
    return [call.split("(")[0] for call in calls]


def opened(trace):
    """The ids of the queue files that were opened, in that order."""
    return re.findall(r' openat\(\d+, "([0-9a-z]{16,24})", O_RD',
                      trace.read_text())


def page_faults(argv, message):
    def once():
        with open(message) as f:
            p = subprocess.Popen(argv, stdin=f, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        assert p.returncode == 0
        return usage.ru_minflt
    return min(once() for _ in range(TRIES))


def test_submission_has_few_system_calls(world, message):
    """Of these, 34 are the loader's and the C library's."""
    calls = system_calls(SUBMIT, message)
    assert len(calls) <= 90, "\n".join(calls)
    ident, = world.queue()
    with open("%s/queue/%s" % (SPOOL, ident), "rb") as f:
        assert TEXT.partition(b"\n\n")[2] in f.read()


def test_submission_syncs_once_and_its_folder_once(message):
    done = names(system_calls(SUBMIT, message))
    assert [x for x in done if x in ("fsync", "fdatasync", "sync", "syncfs",
                                     "linkat", "write", "pwrite64")] == \
        ["write", "fsync", "linkat", "fsync"]


def test_submission_does_not_depend_on_the_length_of_the_queue(message):
    few = names(system_calls(SUBMIT, message))
    big_queue.fill(2000)
    assert names(system_calls(SUBMIT, message)) == few


def test_submission_with_a_date_opens_no_file_of_the_time_zone(message):
    calls = "\n".join(system_calls(SUBMIT, message))
    assert "dma.conf" in calls and "localtime" not in calls
    message.write_bytes(TEXT.replace(b"Date: ", b"X-Date: "))
    assert "localtime" in "\n".join(system_calls(SUBMIT, message))


def test_large_message_is_written_in_large_pieces(message):
    message.write_bytes(TEXT + b"y" * 4095 * 256)
    done = names(system_calls(SUBMIT, message))
    assert done.count("write") <= 10 and done.count("pwrite64") == 1


def test_disk_begins_while_a_large_message_is_read(message):
    """And no page of it is copied, or written in two parts."""
    message.write_bytes(TEXT + b"y" * 4095 * 2304)      # 9 MiB
    calls = system_calls(SUBMIT, message)
    done = [x for x in names(calls) if x in ("write", "sync_file_range",
                                             "pwrite64", "fsync", "linkat")]
    assert [x for x in done if x != "write"] == \
        ["sync_file_range"] * 2 + ["pwrite64", "fsync", "linkat", "fsync"]
    sizes = [int(x.split()[-1]) for x in calls if x.startswith("write(")]
    assert sum(sizes[:2]) % 131072 == 0
    assert set(sizes[2:-1]) == {131072}


def test_empty_list_has_few_system_calls(message):
    assert len(system_calls(LIST, message)) <= 85


def test_calls_load_the_c_library_alone(message):
    for argv in SUBMIT, LIST:
        opened = [x.split('"')[1] for x in system_calls(argv, message)
                  if x.startswith("openat(AT_FDCWD")]
        libraries = [os.path.basename(x) for x in opened if ".so." in x]
        assert [x for x in libraries if x != "ld.so.cache"] == ["libc.so.6"]


def test_calls_have_few_page_faults(world, message):
    """More than a program that does nothing, since that depends on the
    kernel and the C library."""
    nothing = page_faults(["/bin/true"], message)
    assert page_faults(SUBMIT, message) <= nothing + 32
    for ident in world.queue():
        os.unlink("%s/queue/%s" % (SPOOL, ident))
    assert page_faults(LIST, message) <= nothing + 25


def test_log_lines_of_a_turn_are_written_at_once(world, peer, tmp_path):
    """A message to many recipients; the runner is traced, too."""
    if world.is_sanitized():
        pytest.skip("a sanitizer has calls and pages of its own")
    p = peer(Script())
    world.smarthost(p)
    trace = tmp_path / "trace"
    done = subprocess.run(["strace", "-f", "-qq", "-y", "-e", "trace=write",
                           "-o", trace, SENDMAIL,
                           *("r%d@far.test" % i for i in range(500))],
                          input=TEXT, timeout=60)
    assert done.returncode == 0
    world.wait_quiet()
    assert len(world.log_lines("status=sent")) == 500
    writes = [x for x in trace.read_text().splitlines() if LOG in x]
    assert 1 < len(writes) < 50


def test_messages_sent_in_a_turn_share_a_sync(world, peer, tmp_path):
    """While one takes long, others are sent.  Nothing is written into the file
    of a message that is sent, unless the runner looks between the status and
    the end of the request."""
    if world.is_sanitized():
        pytest.skip("a sanitizer has calls and pages of its own")
    world.smarthost(peer(Script()))
    n = 40
    for _ in range(n):
        world.send("-odq", "ann@far.test", input=TEXT)
    trace = tmp_path / "trace"
    done = subprocess.run(
        ["strace", "-f", "-qq", "-y", "-e", "trace=fsync,fdatasync,unlinkat,"
         "write,pwrite64", "-e", "inject=fsync,fdatasync:delay_exit=300000",
         "-o", trace, SENDMAIL, "-q"], timeout=100)
    assert done.returncode == 0
    world.wait_quiet()
    calls = [x.split(maxsplit=1)[1] for x in trace.read_text().splitlines()
             if SPOOL + "/queue" in x]
    assert names(calls).count("unlinkat") == n
    assert len([x for x in names(calls) if "sync" in x]) <= n / 4
    assert len([x for x in names(calls) if "write" in x]) <= n / 4


def test_delivery_has_few_calls_and_commits(world, tmp_path):
    """Calls that name a queue file, and its syncs: all files of a turn are
    written before the first sync, which makes the file system commit once."""
    if world.is_sanitized():
        pytest.skip("a sanitizer has calls and pages of its own")
    for _ in range(60):
        assert world.run([SENDMAIL, "-odq", "alice"],
                         input=TEXT).returncode == 0
    world.wait_until(lambda: not world.processes(), 15, "no runner")
    trace = tmp_path / "trace"
    subprocess.run(["strace", "-f", "-qq", "-y", "-o", trace, SENDMAIL, "-q"],
                   check=True, timeout=60)
    world.wait_quiet()
    calls = names(x.split(maxsplit=1)[1]
                  for x in trace.read_text().splitlines()
                  if SPOOL + "/queue" in x and "<..." not in x)
    kept = [x for x in calls if x in ("write", "fdatasync")]
    assert kept.count("write") == kept.count("fdatasync") == 60
    assert " ".join(kept).count("fdatasync write") < 15
    assert len(calls) <= 60 * 17 + 30


def test_new_mail_does_not_wait_until_a_long_queue_is_read(world, peer,
                                                           tmp_path):
    """By a new runner, which reads each message of it once."""
    if world.is_sanitized():
        pytest.skip("a sanitizer has calls and pages of its own")
    p = peer(Script())
    world.smarthost(p)
    world.leaves("queue")
    backlog = big_queue.fill(2000, due=int(time.time()) + 3600, age=7200)
    trace = tmp_path / "trace"
    call = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=openat",
                             "-o", trace, SENDMAIL, "ann@far.test"],
                            stdin=subprocess.PIPE)
    call.stdin.write(TEXT)
    call.stdin.close()
    try:
        world.wait_until(lambda: set(backlog) <= set(opened(trace)), 60)
        world.wait_until(lambda: world.log_lines("status=sent"))
    finally:
        world.stop()
        call.wait(60)
    ids = opened(trace)
    new, = set(ids) - set(backlog)
    assert ids.index(new) <= 64
    assert [ids.count(x) for x in backlog] == [1] * len(backlog)
