"""tmp"""

from engine import Arm, Study


def study() -> Study:
    """8 starts"""
    return Study(
        name="modular_addition",
        question="When does a network that has learned sums by heart find the rule behind them?",
        arms={
            "p=37": Arm(
                dataset="modular_addition",
                modulus=37,
                held_out_fraction=0.5,
                model="mlp",
                dense_widths=(256,),
                init="normal",
                init_scale=0.03,
                optimizer="adamw",
                learning_rate=3e-3,
                beta2=0.98,
                weight_decay=1.0,
                batch_size=684,
            )
        },
        seeds=4,
        horizon=4000,
        eval_every=5,
        theory="modular_addition",
    )
