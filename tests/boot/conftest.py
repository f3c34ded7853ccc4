"""conftest.py - fixtures of the tests under a booted systemd."""
import os

import pytest

import booted


@pytest.fixture
def world():
    if not os.path.isdir("/run/systemd/system"):
        pytest.exit("no systemd here: run tests through tests/boot/run.sh", 1)
    w = booted.Booted()
    yield w
    w.finish()
