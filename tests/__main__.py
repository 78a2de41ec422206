"""`python -m tests`: formatter, linter, types, the fast tests, longer ones, and what docs/ says.

Words after it go to pytest, for example `python -m tests -m "slow or not slow"`.
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


# Most of the time goes into compilation, and most tests do not care how well a program is
# optimised: the fast suite takes two thirds of the time so.
UNOPTIMISED = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
# There is a pytest process per core; threads in each, for matrices of thirty rows, only wait.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
SUITES: tuple[tuple[str, dict[str, str]], ...] = (
    ("not slow and not guide and not bits and not long", UNOPTIMISED),
    ("long and not slow and not guide and not bits", UNOPTIMISED),
    ("bits and not slow", {}),
    ("guide and not slow", {}),
)


def main() -> int:
    """0 where everything passes, else the exit code of the first check that does not."""
    # Tests of one file share programs and studies: mostly, whoever has begun it goes on with it.
    pytest = ("pytest", "-q", "-n", "2", "--dist", "worksteal")
    suites = [((*pytest, "-m", marks), variables) for marks, variables in SUITES]
    if sys.argv[1:]:
        suites = [((*pytest, *sys.argv[1:]), {})]
    for words, variables in (*((check, {}) for check in CHECKS), *suites):
        print(f"== {' '.join(words)}", flush=True)
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **ONE_THREAD, **variables})
        if done.returncode != 0:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
