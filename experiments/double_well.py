"""How long does a particle wait in a double well? The control whose answer is known.

Question: does the engine recover the mean of a wait that is pure chance, and does it call it so?
Reference: the mean time from −1 to 1 in the potential x⁴/4 − x²/2 at temperature T is
(1/T) ∫ dy e^{U(y)/T} ∫_{−∞}^{y} dz e^{−U(z)/T}, from −1 to 1 in y: 66.27 at T = 0.1.
Command: `plateau --experiment=double_well --workdir=runs/double_well`
Expected: the mean wait, in steps times the time step, goes to 66.27 as the time step goes to 0; the
error of the scheme and of looking only once a step is below 3 % at a time step of 0.0025.
Time: about a minute and a half on two cores.
"""

from plateau_engine import Arm, Study

_TEMPERATURE = 0.1
_MEAN = 66.27
_TIME_STEPS = (0.02, 0.01, 0.005, 0.0025)


def study() -> Study:
    """4 time steps of 2,048 runs each, to a horizon of ten means."""
    return Study(
        name="double_well",
        question="How long does a particle wait in a double well, at four time steps?",
        arms={
            f"h={step:g}": Arm(
                dataset="double_well",
                model="position",
                init="normal",
                init_scale=0.0,
                optimizer="sgd",
                learning_rate=step,
                batch_size=1,
                gradient_noise=(2 * _TEMPERATURE / step) ** 0.5,
            )
            for step in _TIME_STEPS
        },
        seeds=2048,
        horizon={f"h={step:g}": round(10 * _MEAN / step) for step in _TIME_STEPS},
        eval_every=200,
        baseline="h=0.0025",
    )
