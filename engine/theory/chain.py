"""Training of a chain of scalar weights that learns a line, integrated in double precision.

The loss is ½(s − u)² with u = w_1 w_2 … w_D. Under gradient flow, dw_i/dt = (s − u) u/w_i, so d(w_i²)/dt is the same
for all i and every w_i² − w_j² is conserved. Signs can be flipped in pairs, so let all but the smallest, m, be
positive: with c_j = w_j² − m² at the start,

    dm/dt = (s − m P(m)) P(m),   P(m) = ∏_j √(m² + c_j),   u = m P(m),

one monotone equation in one unknown. Where the product of the weights starts below zero, m passes through zero, and no
other weight does. The time to any u is one integral, ∫ dm / ((s − mP)P). The flow never gets past zero only where two
weights are exactly equal in size (a c_j is 0) and the product is not positive.

Source: Saxe, McClelland and Ganguli (2014), ICLR; for D = 2, u(t) = s e^{2st}/(e^{2st} − 1 + s/u₀).
"""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from ..arms.arm import Arm

# Panels of the integral on either side of half the slope. A few are enough for half times, but not for curves, which
# are interpolated between them.
_NUM_PANELS = 128
_FEW_PANELS = 16
_NUM_NODES = 6  # of Gauss' rule in each panel
# The product is followed until this share of the smallest weight's way from half the slope to its end is left.
_REMAINDER = 1e-7
_NUM_BISECTIONS = 100


class Flow(NamedTuple):
    """Gradient flow of some chains, until the slope is almost reached; one row per chain.

    Attributes:
        half_time: time at which u is s/2; 0 where it starts beyond, infinite where it never gets there.
        smallest, speed: the weight m and dm/dt at each time `[num_chains, num_points]`; times do not decrease.
        conserved: the c_j, `[num_chains, depth − 1]`.
    """

    half_time: np.ndarray
    time: np.ndarray
    smallest: np.ndarray
    speed: np.ndarray
    conserved: np.ndarray


def gradient_flow(weights: np.ndarray, slope: float, num_panels: int = _NUM_PANELS) -> Flow:
    """Integrates the gradient flow of chains whose weights at the start are `[num_chains, depth]`; s > 0."""
    sizes = np.sort(np.abs(np.asarray(weights, np.float64)), axis=1)
    start = sizes[:, 0] * np.sign(np.prod(weights, axis=1))
    conserved = sizes[:, 1:] ** 2 - sizes[:, :1] ** 2
    end = _weight_at(slope, start, conserved, slope)
    middle = _weight_at(slope / 2, start, conserved, slope)
    middle = np.where(start < end, np.clip(middle, start, end), start)
    least = conserved.min(axis=1, initial=np.inf)
    # The scale over which the integrand varies: the smallest one of P, or m itself where that is zero.
    scale = np.where((least > 0) & np.isfinite(least), np.sqrt(least), np.abs(start))
    scale = np.where(scale > 0, scale, 1.0)
    share = np.linspace(0.0, 1.0, num_panels + 1)[None, :]
    first = np.arcsinh(start / scale)[:, None], np.arcsinh(middle / scale)[:, None]
    rising = scale[:, None] * np.sinh(first[0] + share * (first[1] - first[0]))
    rising[:, 0], rising[:, -1] = start, middle
    falling = end[:, None] - (end - middle)[:, None] * _REMAINDER**share
    edges = np.concatenate([rising, falling[:, 1:]], axis=1)
    is_held = (least == 0) & (start <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(is_held[:, None], np.inf, _panel_times(edges, conserved, slope))
    time = np.concatenate([np.zeros((len(edges), 1)), np.cumsum(steps, axis=1)], axis=1)
    return Flow(time[:, num_panels], time, edges, _speed(edges, conserved, slope), conserved)


def product_at(flow: Flow, times: np.ndarray) -> np.ndarray:
    """Returns the product u of every chain at times ≥ 0, `[num_chains, num_times]`."""
    found = np.empty((len(flow.time), len(times)))
    for row, (time, smallest, speed) in enumerate(zip(flow.time, flow.smallest, flow.speed, strict=True)):
        is_new = np.isfinite(time) & np.diff(time, prepend=-1.0).astype(bool)
        if np.count_nonzero(is_new) < 2:
            found[row] = smallest[0]
            continue
        curve = CubicHermiteSpline(time[is_new], smallest[is_new], speed[is_new])
        found[row] = curve(np.minimum(times, time[is_new][-1]))
    return found * _others(found, flow.conserved)


def median_half_time(depth: int, deviation: float, slope: float, num_points: int = 2**12) -> float:
    """Returns the median half time over starts whose `depth` weights are normal with mean 0.

    The starts lie at the normal quantiles of the additive recurrence of Roberts, which fills the unit cube evenly.
    """
    from scipy.special import ndtri

    # The root of x^{D+1} = x + 1.
    root = 1.5
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (depth + 1))
    places = (0.5 + np.outer(np.arange(1, num_points + 1), root ** -np.arange(1, depth + 1))) % 1.0
    starts = deviation * ndtri(places)
    return float(np.median(gradient_flow(starts, slope, _FEW_PANELS).half_time))


