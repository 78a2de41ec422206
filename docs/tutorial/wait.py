"""What makes the network of the tutorial wait: its start, or its learning rate?

Question: does the loss start to fall earlier with He's start, or with three times the rate?
Command: `plateau --experiment=docs/tutorial/wait.py --workdir=runs/tutorial/wait`
Expected: both do; with He's start there is hardly a plateau left.
Time: about half a minute on two cores.
"""

import dataclasses

from plateau_engine import Arm, Study

AS_WRITTEN = Arm(model="docs/tutorial/train.py:Net", dataset_dir="runs/tutorial/digits", learning_rate=3e-4)


def study() -> Study:
    """Three arms, each changed in one thing, with the same seeds."""
    return Study(
        name="wait",
        question="Is it the start or the learning rate that makes this network wait?",
        arms={
            "as_written": AS_WRITTEN,
            "he": dataclasses.replace(AS_WRITTEN, init="he"),
            "rate_x3": dataclasses.replace(AS_WRITTEN, learning_rate=9e-4),
        },
        seeds=12,
        epochs=20,
    )
