"""Programs call sendmail as they really do, and their mail arrives right."""
import pytest

import calls
from callers import CALLERS
from stage import Stage


@pytest.fixture
def stage(world, peer):
    yield Stage(world, peer())
    calls.end_record()


@pytest.mark.parametrize("caller", CALLERS, ids=lambda c: c.name)
def test_mail_of_a_program_arrives(stage, caller):
    if caller.is_optional and not caller.is_installed():
        pytest.skip(caller.package + " is not installed")
    done = stage.play(caller)
    assert list(stage.faults(caller, done)) == []
