"""`open`: a study that has run, in a notebook or script."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .. import store
from ..arms.arm import Arm
from ..errors import InputError, counted, one_line, unknown_name
from ..report.arm_table import to_html
from ..report.curves import ArmProbes, MetricCurves, read_arm_curves, read_arm_probes
from ..store.run_table import RunTable
from ..store.study_json import study_of
from ..store.weights import read_weights
from ..studies.study import Study
from ..user_code import Place, as_path

if TYPE_CHECKING:
    import xarray

    from ..report.figures import Figures
    from ..report.findings import Findings
    from ..report.page import ReportFile


class Results:
    """What a work directory holds, made with `engine.open` or by `engine.run`.

    Only `study.json` is read at first. Runs are read when something asks for them, and kept: open the directory again
    to see those that finish later. Damaged parts are left out with a warning. An `InputError` is raised for an arm,
    metric or column that is not there, and for whatever is made of runs where none is finished.
    """

    def __init__(self, workdir: Place) -> None:
        self._directory = store.open_existing(as_path(workdir).absolute())
        self._given = str(workdir)
        self._curves: dict[tuple[str, str], MetricCurves] = {}

    @property
    def path(self) -> Path:
        """Absolute path of the work directory."""
        return self._directory.path

    @functools.cached_property
    def study(self) -> Study:
        """The study as it was resolved: every field of its arms filled in, horizons in steps.

        Raises `InputError` if no study of this version can be like that, or the curves were read from logs.
        """
        return study_of(self._directory.document)

    @property
    def arms(self) -> dict[str, Arm]:
        """The arms by name, in the order of the report."""
        return dict(self.study.arms)

    @functools.cached_property
    def _table(self) -> RunTable:
        return RunTable(self._directory)

    @property
    def outcomes(self) -> pa.Table:
        """A row for every finished run: the columns of `outcomes.parquet`, in steps and nats."""
        return self._table.outcomes

    def rows(self, columns: Sequence[str]) -> pa.Table:
        """Reads some columns of `parts/*.parquet` of every finished run, curves among them as lists."""
        for name in columns:
            if name not in store.ROW_SCHEMA.names:
                raise unknown_name("column", name, store.ROW_SCHEMA.names)
        return self._directory.read(columns).select(columns)

    def curves(self, arm: str, metric: str = "loss") -> MetricCurves:
        """Returns the curves of the repetitions of an arm.

        Args:
            metric: `loss`, `accuracy` or `metric` (that of the arm) on the fixed evaluation set; `held_out_loss`,
                `held_out_accuracy`, `held_out_metric` or `average_loss` (with running averages), which are measured
                less often; or `batch_loss`, of every mini-batch before its update.

        Returns:
            `steps` `[num_points]`, `values` `[num_seeds, num_points]`, NaN where a run was not measured, and the `seed`
            of each row `[num_seeds]`. They are read-only.
        """
        if (arm, metric) not in self._curves:
            found = read_arm_curves(self._table, arm, metric)
            for array in found:
                array.flags.writeable = False
            self._curves[arm, metric] = found
        return self._curves[arm, metric]

    def diagnostics(self, arm: str) -> ArmProbes:
        """Returns what was measured of the repetitions of an arm while they waited.

        That is `steps` `[num_points]`, `seed` `[num_seeds]`, and `values` by series (see `docs/columns.md`) and by
        layer or parameter array (`""` for the whole network), each `[num_seeds, num_points]`, NaN where there is none.
        """
        return read_arm_probes(self._table, arm)

    def weights(self, arm: str, seed: int) -> dict[str, Any]:
        """Returns the weights of a run at its end, where `--keep` was above its seed.

        Returns:
            What is trained under `params`, and other collections, such as `batch_stats`, under their names; nested
            dictionaries of arrays, as Flax's `apply` takes them for a Linen module.

        Raises:
            InputError: they were not kept, or the file is damaged.
        """
        return read_weights(self._directory, arm, seed).variables

    def to_xarray(self, metrics: Sequence[str] = ("loss",)) -> "xarray.Dataset":
        """Returns the repetitions as an xarray dataset (`pip install xarray`), for analyses of one's own.

        Args:
            metrics: curves to take in, see `curves`.

        Returns:
            Every outcome `[arm, seed]` and every curve `[arm, seed, step]`, NaN where there is none; times in steps.
            ArviZ takes it as `data.rename(arm="chain", seed="draw")`.
        """
        from ..report.dataset import make_dataset

        return make_dataset(self._table, metrics)

    @functools.cached_property
    def _findings(self) -> "Findings":
        from ..report.findings import find

        return find(self._table)

    @property
    def summary(self) -> dict[str, Any]:
        """The content of `summary.json`, made of the runs that are there now."""
        return self._findings.document

    @property
    def verdict(self) -> str:
        """The answer in a sentence or two."""
        return one_line(self._findings.verdict.headline)

    @functools.cached_property
    def figures(self) -> "Figures":
        """The figures of the report as Matplotlib figures, by name; drawn when asked for."""
        from ..report.figures import Figures

        return Figures(self._findings.drawings)

    def report(self) -> "ReportFile":
        """Writes the report and its other files, and returns the path of the page, which a notebook shows."""
        from ..report.page import ReportFile
        from .report import write_report

        return ReportFile(write_report(self._table, self._findings))

    def __repr__(self) -> str:
        document = self._directory.document
        arms = counted(len(document["arm_order"]), "arm")
        return one_line(f"<study {document['study']['name']!r} in {self._given!r}: {arms}>")

    def __str__(self) -> str:
        try:
            return self._findings.text
        except InputError as error:
            return f"{self!r}: {one_line(str(error))}"

    def _repr_html_(self) -> str:
        try:
            found = self._findings
        except InputError as error:
            return to_html(str(error))
        return to_html(self.verdict, found.header, found.rows)


def open(workdir: Place) -> Results:
    """Opens a study that has run, or is still running."""
    return Results(workdir)
