"""Order parameters of a soft committee machine that imitates another one, and how they move.

With weights `J_i` of the student and orthonormal `B_n` of the teacher, standard normal inputs and
units `erf(x/√2)`, everything depends on the overlaps `Q = JJᵀ` and `R = JBᵀ` alone. In the time
`t = steps × learning rate`, with `g'` the derivative of a unit, x the fields of all units, student
first, and the signs s = (−1, …, 1, …) of their votes in the error,

    dR_in/dt = Σ_b s_b ⟨g'(x_i) x_n g(x_b)⟩,
    dQ_ik/dt = Σ_b s_b (⟨g'(x_i) x_k g(x_b)⟩ + ⟨g'(x_k) x_i g(x_b)⟩)
               + η Σ_bc s_b s_c ⟨g'(x_i) g'(x_k) g(x_b) g(x_c)⟩,

η being the learning rate × inputs / examples in a batch. The first two terms are exact at any
number of inputs; the last one, the noise of the examples, is its limit of many inputs.

Source: Saad and Solla (1995), Phys. Rev. E 52, 4225.
"""

import math
from typing import NamedTuple

import numpy as np


class Overlaps(NamedTuple):
    """Student with student, `[K, K]`, and student with teacher, `[K, M]`."""

    students: np.ndarray
    teachers: np.ndarray


def plateau_height(num_units: int) -> float:
    """Loss on the symmetric plateau at small steps, as many units on both sides.

    `(K/π)[π/6 − K·asin(1/2K)]`: all units of the student do the same, at `Q = 1/(2K−1)`.
    """
    k = num_units
    return k / math.pi * (math.pi / 6 - k * math.asin(1 / (2 * k)))


def escape_rate(num_units: int) -> float:
    """Rate in t at which units grow apart from the symmetric plateau, at small steps.

    `2K/(π√(2K−1)(2K+1)^{3/2})`. The loss is even in how far apart they are: it falls below the
    plateau at twice the rate.
    """
    k = num_units
    return 2 * k / (math.pi * math.sqrt(2 * k - 1) * (2 * k + 1) ** 1.5)


def overlaps_of(students: np.ndarray, teachers: np.ndarray) -> Overlaps:
    """Of weights `[K, inputs]` and `[M, inputs]`."""
    return Overlaps(students @ students.T, students @ teachers.T)


def loss_of(overlaps: Overlaps) -> float:
    """Half the mean squared error over all inputs, with orthonormal teachers."""
    covariance, signs = _covariance(overlaps), _signs(overlaps)
    norms = np.sqrt(1 + np.diag(covariance))
    products = 2 / np.pi * np.arcsin(covariance / np.outer(norms, norms))
    return float(0.5 * signs @ products @ signs)


def velocity(overlaps: Overlaps, noise: float) -> Overlaps:
    """`(dQ/dt, dR/dt)`.

    Args:
        overlaps: where.
        noise: η, learning rate × inputs / examples in a batch.
    """
    num_units = len(overlaps.students)
    covariance, signs = _covariance(overlaps), _signs(overlaps)
    pulls = _gradient_moments(covariance, num_units) @ signs
    own, towards = pulls[:, :num_units], pulls[:, num_units:]
    spread = noise * np.einsum("ikbc,b,c->ik", _noise_moments(covariance, num_units), signs, signs)
    return Overlaps(own + own.T + spread, towards)


def loss_curve(start: Overlaps, times: np.ndarray, noise: float) -> np.ndarray:
    """The loss at increasing times, `[num_times]`; NaN from where it cannot be followed.

    Args:
        start: overlaps at time 0.
        times: steps × learning rate from 0 on, `[num_times]`.
        noise: see `velocity`.
    """
    from scipy.integrate import solve_ivp

    size = start.students.size

    def unpacked(flat: np.ndarray) -> Overlaps:
        return Overlaps(flat[:size].reshape(start.students.shape), flat[size:].reshape(start.teachers.shape))

    def move(time: float, flat: np.ndarray) -> np.ndarray:
        return np.concatenate([part.ravel() for part in velocity(unpacked(flat), noise)])

    flat = np.concatenate([part.ravel() for part in start])
    losses = np.full(len(times), np.nan)
    if times[-1] == 0:
        losses[:] = loss_of(start)
        return losses
    span = (0.0, float(times[-1]))
    found = solve_ivp(move, span, flat, "LSODA", t_eval=times, rtol=1e-7, atol=1e-10)
    points = np.reshape(found.y, (len(flat), -1)).T
    losses[: len(points)] = [loss_of(unpacked(point)) for point in points]
    return losses


def _covariance(overlaps: Overlaps) -> np.ndarray:
    """Of the fields of all units, students first."""
    students, teachers = overlaps
    return np.block([[students, teachers], [teachers.T, np.eye(teachers.shape[1])]])


def _signs(overlaps: Overlaps) -> np.ndarray:
    num_students, num_teachers = overlaps.teachers.shape
    return np.concatenate([-np.ones(num_students), np.ones(num_teachers)])


def _gradient_moments(c: np.ndarray, num_units: int) -> np.ndarray:
    """`⟨g'(x_i) x_a g(x_b)⟩` at `[i, a, b]`, i a student."""
    every = np.arange(len(c))
    i, a, b = np.ix_(every[:num_units], every, every)
    own = 1 + c[i, i]
    determinant = own * (1 + c[b, b]) - c[i, b] ** 2
    return 2 / np.pi * (c[a, b] * own - c[i, a] * c[i, b]) / (own * np.sqrt(determinant))


def _noise_moments(c: np.ndarray, num_units: int) -> np.ndarray:
    """`⟨g'(x_i) g'(x_k) g(x_a) g(x_b)⟩` at `[i, k, a, b]`, i and k students."""
    every = np.arange(len(c))
    i, k, a, b = np.ix_(every[:num_units], every[:num_units], every, every)
    first, second, both = 1 + c[i, i], 1 + c[k, k], c[i, k]
    determinant = first * second - both**2

    def reduced(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Covariance of fields a and b under the weight of both derivatives, × determinant."""
        return (
            determinant * c[a, b]
            - c[k, a] * c[k, b] * first
            - c[i, a] * c[i, b] * second
            + both * (c[i, a] * c[k, b] + c[i, b] * c[k, a])
        )

    norms = np.sqrt((determinant + reduced(a, a)) * (determinant + reduced(b, b)))
    return 4 / np.pi**2 / np.sqrt(determinant) * np.arcsin(reduced(a, b) / norms)
