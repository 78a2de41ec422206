"""`python -m tests`: formatter, linter, types, the fast tests, and what docs/ says, in this order.

Words after it go to pytest, for example `python -m tests -m "slow or not slow"`.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHECKS = (
    ("ruff", "format", "--check", "--quiet", "."),
    ("ruff", "check", "--quiet", "."),
    ("mypy", "--no-error-summary"),
)


def main() -> int:
    """0 where everything passes, else the exit code of the first check that does not."""
    pytest = ("pytest", "-q", "-n", "2")
    suites = [(*pytest, *sys.argv[1:])]
    if not sys.argv[1:]:
        suites = [(*pytest, "-m", "not slow and not guide"), (*pytest, "-m", "guide")]
    for words in (*CHECKS, *suites):
        print(f"== {' '.join(words)}", flush=True)
        done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT)
        if done.returncode != 0:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
