"""Gray's test against R, against the log-rank test, and on data where the two must part."""

import numpy as np
import pytest

from engine import statistics as s


def digits(text: str) -> np.ndarray:
    return np.array([int(character) for character in text])


# Times on a grid from 1 to 9 with ties across causes and groups; one character per run.
TWO = (
    "131111143271939329114329623151",
    "112211001211020111021110112221",
    "100100011110001001000000100010",
    "000000000000000000000000000000",
)
THREE = (
    "323152563795933316121736637551939919",
    "012011010101021200000112211120010100",
    "201112111000211001001201001112102122",
    "100101010011011011000101011111111000",
)
FOUR = (
    "123321133411572416664269232492671945237162985151",
    "011111102211021211011020111200112000012111011110",
    "332010001221123021133311020112023332132013301302",
    "012222001222221022010210122121121012011220221100",
)
TWO_IN_FOUR_STRATA = (
    "2117922913542993943711119229641215224141",
    "2102021012111001012012121000101022221111",
    "1010001110100110110100001001100011100100",
    "2232131230302131323323122233030322131131",
)


@pytest.mark.parametrize(
    ("data", "plain", "stratified"),
    [
        (TWO, (0.8012349751, 0.0286340686), (0.8012349751, 0.0286340686)),
        (THREE, (1.7263280033, 2.0218207181), (3.5313324394, 2.0524903939)),
        (FOUR, (5.4288314997, 2.4239051438), (6.4426108944, 2.2968023190)),
        (TWO_IN_FOUR_STRATA, (0.9932151278, 0.7911523157), (2.2092735947, 0.7649376397)),
    ],
)
def test_gray_agrees_with_r(data, plain, stratified):
    """R 4.2.2, cmprsk 2.2-11, with `digits <- function(x) utf8ToInt(x) - 48` of the strings above.

    `cuminc(time, event, group)$Tests[, "stat"]` and `cuminc(time, event, group, strata)$Tests[,
    "stat"]`, for causes 1 and 2.
    """
    time, event, group, strata = map(digits, data)
    for cause in (1, 2):
        found = s.gray_test(time, event, group, cause)
        assert found.statistic == pytest.approx(plain[cause - 1], abs=1e-9)
        assert found.degrees_of_freedom == len(np.unique(group)) - 1
        found = s.gray_test(time, event, group, cause, strata)
        assert found.statistic == pytest.approx(stratified[cause - 1], abs=1e-9)


def test_gray_p_values_agree_with_r():
    """R: `cuminc(time, event, group)$Tests[, "pv"]` of the data with three groups."""
    time, event, group, _ = map(digits, THREE)
    assert s.gray_test(time, event, group).p_value == pytest.approx(0.4218253127, abs=1e-9)
    assert s.gray_test(time, event, group, 2).p_value == pytest.approx(0.3638875604, abs=1e-9)


def test_gray_of_bmt():
    """R: `cuminc(ftime, status, dis)$Tests` of the data that ship with scikit-survival."""
    from sksurv.datasets import load_bmt

    disease, outcome = load_bmt()
    group = disease["dis"].to_numpy().astype(str)
    first = s.gray_test(outcome["ftime"], outcome["status"], group)
    second = s.gray_test(outcome["ftime"], outcome["status"], group, cause=2)
    assert first.statistic == pytest.approx(1.301634544, abs=1e-9)
    assert first.p_value == pytest.approx(0.253914871158, abs=1e-9)
    assert second.statistic == pytest.approx(7.082278025, abs=1e-9)
    assert second.p_value == pytest.approx(0.007784998015, abs=1e-9)


@pytest.mark.parametrize(
    ("data", "plain", "stratified"),
    [
        (TWO, 1.4955683596, 1.4955683596),
        (THREE, 3.0923912017, 4.0828801076),
        (FOUR, 5.5337290646, 5.0207492580),
        (TWO_IN_FOUR_STRATA, 2.2422522176, 2.6017861979),
    ],
)
def test_log_rank_agrees_with_r(data, plain, stratified):
    """R 4.2.2, survival 3.5-3, of the strings above.

    `survdiff(Surv(time, event == 1) ~ group)$chisq` and
    `survdiff(Surv(time, event == 1) ~ group + strata(strata))$chisq`.
    """
    time, event, group, strata = map(digits, data)
    assert s.log_rank(time, event, group).statistic == pytest.approx(plain, abs=1e-9)
    found = s.log_rank(time, event, group, strata)
    assert found.statistic == pytest.approx(stratified, abs=1e-9)


