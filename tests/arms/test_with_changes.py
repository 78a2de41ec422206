"""Options changed from Python, by the names that are typed."""

import pytest

import engine
from engine.arms.options import with_changes
from engine.commands.running.options import RunOptions
from engine.errors import InputError


def test_fields_and_flags_name_the_same_options():
    changed = with_changes(RunOptions(), {"workers": 3, "quiet": True, "live": 60})
    assert changed == RunOptions(num_workers=3, is_quiet=True, live_every=60.0)
    assert changed == with_changes(RunOptions(), {"num_workers": 3, "is_quiet": True, "live_every": 60})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"worker": 1}, "unknown option 'worker': .*; did you mean 'workers'"),
        ({"workers": 1, "num_workers": 1}, "workers and num_workers are the same option"),
        ({"workers": -1}, "workers=-1: expected at least 0"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(changes, words):
    with pytest.raises(InputError, match=words):
        with_changes(RunOptions(), changes)


def test_every_verb_says_so(tmp_path):
    for call in (engine.verify, engine.read):
        with pytest.raises(InputError, match="did you mean"):
            call(tmp_path / "x", **{"clases" if call is engine.read else "run": 10})


def test_help_says_what_the_flags_say():
    for owner in (engine.Arm, engine.Study, engine.Until, RunOptions):
        assert "Fields:" in owner.__doc__
    assert "    learning_rate: learning rate" in engine.Arm.__doc__
    assert "    horizon: length of every run in steps" in engine.Study.__doc__
