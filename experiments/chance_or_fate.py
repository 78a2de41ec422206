"""Is the plateau a matter of chance, or decided at the start?

Question: does a network wait until the examples happen to push it off the plateau, or is the time
fixed by its random start, and merely not visible in the loss?
Reference: a particle in a double well is pure chance (see the experiment `double_well`); escape
from a saddle without noise is pure fate. Each is told by a crossed grid, which divides the variance
of log time between start and data order, and by forks, which change the data order on the plateau.
Command: `plateau --experiment=chance_or_fate --workdir=runs/chance_or_fate`
Expected: in `double_well` all of the variance belongs to the data order, and the state of a parent
says nothing about the time its forks still take; `cnn8` is what the study is there to find out.
Time: about 4 minutes on two cores.
"""

from plateau_engine import Arm, Study


def study() -> Study:
    """20 starts × 5 data orders of each arm, and 5 forks of 20 of these runs."""
    return Study(
        name="chance_or_fate",
        question="Is the plateau a matter of chance, or decided at the start?",
        arms={
            "cnn8": Arm(init="normal", init_scale=0.05, optimizer="adam", learning_rate=1e-4),
            "double_well": Arm(
                dataset="double_well",
                model="position",
                init="normal",
                init_scale=0.1,
                optimizer="sgd",
                learning_rate=0.01,
                batch_size=1,
                gradient_noise=20**0.5,
            ),
        },
        seeds=20,
        design="crossed_fork",
        order_seeds=5,
        forks=5,
        horizon={"cnn8": 880, "double_well": 66_000},
        baseline="cnn8",
    )
