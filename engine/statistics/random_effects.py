"""The likelihood of censored normal values with crossed random effects, and the shares of their variance.

`y = μ + Σ_f s_f·u_f[level] + s_e·ε`, with all u and ε standard normal; of a censored value only `y > limit` is known.
The mean has a flat prior, which is restricted maximum likelihood. The integral over u is exact without censoring; else
expectation propagation puts a normal factor with the same moments for each censored value's Φ, which is nearly exact.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .results import Estimate

_DAMPING = 0.8
_MAX_SWEEPS = 100
_TOLERANCE = 1e-5
_SMALLEST_SHARE = 1e-6


class Observations(NamedTuple):
    """Values, `num_observed` of them not censored, with the levels of their random effects.

    Attributes:
        gram, moment, square: XᵀX, Xᵀy and yᵀy of the observed values y, less `centre`, and their `num_columns` columns
            X: 1 for the mean, then one indicator per level of every effect.
        limit, columns: what the censored values exceed, less `centre`, `[num_censored]`, and their X.
        effect: the effect a column belongs to, −1 for the mean, `[num_columns]`.
        centre, spread: mean and variance of all values with censored ones at their limit.
    """

    num_observed: int
    gram: np.ndarray
    moment: np.ndarray
    square: float
    limit: np.ndarray
    columns: np.ndarray
    effect: np.ndarray
    centre: float
    spread: float


class Fit(NamedTuple):
    """The variances `[num_effects + 1]` at the maximum, the rest's last, and the posterior mean of μ."""

    variances: np.ndarray
    mean: float
    log_likelihood: float


def observe(value: np.ndarray, is_censored: np.ndarray, levels: list[np.ndarray]) -> Observations:
    """Arranges values `[num_runs]` with the integer levels `[num_runs]` of each effect."""
    blocks = [np.ones((len(value), 1))] + [index[:, None] == np.unique(index) for index in levels]
    effect = np.repeat(np.arange(-1, len(levels)), [block.shape[1] for block in blocks])
    columns = np.concatenate(blocks, axis=1).astype(np.float64)
    centre = float(value.mean())
    seen, observed = columns[~is_censored], value[~is_censored] - centre
    sums = seen.T @ seen, seen.T @ observed, float(observed @ observed)
    unseen = value[is_censored] - centre, columns[is_censored]
    return Observations(len(observed), *sums, *unseen, effect, centre, float(value.var()))


class _Factors(NamedTuple):
    """Normal factors in place of the censored ones, shapes `[num_censored]` and scalars."""

    precision: np.ndarray
    linear: np.ndarray
    log_scale: float
    rest_gradient: float


class Likelihood(NamedTuple):
    """The restricted log likelihood, its gradient by the log variances `[num_effects + 1]`, and posterior means.

    Coefficients are `[num_columns]`; the factors of the censored values are a good start at variances nearby.
    """

    value: float
    gradient: np.ndarray
    coefficients: np.ndarray
    factors: _Factors


def log_likelihood(data: Observations, log_variances: np.ndarray, start: _Factors | None = None) -> Likelihood:
    """Computes the likelihood at the logarithms of the variances `[num_effects + 1]`.

    The gradient is exact where expectation propagation has converged: there it is stationary in the normal factors.

    Source: Minka (2001), UAI; Rasmussen and Williams (2006), Gaussian Processes, §3.6.
    """
    rest = max(float(np.exp(log_variances[-1])), _SMALLEST_SHARE * data.spread)
    is_effect = data.effect >= 0
    scale = np.where(is_effect, np.exp(0.5 * log_variances[data.effect]), 1.0)
    gram, unseen = data.gram * np.outer(scale, scale), data.columns * scale
    precision = gram / rest + np.diag(is_effect.astype(np.float64))
    linear = scale * data.moment / rest
    site = _censored_factors(precision, linear, unseen, data.limit, rest, start)

    precision = precision + (unseen.T * site.precision) @ unseen
    covariance = np.linalg.inv(precision)
    linear = linear + unseen.T @ site.linear
    mean = covariance @ linear
    residual = data.square - 2 * mean @ (scale * data.moment) + mean @ gram @ mean
    residual += float(np.sum(gram * covariance))
    value = (
        0.5 * (linear @ mean - np.linalg.slogdet(precision)[1] + np.log(2 * np.pi))
        - 0.5 * (data.num_observed * np.log(2 * np.pi * rest) + data.square / rest)
        + site.log_scale
    )
    square = np.diag(covariance) + mean**2
    gradient = np.array(
        [0.5 * np.sum(square[data.effect == k] - 1) for k in range(len(log_variances) - 1)]
        + [0.5 * (residual / rest - data.num_observed) + site.rest_gradient]
    )
    return Likelihood(float(value), gradient, mean * scale, site)