def _naive_log_rank(time, event, group, strata):
    """The definition, one stratum and one time after the other."""
    labels = np.unique(group)
    difference, covariance = np.zeros(len(labels)), np.zeros((len(labels), len(labels)))
    for stratum in np.unique(strata):
        for t in np.unique(time[strata == stratum]):
            here = (strata == stratum) & (time >= t)
            ends = here & (time == t) & (event == 1)
            n, d = here.sum(), ends.sum()
            share = np.array([(here & (group == label)).sum() for label in labels]) / n
            events = np.array([(ends & (group == label)).sum() for label in labels])
            difference += events - d * share
            if n > 1:
                factor = d * (n - d) / (n - 1)
                covariance += factor * (np.diag(share) - np.outer(share, share))
    return difference[:-1] @ np.linalg.solve(covariance[:-1, :-1], difference[:-1])


@pytest.mark.parametrize("seed", range(10))
def test_log_rank_is_its_definition(seed):
    generator = np.random.default_rng(seed)
    time, event = generator.integers(0, 9, 60), generator.integers(0, 3, 60)
    group, strata = generator.integers(0, 3, 60), generator.integers(0, 5, 60)
    expected = _naive_log_rank(time, event, group, strata)
    assert s.log_rank(time, event, group, strata).statistic == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("function", [s.gray_test, s.log_rank])
def test_labels_and_order_do_not_matter(function):
    time, event, group, strata = map(digits, FOUR)
    shuffled = np.random.default_rng(0).permutation(len(time))
    names = np.array(["d", "b", "a", "c"])[group]
    one = function(time, event, group, strata=strata)
    two = function(time[shuffled], event[shuffled], names[shuffled], strata=strata[shuffled] * 7.5)
    assert two == pytest.approx(one, rel=1e-9)


def test_strata_of_equal_data_add_up():
    """Two copies of the data as two strata: scores and covariances double, and so does χ²."""
    time, event, group, _ = map(digits, THREE)
    once = s.gray_test(time, event, group)
    twice = s.gray_test(*(np.tile(x, 2) for x in (time, event, group)), strata=np.repeat([0, 1], 36))
    assert twice.statistic == pytest.approx(2 * once.statistic, rel=1e-9)


@pytest.mark.parametrize("comparison", ["hazard", "incidence"])
def test_gray_and_log_rank_ask_different_questions(comparison):
    """Hazards of the cause 1, and of competing events 0.2 and 2: the incidence alone differs.

    And the other way round: incidence F(t) = ½(1 − e^{−t}) in both arms, while competing events
    come at once in one arm and late in the other: the hazard alone differs.
    """
    generator = np.random.default_rng(0)
    num = 400
    group = np.repeat([0, 1], num)
    if comparison == "hazard":
        own = generator.exponential(size=2 * num)
        other = generator.exponential(np.repeat([5.0, 0.5], num))
    else:
        is_own = generator.random(2 * num) < 0.5
        own = np.where(is_own, generator.exponential(size=2 * num), np.inf)
        other = np.where(is_own, np.inf, np.repeat([0.01, 9.0], num))
    time, event = np.minimum(own, other), np.where(own <= other, 1, 2)
    gray, log_rank = s.gray_test(time, event, group), s.log_rank(time, event, group)
    same, different = (log_rank, gray) if comparison == "hazard" else (gray, log_rank)
    assert same.p_value > 0.01
    assert different.p_value < 1e-4


def test_in_strata_of_pairs_gray_is_log_rank():
    """Within a pair nothing is known of survival but that both are there: the weights are equal."""
    generator = np.random.default_rng(2)
    time, event = generator.exponential(size=60), generator.integers(0, 3, 60)
    arguments = (time, event, np.tile([0, 1], 30))
    pairs = np.repeat(np.arange(30), 2)
    expected = s.log_rank(*arguments, pairs).statistic
    assert s.gray_test(*arguments, 1, pairs).statistic == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("function", [s.gray_test, s.log_rank])
