"""conftest.py - the tests of dma-smtpd find its fixtures."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))
sys.path.insert(0, os.path.dirname(__file__))

from fixtures import (  # noqa: E402,F401
    certificate, machine, module_smtpd, preload, smtpd)