def adam(weights: np.ndarray, arm: Arm, num_steps: int) -> np.ndarray:
    """Returns the product u of chains under an arm's full-batch Adam, `[num_chains, num_steps + 1]`.

    Source: Kingma and Ba (2015), ICLR, algorithm 1.
    """
    rate, beta1, beta2, epsilon, slope = arm.learning_rate, arm.beta1, arm.beta2, arm.epsilon, arm.slope
    weights = np.array(weights, np.float64)
    depth = weights.shape[1]
    others = [[j for j in range(depth) if j != i] for i in range(depth)]
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    products = np.empty((num_steps + 1, len(weights)))
    for step in range(num_steps + 1):
        products[step] = product = weights.prod(axis=1)
        gradient = (product - slope)[:, None] * weights[:, others].prod(axis=2)
        first += (1.0 - beta1) * (gradient - first)
        second += (1.0 - beta2) * (gradient**2 - second)
        size = np.sqrt(second / (1.0 - beta2 ** (step + 1))) + epsilon
        mean = first / (1.0 - beta1 ** (step + 1))
        weights -= rate * mean / size
    return products.T


def epsilon_wait(start: float, arm: Arm) -> float:
    """Returns the steps that gradients far below ε hold a balanced start a: `ε/((D−2)·lr·s·a^{D−2})`.

    There Adam is gradient flow at the rate lr/ε. Holds where a is far below ε^{1/(D−1)}.
    """
    rate = arm.learning_rate * arm.slope * (arm.depth - 2) * start ** (arm.depth - 2)
    return float(arm.epsilon / rate)


def _others(smallest: np.ndarray, conserved: np.ndarray) -> np.ndarray:
    """Returns P(m) of every chain, in the shape of m, `[num_chains, …]`."""
    shape = (len(conserved), *[1] * (smallest.ndim - 1), -1)
    return np.sqrt(smallest[..., None] ** 2 + conserved.reshape(shape)).prod(axis=-1)


def _speed(smallest: np.ndarray, conserved: np.ndarray, slope: float) -> np.ndarray:
    others = _others(smallest, conserved)
    return (slope - smallest * others) * others


def _panel_times(edges: np.ndarray, conserved: np.ndarray, slope: float) -> np.ndarray:
    """Integrates the time from edge to edge by Gauss' rule, `[num_chains, num_edges − 1]`."""
    nodes, rule = np.polynomial.legendre.leggauss(_NUM_NODES)
    widths = np.diff(edges, axis=1)
    inside = edges[:, :-1, None] + 0.5 * (1.0 + nodes) * widths[..., None]
    times = (0.5 * widths[..., None] * rule / _speed(inside, conserved, slope)).sum(axis=-1)
    return np.where(widths == 0, 0.0, times)


def _weight_at(product: float, start: np.ndarray, conserved: np.ndarray, slope: float) -> np.ndarray:
    """Finds the m at which u is a positive number, `[num_chains]`, by bisection."""
    depth = conserved.shape[1] + 1
    low, high = np.zeros_like(start), np.full_like(start, max(slope, product) ** (1.0 / depth))
    for _ in range(_NUM_BISECTIONS):
        middle = 0.5 * (low + high)
        is_below = middle * _others(middle, conserved) < product
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return 0.5 * (low + high)
