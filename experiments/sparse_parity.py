"""Does a network that finds the product of three signs wait for luck, or is the time fixed?

Question: the product of 3 of n signs shows itself in no smaller part of them. How long does a small
network take to find it from fresh examples, and what decides when?
Reference: Barak et al. (2022), "Hidden progress in deep learning: SGD learns parities near the
computational limit": 100 ReLU units, hinge loss, SGD 0.1, batches of 32. A replication with n = 20
solved all of 24, in the median near step 700; the start decides about 0.7 of the variance of log
time, the data order less than 0.05.
Command: `plateau --experiment=sparse_parity --workdir=runs/sparse_parity`
Expected: every run is solved. Median steps to 99 % accuracy at n = 20, 30, 40: 700 (95 % CI
620–740), 1,000 (940–1,180), 1,460 (1,260–1,720); the loss leaves chance at about half of that. At
n = 20 the start decides 0.705 (0.55–0.83) of the variance of log time, the order 0.000 (at most
0.022).
Time: about a minute on two cores.
"""

from plateau_engine import Arm, Study

_NUM_INPUTS = (20, 30, 40)


def study() -> Study:
    """24 repetitions at each of three sizes, and 24 starts × 5 data orders besides."""
    return Study(
        name="sparse_parity",
        question="How long does a network take to find the product of 3 of n signs?",
        arms={
            f"n={number}": Arm(
                dataset="sparse_parity",
                num_inputs=number,
                model="mlp",
                dense_widths=(100,),
                init="torch",
                optimizer="sgd",
                learning_rate=0.1,
                batch_size=32,
            )
            for number in _NUM_INPUTS
        },
        seeds=24,
        design="crossed",
        order_seeds=5,
        horizon={"n=20": 2000, "n=30": 4000, "n=40": 8000},
        eval_every=20,
        baseline="n=20",
        theory="sparse_parity",
    )
