"""Intervals whose coverage is simulated: one function per estimator, one study at a time."""

import functools
import math
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.coverage_cases import Case, Intervals, Row, crossing, interval_case
from benchmarks.laws import LAWS, Law, paired_uniforms
from engine import statistics
from engine.statistics import Estimate, ProbabilityCurve, random_effects

SIZES = (10, 30, 100)
_SLOWED = 1.5
_SHARES = (0.7, 0.05, 0.25)
_PARENT_SHARE = 0.5
_CENSORED = 0.2
_AT_LEAST = "at least 95 % by construction"
_TIED = "cautious: limits fall on the grid"
_MOST_LOOKS = 1000


def interval_cases() -> Iterator[Case]:
    """Yields all cases in the order in which they are printed."""
    for num in SIZES:
        for name in ("exponential", "30 % never"):
            for method in ("clopper_pearson", "wilson"):
                study = functools.partial(_proportion, LAWS[name], num, method)
                note = _AT_LEAST if method == "clopper_pearson" else ""
                yield interval_case(f"proportion, {method}", name, num, study, note=note)
    for function in (_curve, _median, _restricted_mean, _difference, _paired):
        for law in LAWS.values():
            for num in SIZES:
                note = _TIED if function is _median and law.grid else ""
                study = functools.partial(function, law, num)
                yield interval_case(_NAMES[function](law), law.name, num, study, note=note)
    for name in ("exponential", "on a grid"):
        for num in SIZES:
            study = functools.partial(_log_log_curve, LAWS[name], num)
            yield interval_case("kaplan_meier, log-log", name, num, study)
    for num in SIZES:
        study = functools.partial(_turnbull, LAWS["on a grid"], num)
        yield interval_case("turnbull", "on a grid", num, study, is_slow=True)
    stopped = LAWS["on a grid"]._replace(stopped=8.0)
    study = functools.partial(_turnbull, stopped, 30, num_resamples=100)
    name = "on a grid, some stopped, 100 resamples"
    yield interval_case("turnbull", name, 30, study, is_slow=True)
    for name in ("exponential", "Weibull, shape 2"):
        for num in SIZES:
            study = functools.partial(_weibull, LAWS[name], num)
            yield interval_case("weibull", name, num, study, is_slow=True)
    for shape, censored in (((20, 5), 0.0), ((10, 10), 0.0), ((20, 5), 0.2), ((10, 10), 0.2)):
        name = f"{shape[0]} × {shape[1]}, {100 * censored:.0f} % censored"
        crossed = functools.partial(_crossed, shape, censored)
        yield interval_case("crossed_components", name, 100, crossed, is_slow=True)
    for shape in ((6, 5), (10, 10)):
        name = f"{shape[0]} × {shape[1]}, 20 % censored"
        forks = functools.partial(_forks, shape)
        yield interval_case("fork_prediction", name, math.prod(shape), forks, is_slow=True)
    for fraction in (0.5, 0.865):
        yield Case("confidence_sequence", f"binomial, {fraction}", _MOST_LOOKS, functools.partial(_sequences, fraction))


def _proportion(law: Law, num: int, method: str, generator: np.random.Generator) -> Intervals:
    _, event = law.observe(generator, num)
    truth = float(law.incidence(law.horizon))
    return {"": (truth, statistics.proportion(int(np.sum(event == 1)), num, method))}


def _at_quartiles(law: Law, curve: ProbabilityCurve, num: int, is_survival: bool) -> Intervals:
    """Returns the limits of a curve at the true quartiles; before its first time those for 0 of n."""
    at_start = statistics.proportion(0, num)
    start = (1 - at_start.upper, 1.0) if is_survival else at_start[1:3]
    found: Intervals = {}
    for share in (0.25, 0.5, 0.75):
        time = law.time_of(share)
        if not math.isfinite(time):
            continue
        truth = float(law.incidence(time))
        row = int(np.searchsorted(curve.time, time + 1e-9)) - 1
        limits = (float(curve.lower[row]), float(curve.upper[row])) if row >= 0 else start
        value = float(curve.value[row]) if row >= 0 else float(is_survival)
        estimate = Estimate(value, *limits)
        found[f" at {share}"] = (1 - truth if is_survival else truth, estimate)
    return found


def _curve(law: Law, num: int, generator: np.random.Generator) -> Intervals:
    data = law.observe(generator, num)
    if law.competing:
        return _at_quartiles(law, statistics.aalen_johansen(*data), num, False)
    return _at_quartiles(law, statistics.kaplan_meier(*data), num, True)


def _log_log_curve(law: Law, num: int, generator: np.random.Generator) -> Intervals:
    curve = statistics.kaplan_meier(*law.observe(generator, num), transform="log_log")
    return _at_quartiles(law, curve, num, True)


def _median(law: Law, num: int, generator: np.random.Generator) -> Intervals:
    return {"": (law.time_of(0.5), statistics.median_time(*law.observe(generator, num)))}


@functools.cache
def _mean(name: str, factor: float) -> float:
    return LAWS[name].slowed(factor).restricted_mean()


def _restricted_mean(law: Law, num: int, generator: np.random.Generator) -> Intervals:
    data = law.observe(generator, num)
    return {"": (_mean(law.name, 1.0), statistics.restricted_mean(*data, law.horizon))}


