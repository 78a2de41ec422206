"""Metrics: against scikit-learn, what does not fit, and what is stored and said of them."""

import math

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as reference

import engine
from engine import Arm, InputError
from engine.losses import Targets
from engine.metrics.making import make_metric, title_of
from engine.metrics.registry import METRICS
from engine.outcomes.row import METRIC_COLUMNS, ROW_SCHEMA
from engine.report.explorer import collect_runs
from engine.report.summary import summarise
from engine.store import create_or_resume, open_existing
from engine.store.files import DamagedError, digest
from engine.store.parts import encode, encode_table, fingerprint, inspect_content
from engine.store.run_table import RunTable
from engine.studies.study import Study, resolve_arm
from engine.tasks import build_task, load_data
from tests.stored import make_document, make_row

GENERATOR = np.random.default_rng(0)
OWN = "tests/metrics/own.py"
LABELS = GENERATOR.choice(6, 300, p=[0.05, 0.1, 0.15, 0.2, 0.5, 0.0])
# Rounded, so that some outputs are equal; the last class occurs in no target.
OUTPUTS = np.round(GENERATOR.normal(size=(300, 6)) + 1.5 * np.eye(6)[LABELS], 1).astype(np.float32)
VALUES = GENERATOR.normal(2, [1, 5], (300, 2)).astype(np.float32)
GUESSES = (VALUES + GENERATOR.normal(0, [0.5, 4], (300, 2))).astype(np.float32)


def _metric(name: str, outputs: np.ndarray, targets: np.ndarray, **options: object) -> float:
    are_classes = targets.ndim == 1
    of = Targets(targets.astype(np.int32) if are_classes else targets, outputs.shape[1])
    made = make_metric(resolve_arm(Arm(model="mlp", metric=name, **options)), [of], outputs.shape[1])  # type: ignore[arg-type]
    return float(made(jnp.asarray(outputs), jnp.asarray(of.array)))


def test_classes_as_scikit_learn_counts_them():
    predicted = OUTPUTS.argmax(axis=1)
    assert _metric("balanced_accuracy", OUTPUTS, LABELS) == pytest.approx(
        reference.recall_score(LABELS, predicted, labels=range(5), average="macro"), rel=1e-6
    )
    assert _metric("macro_f1", OUTPUTS, LABELS) == pytest.approx(
        reference.f1_score(LABELS, predicted, average="macro"), rel=1e-6
    )
    ordered = np.argsort(-OUTPUTS, axis=1, kind="stable")
    for k in (1, 2, 5):
        found = np.mean([label in row[:k] for label, row in zip(LABELS, ordered, strict=True)])
        assert _metric("top_k", OUTPUTS, LABELS, top_k=k) == pytest.approx(found, rel=1e-6)


def test_areas_as_scikit_learn_counts_them_ties_included():
    each = [reference.roc_auc_score(i == LABELS, OUTPUTS[:, i]) for i in range(5)]
    assert _metric("roc_auc", OUTPUTS, LABELS) == pytest.approx(np.mean(each), rel=1e-5)
    two = np.round(GENERATOR.normal(size=(200, 2)), 1).astype(np.float32)
    labels = (two[:, 1] - two[:, 0] + GENERATOR.normal(size=200) > 0).astype(int)
    # As whole tenths, because the difference of two rounded numbers is not the same everywhere.
    whole = np.round(10 * two)
    expected = reference.roc_auc_score(labels, whole[:, 1] - whole[:, 0])
    assert _metric("roc_auc", whole, labels) == pytest.approx(expected, rel=1e-5)


def test_values_as_scikit_learn_measures_them():
    expected = reference.mean_absolute_error(VALUES, GUESSES)
    assert _metric("mean_absolute_error", GUESSES, VALUES) == pytest.approx(expected, rel=1e-5)
    assert _metric("r_squared", GUESSES, VALUES) == pytest.approx(reference.r2_score(VALUES, GUESSES), rel=1e-5)


def test_every_metric_is_called_something_and_finite_at_a_constant():
    for name in METRICS:
        is_of_values = name in ("mean_absolute_error", "r_squared")
        targets, outputs = (VALUES, GUESSES) if is_of_values else (LABELS, OUTPUTS)
        assert title_of(name)
        assert math.isfinite(_metric(name, np.zeros_like(outputs), targets))
    assert title_of(f"{OWN}:number_right") == "number right"


