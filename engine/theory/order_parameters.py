"""Order parameters of a soft committee machine that imitates another one, and their equations of motion.

With weights `J_i` of the student and orthonormal `B_n` of the teacher, standard normal inputs and units `erf(x/√2)`,
everything depends on the overlaps `Q = JJᵀ` and `R = JBᵀ` alone. In the time `t = steps × learning rate`, with `g'` the
derivative of a unit, x the fields of all units, student first, and the signs s = (−1, …, 1, …) of their votes in the
error,

    dR_in/dt = Σ_b s_b ⟨g'(x_i) x_n g(x_b)⟩,
    dQ_ik/dt = Σ_b s_b (⟨g'(x_i) x_k g(x_b)⟩ + ⟨g'(x_k) x_i g(x_b)⟩)
               + η Σ_bc s_b s_c ⟨g'(x_i) g'(x_k) g(x_b) g(x_c)⟩,

where η is the learning rate × inputs / examples in a batch. The first two terms are exact at any number of inputs; the
last one, the noise of the examples, is its limit of many inputs.

Source: Saad and Solla (1995), Phys. Rev. E 52, 4225.
"""

import math
from typing import NamedTuple

import numpy as np


class Overlaps(NamedTuple):
    """Overlaps of student with student, Q `[K, K]`, and of student with teacher, R `[K, M]`."""

    students: np.ndarray
    teachers: np.ndarray


def plateau_height(num_units: int) -> float:
    """Returns the loss on the symmetric plateau of K units at small steps: `(K/π)[π/6 − K·asin(1/2K)]`."""
    k = num_units
    return k / math.pi * (math.pi / 6 - k * math.asin(1 / (2 * k)))


def escape_rate(num_units: int) -> float:
    """Returns the rate in t at which K units grow apart from the symmetric plateau, at small steps.

    `2K/(π√(2K−1)(2K+1)^{3/2})`. The loss is even in their distance: it falls below the plateau at twice the rate.
    """
    k = num_units
    return 2 * k / (math.pi * math.sqrt(2 * k - 1) * (2 * k + 1) ** 1.5)


def overlaps_of(students: np.ndarray, teachers: np.ndarray) -> Overlaps:
    """Returns the overlaps of weights `[K, inputs]` and `[M, inputs]`."""
    return Overlaps(students @ students.T, students @ teachers.T)


def loss_of(overlaps: Overlaps) -> float:
    """Returns half the mean squared error over all inputs, with orthonormal teachers."""
    covariance, signs = _fields(overlaps)
    norms = np.sqrt(1 + np.diag(covariance))
    products = 2 / np.pi * np.arcsin(covariance / np.outer(norms, norms))
    return float(0.5 * signs @ products @ signs)


def velocity(overlaps: Overlaps, noise: float) -> Overlaps:
    """Returns `(dQ/dt, dR/dt)`; `noise` is η, the learning rate × inputs / examples in a batch."""
    num_units = len(overlaps.students)
    covariance, signs = _fields(overlaps)
    pulls = _gradient_moments(covariance, num_units) @ signs
    own, towards = pulls[:, :num_units], pulls[:, num_units:]
    spread = noise * np.einsum("ikbc,b,c->ik", _noise_moments(covariance, num_units), signs, signs)
    return Overlaps(own + own.T + spread, towards)


def loss_curve(start: Overlaps, times: np.ndarray, noise: float) -> np.ndarray:
    """Integrates the equations over times from 0 on; returns the loss, NaN from where the solver gave up."""
    from scipy.integrate import solve_ivp

    size = start.students.size

    def unpacked(flat: np.ndarray) -> Overlaps:
        return Overlaps(flat[:size].reshape(start.students.shape), flat[size:].reshape(start.teachers.shape))

    def packed(overlaps: Overlaps) -> np.ndarray:
        return np.concatenate([part.ravel() for part in overlaps])

    if times[-1] == 0:
        return np.full(len(times), loss_of(start))
    found = solve_ivp(
        lambda time, flat: packed(velocity(unpacked(flat), noise)),
        (0.0, float(times[-1])), packed(start), "LSODA", t_eval=times, rtol=1e-7, atol=1e-10,
    )  # fmt: skip
    losses = np.full(len(times), np.nan)
    points = np.transpose(found.y)
    losses[: len(points)] = [loss_of(unpacked(point)) for point in points]
    return losses


def _fields(overlaps: Overlaps) -> tuple[np.ndarray, np.ndarray]:
    """Returns the covariance of the fields of all units, students first, and the signs of their votes."""
    students, teachers = overlaps
    covariance = np.block([[students, teachers], [teachers.T, np.eye(teachers.shape[1])]])
    return covariance, np.repeat([-1.0, 1.0], teachers.shape)


def _gradient_moments(c: np.ndarray, num_units: int) -> np.ndarray:
    """Returns `⟨g'(x_i) x_a g(x_b)⟩` at `[i, a, b]`, where i is a student."""
    every = np.arange(len(c))
    i, a, b = np.ix_(every[:num_units], every, every)
    own = 1 + c[i, i]
    determinant = own * (1 + c[b, b]) - c[i, b] ** 2
    return 2 / np.pi * (c[a, b] * own - c[i, a] * c[i, b]) / (own * np.sqrt(determinant))


def _noise_moments(c: np.ndarray, num_units: int) -> np.ndarray:
    """Returns `⟨g'(x_i) g'(x_k) g(x_a) g(x_b)⟩` at `[i, k, a, b]`, where i and k are students."""
    every = np.arange(len(c))
    i, k, a, b = np.ix_(every[:num_units], every[:num_units], every, every)
    first, second, both = 1 + c[i, i], 1 + c[k, k], c[i, k]
    determinant = first * second - both**2

    def reduced(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Returns determinant × covariance of fields a and b under the weight of both derivatives."""
        return (
            determinant * c[a, b]
            - c[k, a] * c[k, b] * first
            - c[i, a] * c[i, b] * second
            + both * (c[i, a] * c[k, b] + c[i, b] * c[k, a])
        )

    norms = np.sqrt((determinant + reduced(a, a)) * (determinant + reduced(b, b)))
    return 4 / np.pi**2 / np.sqrt(determinant) * np.arcsin(reduced(a, b) / norms)
