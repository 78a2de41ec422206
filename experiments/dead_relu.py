"""How many networks are born dead? Rectifiers on one positive input, counted and known exactly.

Question: is the share of networks that can never learn the one that follows from their widths?
Reference: without biases, hidden layers of N_1 … N_L units are dead on one positive input with
probability 1 − ∏(1 − 2^−N_l); a dead network learns its output bias, which is chance.
Command: `plateau --experiment=dead_relu --workdir=runs/dead_relu`
Expected: all 6 shares inside their intervals: 25.4, 44.0, 77.7, 47.2, 17.2 and 48.0 % of 1,000
where 25, 43.75, 76.3, 48.7, 17.6 and 47.6 % are exact. More runs are stuck, 31 to 87 %: 9 to 16 %
are alive at the start and die in training, and 0.3 to 3.7 % are alive and not through by the
horizon. The report keeps the three apart.
Time: about a minute on two cores.
"""

from plateau_engine import Arm, Study

_WIDTHS = ((2,), (2,) * 2, (2,) * 5, (3,) * 5, (4,) * 3, (4,) * 10)


def study() -> Study:
    """6 shapes of 1,000 networks each."""
    return Study(
        name="dead_relu",
        question="Is the share of networks that are born dead the known one?",
        arms={
            f"{len(widths)} × {widths[0]}": Arm(
                dataset="ramp",
                model="mlp",
                dense_widths=widths,
                init="he",
                optimizer="sgd",
                learning_rate=0.05,
                batch_size=32,
            )
            for widths in _WIDTHS
        },
        seeds=1000,
        horizon=1000,
        eval_every=20,
        theory="dead_relu",
    )
