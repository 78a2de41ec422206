"""tmp"""

from engine import Arm, Study


def study() -> Study:
    """8 starts"""
    return Study(
        name="committee",
        question="How long is a committee held by the symmetry of its units?",
        arms={
            f"K={units}": Arm(
                dataset="soft_committee",
                teacher_units=units,
                num_inputs=16,
                model="committee",
                student_units=units,
                init="normal",
                init_scale=0.003,
                optimizer="sgd",
                learning_rate=0.1,
                batch_size=8192,
            )
            for units in (2, 3)
        },
        seeds=8,
        horizon={"K=2": 1800, "K=3": 2600},
        eval_every=5,
        theory="committee",
    )
