"""fixtures.py - what tests of dma-smtpd are given; conftest.py imports it."""
import os
import pwd
import shutil
import subprocess

import pytest

import intake
import smtp_peer


def have_user(name, *args):
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "-M", "-U", *args, name], check=True)


@pytest.fixture(scope="session", autouse=True)
def machine():
    if not os.path.exists(intake.PROGRAM):
        pytest.exit("no %s here: run tests through tests/smtpd/run.sh"
                    % intake.PROGRAM, 1)
    have_user(intake.USER, "-r", "-s", "/usr/sbin/nologin")
    have_user("alice", "-s", "/bin/sh")


def _makes():
    made = []

    def make(text=None, start=True, folder=None, is_root=True, args=(),
             listen=None, wrap=(), more=None, **keys):
        folder = folder or intake.new_folder()
        one = intake.Intake(folder, text if text is not None else keys,
                            is_root, args, listen, wrap, **(more or {}))
        made.append(one)
        return one.start() if start else one
    yield make
    failed = []
    for one in made:
        try:
            one.finish()
        except AssertionError as e:
            failed.append(str(e))
    for one in made:
        shutil.rmtree(one.folder, ignore_errors=True)
    assert not failed, "\n".join(failed)


@pytest.fixture
def smtpd():
    """Makes servers, started unless start=False, that are ended and checked
    when the test is over: smtpd(KEY=value, ...)."""
    yield from _makes()


@pytest.fixture(scope="module")
def module_smtpd():
    """The same for tests of a file that share a server."""
    yield from _makes()


@pytest.fixture(scope="session")
def certificate():
    """Keys of smtp_peer.certificates(): one file with key and certificate."""
    folder = intake.new_folder()
    made = smtp_peer.certificates(folder)
    owner = pwd.getpwnam(intake.USER)
    for path in made.values():
        os.chown(path, 0, owner.pw_gid)
        os.chmod(path, 0o640)
    return made


@pytest.fixture(scope="session")
def preload():
    """Compiles tests/smtpd/NAME.c; gives the environment that loads it."""
    folder = intake.new_folder()

    def build(name, **variables):
        made = "%s/%s.so" % (folder, name)
        if not os.path.exists(made):
            subprocess.run(
                ["cc", "-shared", "-fPIC", "-o", made, os.path.join(
                    os.path.dirname(__file__), name + ".c")], check=True)
        return {"env": {"PATH": "/usr/bin:/bin", "LD_PRELOAD": made,
                        **variables}}
    return build