@pytest.mark.parametrize("has_pairs", [False, True])
def test_ten_thousand_runs_take_little(function, has_pairs):
    """A matrix of times by runs would have 10⁸ cells; what is needed is some arrays of 3·10⁴."""
    import tracemalloc

    generator = np.random.default_rng(0)
    time, event = generator.exponential(size=10_000), generator.integers(0, 3, 10_000)
    group = generator.integers(0, 3, 10_000)
    strata = np.repeat(np.arange(5_000), 2) if has_pairs else None
    tracemalloc.start()
    assert 0 < function(time, event, group, strata=strata).p_value < 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e7


@pytest.mark.parametrize("function", [s.gray_test, s.log_rank])
@pytest.mark.parametrize(
    ("time", "event"),
    [
        ([5, 5, 5, 5], [0, 0, 0, 0]),
        ([1, 2, 3, 4], [2, 2, 2, 2]),
        ([0, 0, 0, 0], [1, 1, 1, 1]),
        ([4, 4, 4, 4], [1, 1, 1, 1]),
    ],
)
def test_nothing_to_tell_arms_apart(function, time, event):
    """All censored, all ended by another cause, all at step 0, all at one time."""
    found = function(np.array(time), np.array(event), [0, 0, 1, 1])
    assert found == pytest.approx((0.0, 1, 1.0), abs=1e-9)


@pytest.mark.parametrize("function", [s.gray_test, s.log_rank])
def test_an_arm_without_events_is_compared(function):
    time = np.array([1, 2, 3, 4, 5, 9, 9, 9, 9, 9])
    found = function(time, (time < 9).astype(int), np.repeat([0, 1], 5))
    assert found.degrees_of_freedom == 1
    assert found.p_value < 0.02


@pytest.mark.parametrize("function", [s.gray_test, s.log_rank])
def test_an_arm_that_left_before_the_first_event_is_not(function):
    """Its expectation and covariance are 0: R's survdiff counts a degree less, cuminc gives −1."""
    time, event, group, _ = map(digits, TWO)
    plain = function(time, event, group)
    more = np.append(time, [0, 0]), np.append(event, [0, 0]), np.append(group, [2, 2])
    assert function(*more) == pytest.approx(plain, rel=1e-9)


def test_pooled_incidence_that_meets_one_leaves_a_result():
    """Arm 0 is over at once, and the pooled incidence is exactly 1 before the last event."""
    found = s.gray_test([1, 1, 2, 3], [1, 1, 1, 1], [0, 0, 1, 1])
    assert found.statistic > 0
    assert 0 < found.p_value < 1


@pytest.mark.parametrize(
    ("time", "event", "group", "degrees"),
    [
        ([3, 2, 2, 3, 2, 3], [1, 0, 1, 1, 1, 1], [0, 1, 2, 0, 1, 2], 2),
        ([2, 2, 1, 2], [1, 1, 1, 1], [0, 1, 0, 1], 1),
        ([2, 3, 1, 3, 3, 3], [1, 1, 1, 1, 1, 1], [0, 1, 2, 0, 1, 2], 2),
    ],
)
def test_a_covariance_that_ties_would_make_negative_is_none(time, event, group, degrees):
    """Found by search: here R's correction gives eigenvalues down to −0.29."""
    found = s.gray_test(time, event, group)
    assert found.degrees_of_freedom == degrees
    assert found.statistic > 0


def test_ties_among_few_runs_do_not_make_a_finding():
    """Found by search: nine runs of one law, for which R's correction gives p = 3e-52."""
    time, event = [4, 4, 2, 1, 1, 4, 2, 3, 1], [1, 1, 0, 1, 1, 1, 0, 1, 2]
    assert s.gray_test(time, event, np.repeat([0, 1, 2], 3)).p_value > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("num_groups", [2, 3])
def test_size_of_gray(num_groups):
    """Thirty runs an arm on a grid, three in ten compete, some are censored; 2,000 studies."""
    generator = np.random.default_rng(num_groups)
    num, group = 30 * num_groups, np.repeat(np.arange(num_groups), 30)
    rejected = 0
    for _ in range(2000):
        time = np.ceil(generator.exponential(size=num) * 5) / 5
        event = np.where(time > 1.6, 0, np.where(generator.random(num) < 0.3, 2, 1))
        rejected += s.gray_test(np.minimum(time, 1.6), event, group).p_value < 0.05
    # Four Monte-Carlo standard errors of 0.49 points about 5 %, and a point for the small arms.
    assert 0.02 < rejected / 2000 < 0.08
