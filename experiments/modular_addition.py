"""When does a network that has learned sums by heart find the rule behind them?

Question: a network is shown half of all sums a + b mod p. It knows those at once. How much later
does it know the others, and is that a plateau?
Reference: Power et al. (2022), "Grokking"; Nanda et al. (2023), "Progress measures for grokking":
the training loss has no plateau, the loss on held-out pairs has one, under weight decay. They train
transformers at p = 97 and 113; this is two layers of weights at p = 37, a size for a CPU.
Command: `plateau --experiment=modular_addition --workdir=runs/modular_addition`
Expected: the training loss is half down at step 70 (a shoulder: full-batch Adam takes 14 steps to
begin). The held-out loss rises to 2.3 times chance by step 200, comes down slowly, and passes
chance at step 1,380 in the median, 20 times as late; few held-out pairs are right for 1,000 steps,
and half of them are from step 1,840 on. The engine's own outcome is that of the training loss; the
held-out loss is read by the theory.
Time: about a minute on two cores.
"""

from plateau_engine import Arm, Study

_MODULUS = 37


def study() -> Study:
    """8 starts, whole batches of the 684 pairs that are trained on."""
    return Study(
        name="modular_addition",
        question="When does a network that has learned sums by heart find the rule behind them?",
        arms={
            f"p={_MODULUS}": Arm(
                dataset="modular_addition",
                modulus=_MODULUS,
                held_out_fraction=0.5,
                model="mlp",
                dense_widths=(256,),
                init="torch",
                optimizer="adamw",
                learning_rate=3e-3,
                beta2=0.98,
                weight_decay=1.0,
                batch_size=_MODULUS**2 // 2,
            )
        },
        seeds=8,
        horizon=4000,
        eval_every=5,
        theory="modular_addition",
    )
