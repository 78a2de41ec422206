"""How long does the smallest network need for the exclusive or?

Question: two hidden units and the four cases of XOR, all in every step. No linear function is better
than the mean, so the network has to leave a saddle. When does it, and how does that depend on the
start and on how many units there are?
Reference: Rumelhart, Hinton and Williams (1986), who saw long waits; Sprinkhuizen-Kuyper and Boers
(1996): the plateaus of XOR with two hidden units are saddles, not minima.
Command: `plateau --experiment=xor --workdir=runs/xor`
Expected: at a scale of 0.1, two units leave chance in all 24 starts, in the median at step 542 (95 % CI
443–931), the slowest at 2,452. From 0.3 it is step 70, from 0.03 step 5,275, and 10 of 24 are still at
chance after 8,000 steps. Eight units need 240 steps.
Time: a quarter of a minute on two cores.
"""

from plateau_engine import Arm, Study

_SCALES = {"scale 0.1": 0.1, "scale 0.3": 0.3, "scale 0.03": 0.03}


def study() -> Study:
    """24 starts at each of three scales of two units, and with eight units."""
    two = Arm(
        dataset="xor",
        model="mlp",
        dense_widths=(2,),
        activation="tanh",
        init="normal",
        optimizer="sgd",
        momentum=0.0,
        learning_rate=0.1,
        batch_size=4,
    )
    arms = {name: two.replace(init_scale=scale) for name, scale in _SCALES.items()}
    return Study(
        name="xor",
        question="How long does the smallest network need for the exclusive or?",
        arms={**arms, "8 units": two.replace(init_scale=0.1, dense_widths=(8,))},
        seeds=24,
        horizon=8000,
        eval_every=5,
        baseline="scale 0.1",
    )
