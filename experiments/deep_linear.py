"""Does training leave a saddle as theory says? Chains of weights whose every curve is known.

Question: do SGD and Adam leave the plateau of a deep linear chain when theory says, and as fast?
Reference: gradient flow with its conserved quantities, by quadrature (for two balanced weights
u(t) = s·e^{2st}/(e^{2st} − 1 + s/u₀)), and the recursion of Adam in double precision.
Command: `plateau --experiment=deep_linear --workdir=runs/deep_linear`
Expected: all 39 quantities within their bounds. Half times of SGD are off by at most 0.025 %, those
of all random starts too; whole curves by 0.27 % of chance (the step of the scheme), and slopes of
the escape by 1.1 % (the leading order). With Adam at ε = 1e-8 the half time from weights of 0.3,
0.1, 0.05, 0.03 and 0.02 is 299.5, 340.8, 405.8, 2,487 and 26,271 steps, its recursion's to 0.001 %:
flat in the start down to ε^(1/7) = 0.07, and ε/((D − 2)·lr·a^(D − 2)) = 26,042 far below that. At
ε = 1e-12 it is 354.9 from 0.03.
Time: less than a minute on two cores.
"""

from plateau_engine import Arm, Study

_SGD = {"dataset": "line", "slope": 2.0, "model": "chain", "batch_size": 2, "optimizer": "sgd"}
_ADAM = {**_SGD, "slope": 1.0, "optimizer": "adam", "learning_rate": 1e-3}
# Depth, every weight at the start, horizon in steps × learning rate.
_BALANCED = ((2, 0.1, 2.5), (2, 0.01, 4.0), (3, 0.1, 6.0), (4, 0.2, 8.0))
# Depth, standard deviation of the weights at the start, the same horizon.
_RANDOM = ((2, 0.1, 4.0), (3, 0.3, 12.0), (4, 0.5, 15.0))
# Every weight at the start, epsilon, horizon in steps.
_HELD = (
    (0.3, 1e-8, 1000),
    (0.1, 1e-8, 1000),
    (0.05, 1e-8, 1000),
    (0.03, 1e-8, 4000),
    (0.02, 1e-8, 30_000),
    (0.05, 1e-6, 13_000),
    (0.03, 1e-12, 1000),
)
_RATE = 2.5e-4


def study() -> Study:
    """4 balanced and 3 random starts with SGD, 7 balanced ones and a random one with Adam."""
    arms = {
        **{
            f"sgd, depth {depth}, all {start:g}": Arm(
                **_SGD, depth=depth, init="constant", init_scale=start, learning_rate=_RATE
            )
            for depth, start, _ in _BALANCED
        },
        **{
            f"sgd, depth {depth}, random {start:g}": Arm(
                **_SGD, depth=depth, init="normal", init_scale=start, learning_rate=_RATE
            )
            for depth, start, _ in _RANDOM
        },
        **{
            f"adam, depth 8, all {start:g}, ε {epsilon:g}": Arm(
                **_ADAM, depth=8, init="constant", init_scale=start, epsilon=epsilon
            )
            for start, epsilon, _ in _HELD
        },
        "adam, depth 4, random 0.3": Arm(**_ADAM, depth=4, init="normal", init_scale=0.3),
    }
    horizons = [
        *(round(time / _RATE) for _, _, time in _BALANCED),
        *(round(time / _RATE) for _, _, time in _RANDOM),
        *(steps for _, _, steps in _HELD),
        2000,
    ]
    return Study(
        name="deep_linear",
        question="Does training leave the saddle of a deep linear chain as theory says?",
        arms=arms,
        seeds={name: 64 if "random" in name else 1 for name in arms},
        horizon=dict(zip(arms, horizons, strict=True)),
        eval_every=10,
        theory="deep_linear",
    )
