"""MLflow as a tracker: a run of theirs for each record, in the experiment of the study's name."""

import time
from collections.abc import Mapping
from typing import Any

from ..errors import InputError, one_line
from .trackers import About, find_package

# Their limit for one call, and the longest value of a parameter that every store of theirs takes.
_MOST_METRICS, _LONGEST_PARAMETER = 1000, 500
_KEY = "plateau.key"


class Tracker:
    """Sends to `MLFLOW_TRACKING_URI`, or keeps where MLflow does by default."""

    title = "MLflow"
    advice = "without MLFLOW_TRACKING_URI everything is kept on this machine"

    def __init__(self) -> None:
        self.place: str | None = None
        self._experiments: dict[str, str] = {}

    def check(self) -> None:
        """Raises `InputError` if the package is missing, or the store cannot be opened."""
        find_package("mlflow", "MlflowClient", "mlflow-skinny")
        from mlflow import MlflowClient

        try:
            MlflowClient().search_experiments(max_results=1)
        except Exception as error:
            raise InputError(f"mlflow cannot be used: {one_line(str(error))}") from None

    def begin(self, about: About) -> "_Record":
        """Begins a run of theirs, or goes on with that of an earlier launch."""
        from mlflow import MlflowClient, get_tracking_uri

        client = MlflowClient()
        experiment = self._experiments.get(about.study) or _find_experiment(client, about.study)
        self._experiments[about.study] = experiment
        earlier = client.search_runs([experiment], f"tags.`{_KEY}` = '{about.key}'", max_results=1)
        if earlier:
            identifier = earlier[0].info.run_id
            client.update_run(identifier, status="RUNNING")
        else:
            tags = {_KEY: about.key, "plateau.kind": about.kind}
            identifier = client.create_run(experiment, tags=tags, run_name=about.title).info.run_id
            for name, value in about.config.items():
                client.log_param(identifier, name, str(value)[:_LONGEST_PARAMETER])
        self.place = self.place or str(get_tracking_uri())
        return _Record(client, identifier)


def _find_experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


class _Record:
    def __init__(self, client: Any, identifier: str) -> None:
        self._client, self._identifier = client, identifier
        self._waiting: list[Any] = []

    def log(self, point: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self._waiting += [Metric(name, value, now, step) for name, value in point.items()]
        if len(self._waiting) >= _MOST_METRICS or "share" in point:
            self._send()

    def finish(self, summary: Mapping[str, Any]) -> None:
        self._send()
        for name, value in summary.items():
            self._client.set_tag(self._identifier, name, str(value))
        self._client.set_terminated(self._identifier)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for begin in range(0, len(waiting), _MOST_METRICS):
            self._client.log_batch(self._identifier, metrics=waiting[begin : begin + _MOST_METRICS])
