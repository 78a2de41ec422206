"""Does `diagnose` find the cause that was planted? The confusion table of its verdicts.

Every cause is planted in a small dense network and in the network of `kick_in`, and diagnosed
again and again with other root seeds, each time as a person would from the command line. Every
diagnosis keeps its work directory, so that the same command goes on; verdicts are those of the
decision table as it is now, and with `--repeats=0` nothing is run.

    python -m benchmarks.diagnoses --network=small --repeats=20 --minutes=1 --output=runs/small
    python -m benchmarks.diagnoses --network=cnn8 --repeats=2 --minutes=10 --output=runs/cnn8
"""

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine import store
from engine.diagnosis import table
from engine.diagnosis.section import make_section
from engine.preflight import causes
from engine.report.summary import summarise
from engine.store.run_table import RunTable

_ROOT = Path(__file__).parent.parent
# In the folder of a diagnosis that is finished.
_ABOUT = "about.json"
# Biases far below anything that reaches the units: every unit is dead from the start.
_DEAD_NETWORK = """
from flax import linen as nn

def biases(key, shape, dtype):
    return -10.0 * nn.initializers.ones(key, shape, dtype)


class Dead(nn.Module):
    num_classes: int
    has_convolutions: bool = False

    @nn.compact
    def __call__(self, x):
        if self.has_convolutions:
            for width in (16, 16, 32):
                x = nn.relu(nn.Conv(width, (3, 3))(x))
        x = x.reshape(len(x), -1)
        x = nn.relu(nn.Dense(64, bias_init=biases)(x))
        x = nn.relu(nn.Dense(64)(x))
        return nn.Dense(self.num_classes)(x)
"""


class Cause(NamedTuple):
    """A planted cause.

    Attributes:
        name: of the cause.
        verdict: the right one.
        flags: by network, from (folder for files, root seed) to flags.
    """

    name: str
    verdict: str
    flags: dict[str, Callable[[Path, int], list[str]]]


def _plain(*flags: str) -> Callable[[Path, int], list[str]]:
    return lambda folder, seed: list(flags)


def _dead(*flags: str) -> Callable[[Path, int], list[str]]:
    def make(folder: Path, seed: int) -> list[str]:
        (folder / "dead.py").write_text(_DEAD_NETWORK)
        return [f"--model={folder / 'dead.py'}:Dead", *flags]

    return make


def _digits(change: str, *flags: str) -> Callable[[Path, int], list[str]]:
    def make(folder: Path, seed: int) -> list[str]:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        images = (images / 16).reshape(-1, 8, 8, 1).astype(np.float32)
        if change == "permuted":
            labels = np.random.default_rng(seed).permutation(labels)
        else:
            images = np.broadcast_to(images.mean(axis=0), images.shape)
        np.savez(folder / f"{change}.npz", x=images, y=labels)
        return [f"--dataset_dir={folder / change}.npz", *flags]

    return make


_SMALL = ("--model=mlp", "--dense_widths=64,64,64,64")
_CAUSES = (
    Cause(
        "healthy",
        table.NORMAL,
        {"small": _plain("--model=mlp", "--init_scale=0.05"), "cnn8": _plain("--experiment=kick_in")},
    ),
    Cause(
        "small σ",
        causes.SCALE,
        {
            "small": _plain(*_SMALL, "--init_scale=0.01", "--optimizer=sgd", "--learning_rate=0.1"),
            "cnn8": _plain("--init_scale=0.02", "--optimizer=sgd", "--momentum=0.9", "--learning_rate=0.03"),
        },
    ),
    Cause(
        "small σ, large ε",
        causes.EPSILON,
        {
            "small": _plain(*_SMALL, "--init_scale=0.01", "--epsilon=1e-4"),
            "cnn8": _plain("--init_scale=0.01", "--epsilon=1e-8", "--learning_rate=1e-3"),
        },
    ),
    Cause("dead units", causes.DEAD, {"small": _dead(), "cnn8": _dead("--model_arg=has_convolutions=true")}),
    Cause(
        "rate 1e-6",
        causes.SMALL_RATE,
        {
            "small": _plain("--model=mlp", "--init=he", "--learning_rate=1e-6"),
            "cnn8": _plain("--init=he", "--learning_rate=1e-6"),
        },
    ),
    Cause(
        "rate too large",
        causes.LARGE_RATE,
        {
            "small": _plain("--model=mlp", "--init=he", "--learning_rate=10"),
            "cnn8": _plain("--init=he", "--learning_rate=3"),
        },
    ),
    Cause(
        "labels permuted",
        causes.LABELS,
        {"small": _digits("permuted", "--model=mlp", "--init=he"), "cnn8": _digits("permuted", "--init=he")},
    ),
    Cause(
        "inputs constant",
        causes.CONSTANT,
        {"small": _digits("constant", "--model=mlp", "--init=he"), "cnn8": _digits("constant", "--init=he")},
    ),
)


