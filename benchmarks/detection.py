"""How right the detectors are, on synthetic curves with planted truth.

`python -m benchmarks.detection` draws curves of every family of `benchmarks.curves.synthetic` at
several noise levels, and prints tables in Markdown: what is bounded, over all families; statuses,
widths and stairs of the reference detector; then, for it, for the online detector and for what one
could use instead, the error of the onset, breaks that were missed, and breaks that are none.

A break is false where no admissible status is one, and missed where every admissible status is.
An onset's error is zero where the truth lies between the points of the grid that the detector
names; else it is in units of the true width. Limits are Clopper–Pearson, 95 % two-sided.
"""

import time
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from absl import app, flags

from benchmarks.curves.planted import Truth
from benchmarks.curves.shapes import logistic
from benchmarks.curves.synthetic import FAMILIES, SyntheticCurve
from benchmarks.detectors import ONLINE, OURS, Reading, available
from engine.outcomes import event_code, find_break
from engine.statistics import proportion

_CURVES = flags.DEFINE_integer("curves", 300, "curves of each family and noise", lower_bound=1)
_FAMILIES = flags.DEFINE_list("families", list(FAMILIES), "which families")
_NOISE = flags.DEFINE_list("noise", ["0", "0.01", "0.03", "0.06"], "standard deviations, in H")
_SEED = flags.DEFINE_integer("seed", 0, "of the curves")

_CLOSE = 0.05
_POINTS, _TIMED_CURVES = 1000, 500


class Share(NamedTuple):
    """How many of how many; adds up."""

    number: int
    of: int

    def __add__(self, other: "Share") -> "Share":  # type: ignore[override]
        return Share(self.number + other.number, self.of + other.of)


class Score(NamedTuple):
    """One detector on one family at one noise level.

    Attributes:
        false: breaks, of the curves that have none.
        missed: breaks, of the curves that have one.
        errors: of the onset in units of the width, of the breaks that were found.
        delays: from the true onset to when an online detector knew, in widths.
        right: statuses that are admissible, of the reference detector, as is all that follows.
        wrong: the other statuses, with how many there are.
        width_ratios: width over true width.
        stairs: curves whose number of stairs is right.
    """

    false: Share
    missed: Share
    errors: np.ndarray
    delays: np.ndarray
    right: Share
    wrong: Counter[str]
    width_ratios: np.ndarray
    stairs: Share


Scores = dict[str, dict[str, Score]]


def _score(curves: list[SyntheticCurve], readings: list[Reading]) -> Score:
    pairs = [(curve.truth, reading) for curve, reading in zip(curves, readings, strict=True)]
    read = [(truth, r, r.found) for truth, r in pairs if r.found is not None]
    both = [(t, r) for t, r in pairs if t.onset_step is not None and r.is_break]
    stairs = [
        (truth.num_stairs, found.num_breaks)
        for truth, reading, found in read
        if truth.onset_step is not None and truth.num_stairs is not None and reading.is_break
    ]
    return Score(
        false=_share_of(pairs, is_event=False),
        missed=_share_of(pairs, is_event=True),
        errors=np.array([_error(truth, r) for truth, r in both if np.isfinite(r.onset)]),
        delays=np.array([_in_widths(truth, r.fired) for truth, r in both]),
        right=Share(sum(f.status in t.statuses for t, _, f in read), len(read)),
        wrong=Counter(f.status for t, _, f in read if f.status not in t.statuses),
        width_ratios=np.array([f.width_steps / t.width_steps for t, _, f in read if t.width_steps and f.width_steps]),
        stairs=Share(sum(planted == counted for planted, counted in stairs), len(stairs)),
    )


def _share_of(pairs: list[tuple[Truth, Reading]], is_event: bool) -> Share:
    """Readings that say the opposite, of the curves whose admissible statuses all agree."""
    said = [
        reading.is_break
        for truth, reading in pairs
        if {event_code(status) == 1 for status in truth.statuses} == {is_event}
    ]
    return Share(sum(word != is_event for word in said), len(said))


def _error(truth: Truth, reading: Reading) -> float:
    is_inside = _in_widths(truth, reading.lower) <= 0.0 <= _in_widths(truth, reading.upper)
    return 0.0 if is_inside else abs(_in_widths(truth, reading.onset))


def _in_widths(truth: Truth, step: float) -> float:
    """From the true onset to a step."""
    assert truth.onset_step is not None
    assert truth.width_steps is not None
    return (step - truth.onset_step) / truth.width_steps


def _measure(noise: float) -> Scores:
    """Scores by family and detector."""
    detectors = available()
    scores: Scores = {}
    for name in _FAMILIES.value:
        place = list(FAMILIES).index(name)
        generator = np.random.default_rng([_SEED.value, place])
        curves = [FAMILIES[name].draw(generator, noise) for _ in range(_CURVES.value)]
        scores[name] = {way: _score(curves, detect(curves)) for way, detect in detectors.items()}
    return scores


def _limit(share: Share) -> str:
    """`3 of 300 (≤ 2.9 %)`."""
    if share.of == 0:
        return ""
    upper = proportion(share.number, share.of).upper
    return f"{share.number} of {share.of} (≤ {100 * upper:.2g} %)"


def _percent(share: Share) -> str:
    return f"{100 * share.number / share.of:.1f}" if share.of else ""


def _total(shares: Iterable[Share]) -> Share:
    return sum(shares, Share(0, 0))


