"""Does a transformer that knows sums by heart find the rule behind them, as published?

Question: `modular_addition` at its published size: a block of attention is shown 30 % of all sums
a + b mod 113. How much later than those does it know the others, and is that a plateau?
Reference: Nanda, Chan, Lieberum, Smith and Steinhardt (2023), "Progress measures for grokking via
mechanistic interpretability": the training loss has no plateau, the loss on held-out pairs has one.
Theirs are the network, the share of the pairs, whole batches and AdamW with its four numbers; the
start is LeCun's, which is theirs but for the last matrix of the dense layers.
Command: `plateau --experiment=grokking --workdir=runs/grokking`
Expected: the training loss is half down at step 91 (a shoulder, as in `modular_addition`). The
held-out loss rises to four times chance by step 1,000, and passes chance at step 2,800 in one start
and 4,300 in another, 30 and 50 times as late; half of the held-out pairs are right 300 steps later.
Time: about 20 minutes on two cores with `--seeds=2`, four times as long for all; made for an
accelerator, where it was not measured.
"""

from plateau_engine import Arm, Option, Study

_MODULUS = 113
_TRAIN_SHARE = 0.3
OPTIONS = (
    Option(
        "train_share",
        float,
        _TRAIN_SHARE,
        "share of the pairs that are trained on, in one batch",
        part="none",
        minimum=0.05,
        maximum=0.95,
    ),
)


def study(train_share: float = _TRAIN_SHARE) -> Study:
    """8 starts, whole batches of the pairs that are trained on, by default 3,831."""
    num_pairs, held_out = _MODULUS**2, 1 - train_share
    return Study(
        name="grokking",
        question="Does a transformer that knows sums by heart find the rule behind them?",
        arms={
            f"p={_MODULUS}": Arm(
                dataset="modular_addition",
                modulus=_MODULUS,
                held_out_fraction=held_out,
                model="transformer",
                dense_widths=(512,),
                init="lecun",
                optimizer="adamw",
                learning_rate=1e-3,
                beta2=0.98,
                weight_decay=1.0,
                batch_size=num_pairs - round(held_out * num_pairs),
            )
        },
        seeds=8,
        horizon=12_000,
        eval_every=20,
        theory="modular_addition",
    )