def _diagnose(cause: Cause, network: str, seed: int, minutes: float, folder: Path) -> None:
    """One diagnosis from the command line, in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    flags = cause.flags[network](folder, seed)
    command = [sys.executable, "launch.py", "diagnose", f"--workdir={folder / 'study'}"]
    command += [f"--minutes={minutes:g}", f"--root_seed={seed}", *flags]
    begun = time.monotonic()
    made = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    seconds = time.monotonic() - begun
    if made.returncode:
        raise SystemExit(f"{' '.join(command)}\n{made.stderr[-2000:]}")
    about = {"cause": cause.name, "network": network, "seed": seed, "seconds": round(seconds, 1)}
    (folder / _ABOUT).write_text(json.dumps(about, ensure_ascii=False))


def _row(folder: Path) -> dict[str, Any]:
    """What came of a diagnosis that is finished."""
    directory = store.open_existing(folder / "study")
    table = RunTable(directory)
    section = make_section(table, summarise(table))
    assert section is not None
    diagnosis, identity = section.document, directory.document["identity"]
    return {
        **json.loads((folder / _ABOUT).read_text()),
        "verdict": diagnosis["verdict"],
        "row": diagnosis["row"],
        "first": diagnosis["first"],
        "waits_for": diagnosis["waits_for"],
        "seeds": min(arm["num_runs"] for arm in diagnosis["arms"].values()),
        "horizon": max(identity["horizons"].values()),
    }


def _show(rows: list[dict[str, Any]]) -> None:
    right = {cause.name: cause.verdict for cause in _CAUSES}
    print("\n| network | planted | verdicts | right | first change | seeds | seconds, longest |")
    print("|---|---|---|---|---|---|---|")
    for network, cause in sorted({(row["network"], row["cause"]) for row in rows}):
        own = [row for row in rows if (row["network"], row["cause"]) == (network, cause)]
        verdicts = Counter(row["verdict"] for row in own)
        firsts = Counter(str(row["first"]) for row in own)
        words, changes = (
            ", ".join(f"{name} ×{number}" for name, number in counts.most_common()) for counts in (verdicts, firsts)
        )
        seeds = f"{min(row['seeds'] for row in own)}–{max(row['seeds'] for row in own)}"
        longest = max(row["seconds"] for row in own)
        print(
            f"| {network} | {cause} | {words} | {verdicts[right[cause]]} of {len(own)} | "
            f"{changes} | {seeds} | {longest:.0f} |"
        )
    num_right = sum(row["verdict"] == right[row["cause"]] for row in rows)
    print(f"\nright: {num_right} of {len(rows)}")


def main() -> None:
    """Diagnoses what is missing, and prints the table of what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=("small", "cnn8"), default="small")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--output", type=Path, required=True, help="folder for the diagnoses")
    parser.add_argument("--causes", nargs="*", help="the first letters of some")
    given = parser.parse_args()
    output = given.output.resolve()
    for seed, cause in itertools.product(range(given.repeats), _CAUSES):
        folder = output / f"{given.network}-{_CAUSES.index(cause)}-{seed:02d}"
        is_asked = not given.causes or cause.name.startswith(tuple(given.causes))
        if is_asked and not (folder / _ABOUT).exists():
            _diagnose(cause, given.network, seed, given.minutes, folder)
            print(json.dumps(_row(folder), ensure_ascii=False), flush=True)
    _show([_row(about.parent) for about in sorted(output.glob(f"*/{_ABOUT}"))])


if __name__ == "__main__":
    main()
