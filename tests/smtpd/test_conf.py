"""dma-smtpd -t: every key, good and bad."""
import os
import re

import pytest

import intake

# Values that are wrong; "%" is the folder of the test.
BAD = {
    "LISTEN": ["", "localhost", "127.0.0.1:0", "127.0.0.1:65536",
               "127.0.0.1:", "[::1", "::1:25x", "1.2.3"],
    "ROOT": ["", "relative", "/a/../b"],
    "USER": ["", "no such user"],
    "MIN_SPARE": ["", "0", "-1", "x", "1.5", "1001", "99999999999999999999",
                  "1 2"],
    "MAX_SPARE": ["0", "x"], "MAX_CHILDREN": ["0", "x", "1001"],
    "MAX_SESSIONS": ["", "-1", "x", "1000000001"],
    "DURABLE": ["", "yes", "FULL", "full file"],
    "MAX_SIZE": ["", "0", "1", "much", "-1", "1X", "99999999999999999999G"],
    "MAX_RECIPIENTS": ["0", "x"], "MAX_ERRORS": ["0", "none"],
    "MAX_COMMANDS": ["0", "9", "x"], "MAX_LINE": ["511", "16385", "x"],
    "MAX_CONNECTIONS": ["0", "x"], "MAX_CONNECTIONS_PER_ADDRESS": ["0", "x"],
    "COMMAND_TIMEOUT": ["0", "", "x", "1w", "2d", "-5"],
    "TRANSACTION_TIMEOUT": ["0", "x"], "SHUTDOWN_TIMEOUT": ["0", "2h", "x"],
    "CERTIFICATE": ["", "relative.pem", "/no/such/file"],
    "PRIVATE_KEY": ["", "relative.pem"],
    "BLOCKLIST": ["", "relative", "/no/such/file"],
    "BLOCK_REPLY": ["", "550", "DROP"],
    "PROXY_FROM": ["", "localhost", "1.2.3", "1.2.3.4/33", "1.2.3.4/8",
                   "::/129"],
    "NORMALIZE_FROM": ["", "all", "1.2.3.4/-1"],
    "STATUS_SOCKET": ["", "relative"],
    "LOG": ["", "file", "STDERR"],
    "MODULE": ["", "nosuch", "/no/such/file.so", "relative/x.so", "LISTEN",
               "/etc/passwd", "minute\nMODULE minute"],
    "FALLBACK": ["nosuch", "minute"],
    "NO_SUCH_KEY": ["1"], "listen": ["127.0.0.1"], "LISTEN=127.0.0.1": [""],
    "minute": ["", "nosuchkey 1"], "maildir": ["root /tmp"],
}
CASES = [(key, value) for key, values in BAD.items() for value in values]


@pytest.fixture(scope="module")
def folder():
    return intake.new_folder()


def base(folder):
    root = folder + "/root"
    if not os.path.isdir(root):
        os.mkdir(root, 0o755)
        os.chown(root, intake.pwd.getpwnam(intake.USER).pw_uid, -1)
    return root


@pytest.mark.parametrize("key, value", CASES)
def test_errors_name_the_file_and_the_line(folder, key, value):
    text = "# a comment\n\n"
    if key != "ROOT":
        text = "# a comment\nROOT %s\n" % base(folder)
    more = "MAX_ERRORS 7" if key != "MAX_ERRORS" else "MAX_COMMANDS 70"
    status, said = intake.check_conf(
        "%s%s %s\n%s\n" % (text, key, value, more), folder)
    assert status == 78, said
    line = 3 + value.count("\n")
    if key in ("CERTIFICATE", "BLOCKLIST", "MODULE", "FALLBACK") and \
            "nosuch" in value or value.startswith("/no/such/file"):
        assert value in said        # the file is named
    else:
        assert "%s/checked.conf:%d: " % (folder, line) in said, said
    for wrong in (1, 2, line + 1):
        assert "checked.conf:%d: " % wrong not in said
    if intake.is_sanitized():
        assert "Sanitizer" not in said


GOOD = {
    "LISTEN": ["127.0.0.1", "127.0.0.1:25", "[::1]:25", "::1", "0.0.0.0:1",
               "[::]:65535"],
    "MIN_SPARE": ["1", "4"], "MAX_SPARE": ["8"], "MAX_CHILDREN": ["1000"],
    "MAX_SESSIONS": ["0", "5"], "DURABLE": ["none", "file", "full"],
    "MAX_SIZE": ["1K", "2000", "10M", "1G"], "MAX_RECIPIENTS": ["1"],
    "MAX_ERRORS": ["1"], "MAX_COMMANDS": ["10"], "MAX_LINE": ["512"],
    "COMMAND_TIMEOUT": ["5", "5s", "5m", "1h"],
    "TRANSACTION_TIMEOUT": ["1d"], "SHUTDOWN_TIMEOUT": ["1s"],
    "BLOCK_REPLY": ["554", "drop"],
    "PROXY_FROM": ["192.0.2.1", "192.0.2.0/24 2001:db8::/32"],
    "NORMALIZE_FROM": ["::1"], "STATUS_SOCKET": ["none", "/run/x"],
    "LOG": ["stderr", "syslog"],
    "MODULE": ["minute", "minute # a comment"],
}


