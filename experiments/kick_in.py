"""Is a loss that stays flat for ten epochs and then falls normal, or a mistake?

Question: an image classifier with 5 convolutional and 3 dense layers, all weights and biases drawn
as small random numbers, Adam, mini-batches. How often does it leave its plateau, when, and what
would remove it?
Command: `plateau --experiment=kick_in --workdir=runs/kick_in`
Expected: `as_asked` stays at chance for about 11 epochs and then breaks, on every seed; `he` and
`batch_norm` learn from the first two epochs on.
Time: about 2 minutes on two cores.
"""

from plateau_engine import Arm, Study


def study() -> Study:
    """48 runs of 40 epochs on the digits."""
    as_asked = Arm(init="normal", init_scale=0.05, optimizer="adam", learning_rate=1e-4)
    return Study(
        name="kick_in",
        question="Is a loss that stays flat for ten epochs and then falls normal, or a mistake?",
        arms={
            "as_asked": as_asked,
            "he": Arm(init="he", optimizer="adam", learning_rate=1e-4),
            "batch_norm": Arm(init="normal", init_scale=0.05, optimizer="adam", learning_rate=1e-4, batch_norm=True),
        },
        seeds={"as_asked": 24, "he": 12, "batch_norm": 12},
        epochs=40,
        baseline="as_asked",
    )