def _censored_factors(
    precision: np.ndarray,
    linear: np.ndarray,
    columns: np.ndarray,
    limit: np.ndarray,
    rest: float,
    start: _Factors | None,
) -> _Factors:
    """Runs expectation propagation, damped, on all factors at once."""
    from scipy.special import log_ndtr

    tau, nu = np.zeros((2, len(limit))) if start is None else start[:2]
    if not len(limit):
        return _Factors(tau, nu, 0.0, 0.0)
    for _ in range(_MAX_SWEEPS):
        covariance = np.linalg.inv(precision + (columns.T * tau) @ columns)
        projected = columns @ covariance
        variance = np.sum(projected * columns, axis=1)
        # Above 0 in exact arithmetic, by about the rest's share of the variance.
        left = np.maximum(1 - tau * variance, 1e-10)
        cavity_variance = variance / left
        cavity_mean = (projected @ (linear + columns.T @ nu) - nu * variance) / left
        total = rest + cavity_variance
        z = (cavity_mean - limit) / np.sqrt(total)
        ratio = np.exp(-0.5 * z**2 - log_ndtr(z)) / np.sqrt(2 * np.pi)
        slope = ratio / np.sqrt(total)
        curvature = -np.clip(ratio * (z + ratio), 0.0, 1.0) / total
        shrink = 1 + cavity_variance * curvature
        step_tau = -curvature / shrink - tau
        step_nu = (slope - cavity_mean * curvature) / shrink - nu
        if np.max([np.abs(step_tau) * variance, np.abs(step_nu) * np.sqrt(variance)]) < _TOLERANCE:
            break
        tau = np.maximum(tau + _DAMPING * step_tau, 0.0)
        nu = nu + _DAMPING * step_nu
    # Logarithm of a factor's integral over that of its normal approximation.
    grown = 1 + tau * cavity_variance
    moved = (cavity_mean + cavity_variance * nu) ** 2 / grown - cavity_mean**2
    stand_in = 0.5 * moved / cavity_variance - 0.5 * np.log(grown)
    log_scale = float(np.sum(log_ndtr(z) - stand_in))
    return _Factors(tau, nu, log_scale, float(np.sum(-0.5 * ratio * z * rest / total)))


def _maximise(
    data: Observations,
    starts: list[np.ndarray],
    bounds: list[tuple[float, float]],
    log_variances: Callable[[np.ndarray], np.ndarray],
    chain: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> tuple[np.ndarray, float]:
    """Returns the best x of all starts and the log likelihood at `log_variances(x)`; `chain` maps gradients to x."""
    from scipy.optimize import minimize

    factors: _Factors | None = None

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal factors
        found = log_likelihood(data, log_variances(x), factors)
        factors = found.factors
        return -found.value, -chain(x, found.gradient)

    fits = [minimize(objective, start, jac=True, bounds=bounds) for start in starts]
    best = min(fits, key=lambda fit: fit.fun)
    return best.x, -float(best.fun)


def fit_variances(data: Observations) -> Fit:
    """Finds the variances that maximise the likelihood; the rest keeps at least 1e-6 of the spread."""
    num = int(data.effect.max()) + 2
    centre = np.log(data.spread)
    starts = [np.full(num, centre - np.log(num))]
    starts += [np.where(np.arange(num) == k, centre, centre - 3) for k in range(num)]
    bounds = [(centre - 20, centre + 5)] * (num - 1) + [(centre + np.log(_SMALLEST_SHARE), centre + 5)]
    best, value = _maximise(data, starts, bounds, lambda x: x, lambda x, gradient: gradient)
    mean = log_likelihood(data, best).coefficients[0] + data.centre
    return Fit(np.exp(best), float(mean), value)


def share_estimate(data: Observations, fit: Fit, component: int, z: float) -> Estimate:
    """Estimates the share of one component in the sum of all.

    The limits enclose the shares whose highest log likelihood is within z²/2 of the maximum; they can be 0 and 1.
    """
    from scipy.optimize import brentq

    share = float(fit.variances[component] / fit.variances.sum())

    def excess(candidate: float) -> float:
        if candidate == share:
            return -z
        # The root of the deviance is nearly linear, which brentq solves in few steps.
        return float(np.sqrt(deviance(data, fit, component, candidate))) - z

    def limit(end: float) -> float:
        if abs(share - end) < 2 * _SMALLEST_SHARE or excess(end) <= 0:
            return end
        return float(brentq(excess, end, share, xtol=1e-3))

    return Estimate(share, limit(0.0), limit(1.0))


def deviance(data: Observations, fit: Fit, component: int, share: float) -> float:
    """Returns twice the log likelihood that a share of one component, to within 1e-6, loses: at most z² in limits."""
    share = min(max(share, _SMALLEST_SHARE), 1 - _SMALLEST_SHARE)
    num = len(fit.variances)
    others = [k for k in range(num) if k != component]
    base = np.log(data.spread)

    def variances(x: np.ndarray) -> np.ndarray:
        split = np.array([0.0, 0.0]) if num == 2 else -np.logaddexp(0, [-x[1], x[1]])
        log_variances = np.full(num, x[0] + np.log(share))
        log_variances[others] = x[0] + np.log1p(-share) + split[: num - 1]
        return log_variances

    def chain(x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        along = [gradient.sum()]
        if num == 3:
            first = float(np.exp(-np.logaddexp(0, -x[1])))
            along.append(gradient[others[0]] * (1 - first) - gradient[others[1]] * first)
        return np.array(along)

    start = [np.log(fit.variances.sum())]
    bounds = [(base - 4, base + 5)]
    if num == 3:
        logit = float(np.log(fit.variances[others[0]] / fit.variances[others[1]]))
        start.append(np.clip(logit, -4, 4))
        bounds.append((np.log(_SMALLEST_SHARE), -np.log(_SMALLEST_SHARE)))
    _, highest = _maximise(data, [np.array(start)], bounds, variances, chain)
    return max(2 * (fit.log_likelihood - highest), 0.0)
