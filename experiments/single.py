"""How often, and when, does one configuration of your own leave its plateau?

Question: the one that you ask with flags; the defaults are those of an arm.
Command: `plateau --experiment=single --model=mlp --learning_rate=1e-3 --workdir=runs/mine`
Expected: whatever it is, with intervals.
Time: about a minute on two cores with the defaults.
"""

from plateau_engine import Arm, Study


def study() -> Study:
    """16 runs of 20 epochs on the digits."""
    return Study(
        name="single",
        question="How often, and when, does this configuration leave its plateau?",
        arms={"arm": Arm()},
        seeds=16,
        epochs=20,
    )