def _difference(law: Law, num: int, generator: np.random.Generator) -> Intervals:
    """Compares with an arm that is slower by half."""
    slow = law.slowed(_SLOWED).observe(generator, num)
    truth = _mean(law.name, _SLOWED) - _mean(law.name, 1.0)
    data = (*slow, *law.observe(generator, num))
    return {"": (truth, statistics.restricted_mean_difference(*data, law.horizon))}


def _paired(law: Law, num: int, generator: np.random.Generator) -> Intervals:
    """Compares with an arm that is slower by half and shares its seeds."""
    first, second = paired_uniforms(generator, num)
    slow = law.slowed(_SLOWED).observe(generator, num, first)
    truth = _mean(law.name, _SLOWED) - _mean(law.name, 1.0)
    data = (*slow, *law.observe(generator, num, second))
    return {"": (truth, statistics.paired_difference(*data, law.horizon))}


_NAMES: dict[Callable[..., Intervals], Callable[[Law], str]] = {
    _curve: lambda law: "aalen_johansen" if law.competing else "kaplan_meier",
    _median: lambda law: "median_time",
    _restricted_mean: lambda law: "restricted_mean",
    _difference: lambda law: "restricted_mean_difference",
    _paired: lambda law: "paired_difference",
}


def _turnbull(law: Law, num: int, generator: np.random.Generator, num_resamples: int = 400) -> Intervals:
    time, event = law.observe(generator, num)
    lower = np.where(event == 1, np.round(time / law.grid - 1) * law.grid, time)
    upper = np.where(event == 1, np.round(time / law.grid) * law.grid, np.inf)
    found = statistics.turnbull(lower, upper, num_resamples=num_resamples)
    return _at_quartiles(law, found.probability, num, False)


def _weibull(law: Law, num: int, generator: np.random.Generator) -> Intervals:
    seed = int(generator.integers(2**31))
    found = statistics.weibull(*law.observe(generator, num), num_resamples=200, seed=seed)
    shape = 2.0 if law.name.startswith("Weibull") else 1.0
    return {" shape": (shape, found.shape), " scale": (1.0, found.scale)}


def _inside(data: random_effects.Observations, fit: random_effects.Fit, truths: tuple) -> Intervals:
    """Tells whether limits enclose the truths, by the deviance at each truth instead of a search for limits.

    The returned interval is infinite where they do, and else ends at the estimate.
    """
    found: Intervals = {}
    for k, truth in enumerate(truths):
        value = float(fit.variances[k] / fit.variances.sum())
        is_inside = random_effects.deviance(data, fit, k, truth) <= 3.841458820694124
        lower = -math.inf if is_inside or value < truth else value
        upper = math.inf if is_inside or value >= truth else value
        found[f" {('init', 'order', 'rest')[k]}" if len(truths) > 1 else ""] = (truth, Estimate(value, lower, upper))
    return found


def _crossed(shape: tuple[int, int], censored: float, generator: np.random.Generator) -> Intervals:
    from scipy.special import ndtri

    value = crossing(generator, _SHARES, shape).ravel()
    limit = float(ndtri(1 - censored)) if censored else math.inf
    levels = list(np.divmod(np.arange(value.size), shape[1]))
    data = random_effects.observe(np.minimum(value, limit), value > limit, levels)
    return _inside(data, random_effects.fit_variances(data), _SHARES)


def _forks(shape: tuple[int, int], generator: np.random.Generator) -> Intervals:
    from scipy.special import ndtri

    value = crossing(generator, (_PARENT_SHARE, 0.0, 1 - _PARENT_SHARE), shape).ravel()
    limit = float(ndtri(1 - _CENSORED))
    parent = np.arange(value.size) // shape[1]
    data = random_effects.observe(np.minimum(value, limit), value > limit, [parent])
    return _inside(data, random_effects.fit_variances(data), (_PARENT_SHARE,))


def _sequences(fraction: float, generator: np.random.Generator, num_studies: int) -> list[Row]:
    """Counts misses at the last look and at any look, also of repeated Clopper–Pearson intervals."""
    methods: dict[str, Callable[[int, int], Estimate]] = {
        "confidence_sequence": statistics.confidence_sequence,
        "repeated Clopper–Pearson": statistics.proportion,
    }
    count = np.zeros(num_studies, dtype=int)
    missed = {name: np.zeros((2, num_studies), dtype=bool) for name in methods}
    rows = []
    for trials in range(1, _MOST_LOOKS + 1):
        count += generator.random(num_studies) < fraction
        distinct, index = np.unique(count, return_inverse=True)
        for name, method in methods.items():
            limits = [method(int(k), trials)[1:3] for k in distinct]
            sides = np.array([(fraction < low, fraction > high) for low, high in limits]).T
            now = sides[:, index]
            # The first miss says on which side.
            missed[name] |= now & ~missed[name].any(0)
            if trials in (10, 30, 100, _MOST_LOOKS):
                note = _AT_LEAST if name == "confidence_sequence" else ""
                law, num = f"binomial, {fraction}", num_studies
                sums = missed[name].sum(1), now.sum(1)
                every, last = ((int(s[0]), int(s[1])) for s in sums)
                rows.append(Row(f"{name}, all looks", law, trials, num, 0, *every, False, note))
                if note:
                    rows.append(Row(f"{name}, last look", law, trials, num, 0, *last, False, note))
    return rows
