"""How long is a network held by the symmetry of its units, and how fast does it get away?

Question: a student with K hidden units that start small imitates a teacher with K of them. All its
units first learn the same. How high is the plateau on which they do, at which rate do they grow
apart, and when is the plateau left?
Reference: Saad and Solla (1995), Phys. Rev. E 52, 4225. Plateau (K/π)[π/6 − K·asin(1/2K)], which
is 0.0116108 (K = 2) and 0.0202966 (K = 3); escape rate per step × rate
2K/(π√(2K−1)(2K+1)^1.5), which is 0.06575 and 0.04612.
The source learns from one example a step at a rate of η/N and lets N go to infinity. Here batches
of 8,192 fresh examples make its η, the noise of the examples, 2e-4, at which the closed forms hold
at any N: the height is 0.02 % off by it. The source's own setting at η = 0.5 is
`--batch_size=1 --learning_rate=0.005 --num_inputs=100 --horizon=40000 --eval_every=100`: there the
closed forms do not hold, and the plateau is left when the equations say to 3 % in the mean.
Command: `plateau --experiment=committee --workdir=runs/committee`
Expected: heights 0.011602 and 0.020279 (−0.07 % and −0.09 %, the error of a finite evaluation set),
rates 0.06603 and 0.04744 (+0.4 % and +2.9 %; the differential equations from the same starts have
+0.7 % and +2.5 %), and the plateau is left when these equations say, to 0.2 %. It lies at 96 % of
the way, so the detector, which asks for the first plateau, finds `no_plateau`.
Time: under a minute on two cores.
"""

from plateau_engine import Arm, Study

_UNITS = (2, 3)


def study() -> Study:
    """8 starts with two units and 8 with three."""
    return Study(
        name="committee",
        question="How long is a committee held by the symmetry of its units?",
        arms={
            f"K={units}": Arm(
                dataset="soft_committee",
                num_inputs=16,
                teacher_units=units,
                model="committee",
                student_units=units,
                init="normal",
                init_scale=0.003,
                optimizer="sgd",
                learning_rate=0.1,
                batch_size=8192,
            )
            for units in _UNITS
        },
        seeds=8,
        horizon={"K=2": 1800, "K=3": 2600},
        eval_every=5,
        theory="committee",
    )