@pytest.mark.parametrize(
    ("name", "targets", "words"),
    [
        ("top_k", VALUES, "metric=top_k is for classes, and these targets are values"),
        ("r_squared", LABELS, "metric=r_squared is for values, and these targets are classes"),
        ("roc_acu", LABELS, "did you mean 'roc_auc'"),
        (f"{OWN}:of_each", LABELS, r"returns bool\[300\]: expected one number for all examples together"),
        (f"{OWN}:raising", LABELS, r"fails with arrays of shape \[300, 6\] and \[300\]: .* \(own.py, line \d+\)"),
        (f"{OWN}:pear", LABELS, "is no function"),
        (f"{OWN}:magrin", LABELS, "did you mean 'margin'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(name, targets, words):
    outputs = OUTPUTS if targets.ndim == 1 else GUESSES
    with pytest.raises(InputError, match=words) as refused:
        _metric(name, outputs, targets)
    assert "\n" not in str(refused.value)


def test_options_and_outputs_are_checked():
    with pytest.raises(InputError, match="top_k=6: expected less than the 6 classes"):
        _metric("top_k", OUTPUTS, LABELS, top_k=6)
    with pytest.raises(InputError, match="top_k=3 has no effect with metric=none"):
        resolve_arm(Arm(top_k=3))
    arm = resolve_arm(Arm(model="mlp", loss="contrastive", metric="macro_f1"))
    with pytest.raises(InputError, match="needs an output for each of the 10 classes, and under this loss there are 8"):
        build_task(arm, load_data(arm, 0, None))


@pytest.mark.trains
def test_it_is_stored_and_said(tmp_path):
    arms = {"with": Arm(model="mlp", init="he", metric=f"{OWN}:number_right"), "without": Arm(model="mlp", init="he")}
    study = Study("own", arms, seeds=2, epochs=3)
    results = engine.run(study, tmp_path, workers=1)
    curves = {metric: results.curves("with", metric) for metric in ("accuracy", "metric", "held_out_metric")}
    number = round(float(curves["metric"].values[0, -1] / curves["accuracy"].values[0, -1]))
    np.testing.assert_allclose(curves["metric"].values, number * curves["accuracy"].values, rtol=1e-5)
    assert curves["held_out_metric"].values.shape == (2, len(curves["held_out_metric"].steps))
    rows = results.outcomes.to_pylist()
    for row in rows:
        is_there = row["arm"] == "with"
        assert (row["end_metric"] is not None, row["end_held_out_metric"] is not None) == (is_there, is_there)
    with pytest.raises(InputError, match="metric"):
        results.curves("without", "metric")
    # A metric changes nothing of what is trained.
    one, other = (results.curves(name, "batch_loss").values for name in arms)
    np.testing.assert_array_equal(one, other)
    assert "The number right is" in str(results)
    assert [results.summary["arms"][name]["metric"] for name in arms] == ["number right", None]
    table = RunTable(open_existing(tmp_path))
    titles = [panel["name"] for panel in collect_runs(table, summarise(table))["panels"]]
    assert titles[-2:] == ["number right", "held-out number right"]


@pytest.mark.trains
def test_a_metric_that_is_no_number_is_kept_and_not_said(tmp_path):
    arms = {"a": Arm(model="mlp", init="he", metric=f"{OWN}:undefined")}
    results = engine.run(Study("own", arms, seeds=2, epochs=2), tmp_path, workers=1)
    assert np.isnan(results.curves("a", "metric").values).all()
    assert results.summary["arms"]["a"]["metric_after"] is None
    assert "undefined" not in str(results)
    assert engine.open(tmp_path).report()


def test_a_part_from_before_there_were_metrics_is_read(tmp_path):
    document = make_document({"a": {}})
    workdir = create_or_resume(tmp_path / "study", document)
    rows = pa.Table.from_pylist([make_row("a", 0)], ROW_SCHEMA).drop_columns(METRIC_COLUMNS)
    content = encode_table(rows, fingerprint(document["identity"]), 0)
    (workdir.parts / f"{digest(content)}.parquet").write_bytes(content)
    workdir.append([make_row("a", 1, metric=[1.0, 2.0, 3.0])])
    table = workdir.read()
    assert table["metric"].to_pylist() == [None, [1.0, 2.0, 3.0]]
    assert RunTable(workdir).outcomes["end_metric"].to_pylist() == [None, None]


def test_a_metric_of_another_length_than_its_steps_is_damage():
    part = encode([make_row("a", 0, metric=[1.0, 2.0])], "study", 0)
    with pytest.raises(DamagedError, match="metric: not as long as steps"):
        inspect_content(part, make_document({"a": {}}), "study")
