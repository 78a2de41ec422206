"""How does the length of the plateau depend on the initial scale, and on Adam's epsilon?

Question: two things can hold a small network at its start, the saddle near zero and gradients that
have sunk below epsilon. Which one is it, at which scale?
Reference: Adam divides by √v̂ + ε, so a gradient far below ε moves nothing, however many steps.
Command: `plateau --experiment=init_scale --workdir=runs/init_scale`
Expected: at σ = 0.05 epsilon does not matter; at σ = 0.01 all seeds stay stuck with ε = 1e-8 and
1e-7, and all break with ε = 1e-12.
Time: about 5 minutes on two cores.
"""

from plateau_engine import Arm, Study

_SCALES = (0.01, 0.02, 0.03, 0.05)
_EPSILONS = (1e-7, 1e-8, 1e-12)


def study() -> Study:
    """12 arms of 12 seeds, 40 epochs on the digits at learning rate 1e-3."""
    return Study(
        name="init_scale",
        question="How does the plateau depend on the initial scale and on Adam's epsilon?",
        arms={
            f"σ={scale:g} ε={epsilon:g}": Arm(
                init="normal", init_scale=scale, optimizer="adam", learning_rate=1e-3, epsilon=epsilon
            )
            for scale in _SCALES
            for epsilon in _EPSILONS
        },
        seeds=12,
        epochs=40,
        baseline="σ=0.01 ε=1e-08",
    )
