"""Tests whose size is simulated: how often is p at most 5 % where the hypothesis holds?"""

import functools
from collections.abc import Iterator

import numpy as np

from benchmarks.coverage_cases import Case, Row, size_case
from benchmarks.coverage_intervals import SIZES
from benchmarks.laws import LAWS, Law, paired_uniforms
from engine import statistics
from engine.statistics import LEVEL
from engine.statistics.comparison import permuted
from engine.statistics.components import _log_rank_scores, _permutation_p_value
from engine.statistics.sequential import _log_e_value

_NUM_SHUFFLES, _FEW_SHUFFLES = 199, 99
_BLOCK = 10
_LOG_RATIOS = np.log([2.0, 0.5])
_AT_MOST = "at most 5 % by construction"


def size_cases() -> Iterator[Case]:
    """Yields all cases in the order in which they are printed."""
    for groups in (2, 3):
        for law in LAWS.values():
            for num in SIZES:
                study = functools.partial(_log_rank, law, num, groups, 0)
                yield size_case(f"log_rank, {groups} groups", law.name, num, study)
    for groups in (2, 3):
        study = functools.partial(_log_rank, LAWS["exponential"], 10, groups, _NUM_SHUFFLES)
        name = f"log_rank, {groups} groups, permuted"
        yield size_case(name, "exponential", 10, study, is_slow=True)
    for name in ("exponential", "on a grid"):
        for num in SIZES:
            study = functools.partial(_paired_log_rank, LAWS[name], num)
            yield size_case("log_rank, pairs as strata", name, num, study, _AT_MOST)
    for groups in (2, 3):
        for name in ("20 % diverge", "on a grid, 20 % diverge"):
            for num in SIZES:
                study = functools.partial(_gray, LAWS[name], num, groups, 0)
                yield size_case(f"gray_test, {groups} groups", name, num, study)
    study = functools.partial(_gray, LAWS["20 % diverge"], 10, 3, _FEW_SHUFFLES)
    yield size_case("gray_test, 3 groups, permuted", "20 % diverge", 10, study, is_slow=True)
    for num in SIZES:
        study = functools.partial(_weibull, LAWS["exponential"], num)
        yield size_case("weibull, shape 1", "exponential", num, study)
    for shape in ((5, 2), (6, 5), (10, 10)):
        study = functools.partial(_forks, LAWS["exponential"], shape)
        name = f"exponential, {shape[0]} × {shape[1]}"
        yield size_case("fork_prediction", name, shape[0] * shape[1], study)
    for num in SIZES:
        study = functools.partial(_early_luck, LAWS["exponential"], num)
        yield size_case("early_luck", "exponential", num, study, _AT_MOST)
    for num in SIZES:
        study = functools.partial(_holm, LAWS["exponential"], num)
        yield size_case("holm, any of 3 arms", "exponential", num, study, _AT_MOST)
    for name in ("exponential", "on a grid, 20 % diverge"):
        for num in SIZES:
            for block in (1, _BLOCK):
                simulate = functools.partial(_looks, LAWS[name], num, block)
                yield Case("safe_log_rank", name, num, simulate)


def _arms(law: Law, num: int, groups: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return *law.observe(generator, num * groups), np.repeat(np.arange(groups), num)


def _log_rank(law: Law, num: int, groups: int, shuffles: int, generator: np.random.Generator) -> float:
    data, seed = _arms(law, num, groups, generator), int(generator.integers(2**31))
    return statistics.log_rank(*data, num_permutations=shuffles, seed=seed).p_value


def _gray(law: Law, num: int, groups: int, shuffles: int, generator: np.random.Generator) -> float:
    data, seed = _arms(law, num, groups, generator), int(generator.integers(2**31))
    time, event, group = data
    return permuted(lambda labels: statistics.gray_test(time, event, labels), group, None, shuffles, seed).p_value


def _pairs(law: Law, num: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draws `(time, event, group, seed)` of two arms with the same law and seeds in common."""
    uniform = paired_uniforms(generator, num).ravel()
    data = law.observe(generator, 2 * num, uniform)
    return *data, np.repeat([0, 1], num), np.tile(np.arange(num), 2)


def _paired_log_rank(law: Law, num: int, generator: np.random.Generator) -> float:
    return statistics.log_rank(*_pairs(law, num, generator)).p_value


def _weibull(law: Law, num: int, generator: np.random.Generator) -> float:
    seed = int(generator.integers(2**31))
    data = law.observe(generator, num)
    return statistics.weibull(*data, num_resamples=200, seed=seed).test.p_value


def _forks(law: Law, shape: tuple[int, int], generator: np.random.Generator) -> float:
    time, event = law.observe(generator, shape[0] * shape[1])
    parent = np.arange(len(time)) // shape[1]
    scores = _log_rank_scores(time, event == 1)
    return _permutation_p_value(scores, parent, _NUM_SHUFFLES, generator)


def _early_luck(law: Law, num: int, generator: np.random.Generator) -> float:
    return statistics.early_luck(*law.observe(generator, num)).p_value


def _holm(law: Law, num: int, generator: np.random.Generator) -> float:
    """Compares three arms with one baseline."""
    time, event, group = _arms(law, num, 4, generator)
    p_values = []
    for arm in (1, 2, 3):
        rows = (group == 0) | (group == arm)
        p_values.append(statistics.log_rank(time[rows], event[rows], group[rows]).p_value)
    return float(statistics.holm(np.array(p_values)).min())


def _looks(law: Law, num: int, block: int, generator: np.random.Generator, num_studies: int) -> list[Row]:
    """Counts rejections at any look, and for contrast those of plain log-rank tests.

    A look sees a prefix of the pairs or blocks, and all prefixes are looked at. The e-value of a
    prefix is the mean over both sides of the product over its strata, as in `safe_log_rank`.
    """
    rejected, repeated = 0, 0
    for _ in range(num_studies):
        time, event, group, seed = _pairs(law, num, generator) if block == 1 else _blocks(law, num, generator)
        log_e = np.zeros(2)
        is_found = is_repeated = False
        for first in range(0, num, block):
            rows = (seed >= first) & (seed < first + block)
            data = time[rows], event[rows], group[rows] == 1
            log_e += [_log_e_value(*data, log_ratio) for log_ratio in _LOG_RATIOS]
            is_found |= float(np.mean(np.exp(log_e))) >= 1 / LEVEL
            if block > 1:
                rows = seed < first + block
                plain = statistics.log_rank(time[rows], event[rows], group[rows])
                is_repeated |= plain.p_value <= LEVEL
        rejected += is_found
        repeated += is_repeated
    name = f"safe_log_rank, a look per {_named(block)}"
    rows_found = [Row(name, law.name, num, num_studies, 0, 0, rejected, True, _AT_MOST)]
    if block > 1:
        name = f"log_rank repeated, a look per {_named(block)}"
        rows_found.append(Row(name, law.name, num, num_studies, 0, 0, repeated, True, "contrast"))
    return rows_found


def _named(block: int) -> str:
    return "pair" if block == 1 else f"block of {block}"


def _blocks(
    law: Law, num: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return *_arms(law, num, 2, generator), np.tile(np.arange(num), 2)
