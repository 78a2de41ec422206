"""`diagnose` from the command line to the verdict."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

import engine
import launch
from engine import Arm, store
from engine.commands import diagnose
from engine.commands.diagnose import DiagnoseOptions
from engine.diagnosis.budget import Budget
from engine.diagnosis.changes import Subject
from engine.diagnosis.factors import factors_of
from engine.errors import InputError
from engine.preflight import causes
from engine.store.study_json import study_of
from engine.studies.study import Study, resolve_arm
from engine.workers import processes
from tests.conftest import small_study


def _words(workdir: Path, data_dir: str, *words: str) -> list[str]:
    return [
        "launch.py",
        "diagnose",
        "--model=mlp",
        "--dense_widths=16",
        "--workers=0",
        f"--workdir={workdir}",
        f"--data_dir={data_dir}",
        *words,
    ]


HEALTHY = ["--optimizer=sgd", "--init=he", "--learning_rate=0.1"]


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory: pytest.TempPathFactory, data_dir: str) -> Path:
    """A diagnosis of a healthy network, small: 6 seeds of 14 arms."""
    workdir = tmp_path_factory.mktemp("diagnosis") / "study"
    words = ["--seeds=6", "--horizon=66", *HEALTHY]
    assert launch.main(_words(workdir, data_dir, *words)) == 0
    return workdir


def _diagnosis(workdir: Path) -> dict:
    return json.loads((workdir / "summary.json").read_text())["diagnosis"]


@pytest.mark.long
def test_a_diagnosis_ends_in_a_verdict_with_its_evidence(diagnosed: Path):
    found = _diagnosis(diagnosed)
    assert found["verdict"] == "normal for this set-up"
    assert found["arms"]["as_given"]["num_left"] == 6
    assert found["skipped"]["init=he"] == "it starts so already"
    assert found["skipped"]["epsilon=1e-12"] == "sgd has no epsilon"
    page = (diagnosed / "report.html").read_text()
    for words in (
        "Why it waits, and what to change",
        "Not tried: epsilon=1e-12, because sgd has no epsilon.",
        "The decision table: the first row that holds is the verdict.",
        "6 seeds are too few for a cause",
    ):
        assert words in page
    assert (diagnosed / "figures" / "remedies.svg").exists()


@pytest.mark.long
def test_the_verdict_is_the_headline(diagnosed: Path):
    results = engine.open(diagnosed)
    assert results.verdict.startswith("Normal for this set-up: 6 of 6 runs")
    assert "remedies" in results.figures


@pytest.mark.long
def test_a_diagnosis_is_a_study_that_can_be_made_again(diagnosed: Path):
    document = store.open_existing(diagnosed).document
    study = study_of(document)
    assert study.diagnosis is not None
    assert study.diagnosis.kinds["one_batch"] == "control"
    assert study.diagnosis.minutes is None


@pytest.mark.long
def test_the_same_command_goes_on_with_the_same_study(
    diagnosed: Path, data_dir: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    ran = []

    def keep(study: Study, workdir: str, **options: object) -> engine.Results:
        ran.append(study)
        return engine.open(workdir)

    monkeypatch.setattr(diagnose, "run", keep)
    assert launch.main(_words(diagnosed, data_dir, *HEALTHY, "--minutes=1")) == 0
    again = study_of(store.open_existing(diagnosed).document)
    assert (ran[0].diagnosis, ran[0].seeds_by_arm) == (again.diagnosis, again.seeds_by_arm)
    assert ran[0].horizons_by_arm == again.horizons_by_arm
    assert "minutes=1 choose nothing" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize(
    ("word", "expected"),
    [("--seeds=9", "seeds=9: the diagnosis in"), ("--horizon=88", "has 66; to go on with it leave --horizon out")],
)
def test_a_diagnosis_is_not_gone_on_with_at_other_seeds_or_another_horizon(
    diagnosed: Path, data_dir: str, word: str, expected: str, capsys: pytest.CaptureFixture[str]
):
    assert launch.main(_words(diagnosed, data_dir, *HEALTHY, word)) == 2
    assert expected in capsys.readouterr().err


def test_an_option_that_no_diagnosis_has_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="until"):
        engine.diagnose(small_study(), tmp_path / "study", until=None)
    with pytest.raises(InputError, match="tune has no effect"):
        engine.diagnose(small_study(), tmp_path / "study", is_tuned=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--minutes=0"], "minutes=0.0: expected a positive number"),
        (["--minutes=nan"], "minutes=nan: expected a finite number"),
        (["--minutes=soon"], "--minutes=soon: expected a number"),
        (["--seeds=few"], "--seeds=few: expected an integer"),
        (["--sweep=init=he,normal"], "sweep"),
        (["--design=crossed"], "design"),
        (["--arm=as_aksed", "--experiment=kick_in", "--model=cnn8"], "did you mean 'as_asked'?"),
        (["--control=one_bach"], "did you mean 'one_batch'?"),
        (["--dataset=teacher", "--control=one_batch", "--horizon=50"], "drawn, not held in arrays"),
        (["--experiment=double_well", "--gradient_noise=1"], "no plateau to explain"),
    ],
)
def test_wrong_words_get_one_line(
    words: list[str], expected: str, tmp_path: Path, data_dir: str,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    assert launch.main(_words(tmp_path / "study", data_dir, *words)) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert expected in error
    assert not (tmp_path / "study").exists()


def test_too_few_minutes_are_refused_before_anything_is_compiled(
    tmp_path: Path, data_dir: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(processes, "call", lambda *_: pytest.fail("a worker was started"))
    assert launch.main(_words(tmp_path / "study", data_dir, *HEALTHY, "--minutes=0.1")) == 2
    assert "minutes=0.1 do not buy 11 seeds of" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_a_study_of_another_kind_is_refused(tmp_path: Path, data_dir: str, capsys: pytest.CaptureFixture[str]):
    workdir = tmp_path / "study"
    words = [word for word in _words(workdir, data_dir, "--seeds=1", "--horizon=22") if word != "diagnose"]
    assert launch.main([*words, "--experiment=single"]) == 0
    assert launch.main(_words(workdir, data_dir, "--seeds=2", "--horizon=66")) == 2
    assert "holds another study, which is no diagnosis" in capsys.readouterr().err


def test_arms_with_other_batches_see_as_many_examples():
    given = Arm(batch_size=8)
    arms = {"as_given": given, "batch_size=×4": given.replace(batch_size=32), "init=he": given.replace(init="he")}
    pilot = diagnose._Pilot(SimpleNamespace(arms=arms), arms, None)
    assert pilot.horizons(400) == {"as_given": 400, "batch_size=×4": 100, "init=he": 400}


@pytest.mark.parametrize("findings", [(), ({"cause": causes.EXPLODING},)])
def test_few_minutes_leave_out_what_can_be_done_without(findings: Sequence[dict[str, str]]):
    arm = resolve_arm(Arm(model="mlp", dense_widths=(16,), optimizer="sgd", learning_rate=0.01))
    arms, record = factors_of(Subject(arm, num_examples=100))
    study = SimpleNamespace(arms={"as_given": arm}, horizons={"as_given": 100})
    pilot = diagnose._Pilot(study, arms, record._replace(findings=findings))

    def left_out(seconds: float) -> tuple[str, ...]:
        """Arms that are left out where all of them to half of the horizon cost some seconds for a minute."""
        cost = SimpleNamespace(seconds_per_step=seconds / (11 * 50 * len(arms)), start_seconds=0.0)
        return diagnose._choose(pilot, DiagnoseOptions(), 1.0, 1, time.monotonic(), cost).left_out

    # Of 60 s 8 go to the report, and 65 % of the rest to training.
    assert left_out(33.0) == ()
    least = ("epsilon=1e-05", "constant_inputs", "learning_rate=×1000", "learning_rate=×1/1000")
    assert left_out(33.8 * len(arms) / (len(arms) - 2.5)) == tuple(name for name in least if name in arms)[:3]
    assert ("clip_norm=1" in left_out(33.8 * len(arms) / (len(arms) - 6.5))) == (not findings)
    with pytest.raises(InputError, match="expected at least"):
        left_out(120.0)
    smaller = pilot.without(least)
    assert {*smaller.record.kinds} == {*smaller.arms} == {*arms} - {*least}
    assert smaller.record.skipped["constant_inputs"] == "the minutes do not buy it"


@pytest.mark.parametrize(("minutes", "is_said"), [(1e-6, True), (60.0, False)])
def test_it_is_said_when_it_took_much_longer(
    tmp_path: Path, data_dir: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], minutes: float, is_said: bool,
):  # fmt: skip
    cost = SimpleNamespace(seconds_per_step=1e-3, start_seconds=1.0)
    monkeypatch.setattr(processes, "call", lambda *_: cost)
    monkeypatch.setattr(diagnose, "check_arm", lambda *_: [])
    monkeypatch.setattr(diagnose, "choose", lambda *_: Budget(6, 66, []))
    monkeypatch.setattr(diagnose, "run", lambda *_, **__: None)
    monkeypatch.setattr(diagnose, "follow", lambda *_: None)
    monkeypatch.setattr(diagnose, "Results", lambda _: SimpleNamespace(report=lambda: None))
    engine.diagnose(small_study(), tmp_path / "study", minutes=minutes, data_dir=data_dir, num_workers=0)
    assert ("minutes, not 1e-06, as on a machine that does other things" in capsys.readouterr().err) == is_said


@pytest.mark.long
def test_what_would_be_advised_is_followed_and_found_again(tmp_path: Path, data_dir: str):
    words = ["--seeds=11", "--horizon=88", "--optimizer=sgd", "--init=he", "--learning_rate=1e-4"]
    assert launch.main(_words(tmp_path / "study", data_dir, *words)) == 0
    found = _diagnosis(tmp_path / "study")
    assert found["verdict"] == "rate too small"
    followed = found["followed"][found["first"]]
    assert (followed["num_runs"], followed["num_kept"]) == (8, 8)
    assert found["causes"][0]["verdict"] == "rate too small"
    folder = next((tmp_path / "study" / "followed").iterdir())
    assert store.open_existing(folder).document["study"]["seeds"] == {found["first"]: 8}
    engine.open(tmp_path / "study").report()
    assert _diagnosis(tmp_path / "study")["followed"] == found["followed"]