def _middle(values: np.ndarray) -> str:
    """Median, and the 95th percentile in brackets."""
    if len(values) == 0:
        return ""
    return f"{np.median(values):.3f} ({np.percentile(values, 95):.2f})"


def _print_table(head: list[str], rows: list[list[str]]) -> None:
    print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def _print_statuses(scores: Scores) -> None:
    rows = []
    for name, by_way in scores.items():
        score = by_way[OURS]
        wrong = ", ".join(f"{number} {status}" for status, number in score.wrong.most_common())
        ratios = score.width_ratios
        spread = "" if len(ratios) == 0 else "{:.2f} ({:.2f}–{:.2f})".format(*np.percentile(ratios, [50, 5, 95]))
        cells = [name, _percent(score.right), wrong, spread, _percent(score.stairs)]
        rows.append(cells)
    head = ["family", "status right, %", "wrong ones", "width over truth (90 % of curves)"]
    _print_table([*head, "stairs right, %"], rows)


def _print_onsets(scores: Scores) -> None:
    ways = [way for way in next(iter(scores.values())) if way != ONLINE]
    rows = [
        [name, *(_middle(by_way[way].errors) for way in ways), _middle(by_way[ONLINE].delays)]
        for name, by_way in scores.items()
        if by_way[OURS].missed.of
    ]
    _print_table(["onset error / W, median (95 %)", *ways, "delay online / W"], rows)


def _print_counts(scores: Scores, field: str, title: str) -> None:
    ways = list(next(iter(scores.values())))
    rows = [
        [name, str(getattr(by_way[OURS], field).of)] + [str(getattr(by_way[way], field).number) for way in ways]
        for name, by_way in scores.items()
        if getattr(by_way[OURS], field).of
    ]
    totals = [_total(getattr(s[way], field) for s in scores.values()) for way in ways]
    rows.append(["all", str(totals[0].of), *(_limit(share) for share in totals)])
    _print_table([title, "curves", *ways], rows)


def _print_behind(scores: Scores) -> None:
    """Families in which something else is nearer to the onset, and misses no more."""
    behind = []
    for name, by_way in scores.items():
        ours = by_way[OURS]
        for way, other in by_way.items():
            if way == OURS or len(other.errors) == 0 or len(ours.errors) == 0:
                continue
            is_nearer = np.median(other.errors) < np.median(ours.errors)
            if is_nearer and other.missed.number <= ours.missed.number:
                behind.append(f"{name} ({way})")
    print(f"\nNearer to the onset than the reference: {', '.join(behind) or 'nothing'}.")


def _print_summary(by_noise: dict[str, Scores]) -> None:
    rows = []
    for noise, scores in by_noise.items():
        ours = {name: by_way[OURS] for name, by_way in scores.items()}
        # There it may fire on a rise that the median of the last points does not show yet.
        online = [by_way[ONLINE] for name, by_way in scores.items() if name != "at_the_end"]
        worst = min(ours, key=lambda name: ours[name].right.number / ours[name].right.of)
        above = [n for n, s in ours.items() if len(s.errors) and np.median(s.errors) > _CLOSE]
        rows.append(
            [
                f"{100 * float(noise):g} %",
                f"{_percent(ours[worst].right)} ({worst})",
                _limit(_total(score.false for score in ours.values())),
                _limit(_total(score.missed for score in ours.values())),
                ", ".join(above) or "none",
                _limit(_total(score.false for score in online)),
                _limit(_total(score.missed for score in online)),
            ]
        )
    head = ["noise", "status right, worst family, %", "false breaks", "missed breaks"]
    head += [f"median onset error above {_CLOSE} W", "online: false*", "online: missed*"]
    _print_table(head, rows)
    print("\n\\* without the family `at_the_end`.")


def _print_speed() -> None:
    """Prints the processor time of the reference detector."""
    steps = 11.0 * np.arange(_POINTS)
    generator = np.random.default_rng(_SEED.value)
    rows = []
    for noise in (0.0, 0.001, 0.03):
        curves = [
            1.0
            - logistic(steps, generator.uniform(2000, 8000), generator.uniform(30, 300), 0.9)
            - noise * generator.normal(size=_POINTS)
            for _ in range(_TIMED_CURVES)
        ]
        started = time.process_time()
        for curve in curves:
            find_break(steps, curve, 1.0)
        seconds = (time.process_time() - started) / _TIMED_CURVES
        rows.append([f"{100 * noise:g} %", f"{1e4 * seconds:.1f}"])
    _print_table(["noise", f"seconds for 10,000 curves of {_POINTS} points"], rows)


def _main(argv: list[str]) -> None:
    del argv
    unknown = set(_FAMILIES.value) - set(FAMILIES)
    if unknown:
        raise app.UsageError(f"unknown families {sorted(unknown)}: expected of {list(FAMILIES)}")
    by_noise: dict[str, Scores] = {}
    for noise in _NOISE.value:
        by_noise[noise] = scores = _measure(float(noise))
        print(f"\n### Noise of {100 * float(noise):g} % of H")
        _print_statuses(scores)
        _print_onsets(scores)
        _print_behind(scores)
        _print_counts(scores, "missed", "missed breaks")
        _print_counts(scores, "false", "false breaks")
    print("\n### Over all families")
    _print_summary(by_noise)
    _print_speed()


if __name__ == "__main__":
    app.run(_main)
