"""What the diagnostics show of the runs of a configuration that is asked about."""

from engine.diagnosis.evidence import Signs
from engine.report.runs import ArmRuns
from engine.store import WorkDirectory


def read_signs(directory: WorkDirectory, runs: ArmRuns) -> Signs:
    """The signs in the runs as given, as far as they were recorded.

    Args:
        directory: of the study.
        runs: of the given arm.
    """
    return Signs()
