"""Runs the checks: formatter, linter, types, and tests.

python -m tests         every check but the slow tests, within six minutes with the installation
python -m tests fast    the part to run while working, within ninety seconds
python -m tests all     what continuous integration runs: also the longer tests, and what docs/ says
python -m tests renew   rewrites the golden files, after a sentence was changed on purpose

Other words go to pytest, for example `python -m tests -m "slow or not slow"`.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHECKS = (
    ("ruff", "format", "--check", "--quiet", "."),
    ("ruff", "check", "--quiet", "."),
    ("mypy", "--no-error-summary"),
)
# Tests of one file share programs and studies: mostly, the process that began a file goes on with it.
PYTEST = ("pytest", "-q", "-n", "2", "--dist", "worksteal")
# Most of the time goes into compilation, and most tests do not care how well a program is optimised.
UNOPTIMISED = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
# There is a pytest process per core; threads in each, for matrices of thirty rows, only wait.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
_USUAL = "not slow and not guide and not bits"
Suite = tuple[tuple[str, ...], dict[str, str]]
FAST: Suite = ((*PYTEST, "-m", f"{_USUAL} and not long and not trains"), UNOPTIMISED)
USUAL: Suite = ((*PYTEST, "-m", f"{_USUAL} and not long"), UNOPTIMISED)
LONGER: tuple[Suite, ...] = (
    ((*PYTEST, "-m", f"long and {_USUAL}"), UNOPTIMISED),
    ((*PYTEST, "-m", "bits and not slow"), {}),
    ((*PYTEST, "-m", "guide and not slow"), {}),
)
RENEW: Suite = (("pytest", "-q", "tests/report", "-k", "golden"), {"RENEW_GOLDEN": "1"})


def _plan(words: list[str]) -> list[Suite]:
    """Returns the commands to run, each with the variables that it needs."""
    checks: list[Suite] = [(check, {}) for check in CHECKS]
    if words == ["renew"]:
        return [RENEW]
    if words == ["fast"]:
        return [*checks, FAST]
    if words == ["all"]:
        return [*checks, USUAL, *LONGER]
    return [*checks, ((*PYTEST, *words), {}) if words else USUAL]


def main() -> int:
    """Returns 0 where everything passes, else the exit code of the first check that does not."""
    for words, variables in _plan(sys.argv[1:]):
        print(f"== {' '.join(words)}", flush=True)
        done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, env={**os.environ, **ONE_THREAD, **variables})
        if done.returncode != 0:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