@pytest.mark.parametrize("key, value", [
    (key, value) for key, values in GOOD.items() for value in values])
def test_good_values(folder, key, value):
    status, said = intake.check_conf(
        "ROOT %s\n%s %s\n" % (base(folder), key, value), folder)
    assert (status, said) == (0, ""), said


@pytest.mark.parametrize("text", [
    "", "\n\n", "# only\n", "  MAX_ERRORS   7  \n", "MAX_ERRORS\t7\n",
    "MAX_ERRORS 7", "\ufeffMAX_ERRORS 7\n", "MAX_ERRORS 7\r\n",
    "MAX_ERRORS 7 # seven\n"])
def test_the_form_of_lines(folder, text):
    root = "ROOT %s\n" % base(folder)
    if text.startswith("\ufeff"):
        status, said = intake.check_conf(text + root, folder)
    else:
        status, said = intake.check_conf(root + text, folder)
    assert (status, said) == (0, ""), said


def test_all_errors_are_told_at_once(folder):
    status, said = intake.check_conf(
        "ROOT %s\nMAX_ERRORS x\nFOO 1\nDURABLE maybe\n" % base(folder),
        folder)
    assert status == 78
    for line in (2, 3, 4):
        assert "checked.conf:%d: " % line in said


def test_a_bad_configuration_at_start(smtpd):
    s = smtpd(start=False)
    s.write_conf("MAX_ERRORS x\n")
    s.start(wait=False)
    s.process.wait(30)
    assert s.process.returncode == 78
    assert s.conf + ":1: " in s.log()


def test_a_certificate_without_its_key(smtpd, certificate, folder):
    for pair in ((certificate["smart"], certificate["other"]),
                 ("/etc/passwd", certificate["smart"]),
                 (certificate["smart"], "/etc/passwd")):
        status, said = intake.check_conf(
            "ROOT %s\nCERTIFICATE %s\nPRIVATE_KEY %s\n" % (
                base(folder), *pair), folder)
        assert status == 78, said
        assert pair[0] in said or pair[1] in said


def test_a_root_that_is_not_the_users(smtpd):
    s = smtpd(start=False)
    os.chown(s.root, 0, 0)
    s.start(wait=False)
    s.process.wait(30)
    assert s.process.returncode not in (0, None)
    assert s.root in s.log()
    os.chown(s.root, intake.pwd.getpwnam(intake.USER).pw_uid, -1)


def test_a_root_that_is_missing(smtpd):
    s = smtpd(start=False)
    os.rmdir(s.root)
    s.start(wait=False)
    s.process.wait(30)
    os.mkdir(s.root)
    assert s.process.returncode == 78
    assert (s.root + ": No such file or directory: create this directory, and "
            "make the user of dma-smtpd its owner\n") in s.log()


def test_the_sample_file_is_good(folder, certificate):
    """As it is installed, and with all of its settings in effect."""
    path = "/etc/dma/dma-smtpd.conf"
    if not os.path.exists(path):
        path = os.path.join(os.path.dirname(__file__),
                            "../../smtpd/dma-smtpd.conf")
    with open(path) as f:
        text = f.read()
    status, said = intake.check_conf(text + "\nROOT %s\n" % base(folder),
                                     folder)
    assert (status, said) == (0, "")
    text, n = re.subn(r"(?m)^#(?=[A-Z_]+ \S|maildir )", "", text)
    assert n > 25
    with open(folder + "/blocklist", "w"):
        pass
    for name, there in (("/var/spool/dma-smtpd", base(folder)),
                        ("/etc/dma/mail.pem", certificate["smart"]),
                        ("/etc/dma/mail.key", certificate["smart"]),
                        ("/etc/dma/blocklist", folder + "/blocklist"),
                        ("/srv/mail", base(folder))):
        assert name in text
        text = text.replace(name, there)
    status, said = intake.check_conf(text, folder)
    assert (status, said) == (0, "")


@pytest.mark.parametrize("key, value, text", (
    ("ROOT", "/no/such/directory", "ROOT /no/such/directory: No such file"),
    ("ROOT", "/etc/passwd", "ROOT /etc/passwd: not a directory"),
    ("USER", "nosuchuser", "USER nosuchuser: there is no such user"),
))
def test_what_a_start_would_miss_is_found(folder, key, value, text):
    keys = {"ROOT": base(folder), key: value}
    status, said = intake.check_conf(
        "".join("%s %s\n" % kv for kv in keys.items()), folder)
    assert status == 78 and text in said


def test_root_is_not_needed_by_other_modules(folder):
    status, said = intake.check_conf("ROOT /no/such/directory\nMODULE queue\n",
                                     folder)
    assert status == 0, said
