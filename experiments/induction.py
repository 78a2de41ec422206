"""When do induction heads form?

Question: a transformer of attention alone reads tokens that follow each other in an order of their
own in every sequence. To predict the next one, it has to look up what followed the same token
before. Two layers can do that. How long do they take, and what does one layer do?
Reference: Olsson et al. (2022), "In-context Learning and Induction Heads": the loss on repeated
tokens is flat, then falls at once, in models of two layers and more; one layer has no such fall.
Command: `plateau --experiment=induction --workdir=runs/induction`
Expected: two layers leave chance in 8 of 8, in the median at step 419 (95 % CI 358–436), and predict 98 % of
the tokens that can be foreseen at the end. One layer slides to a loss of 1.5 to 1.6 (chance is
1.95): it learns which tokens are due, and never where they stood. From the small start it takes
1,067 steps (777–1,116), with more than one step on the way down.
Time: four minutes on two cores.
"""

from plateau_engine import Arm, Study


def study() -> Study:
    """8 starts of one and two layers, and of two layers from a start as small as GPT-2's."""
    two = Arm(
        dataset="induction",
        model="decoder",
        embedding_width=32,
        attention_heads=1,
        num_blocks=2,
        init="as_written",
        batch_size=32,
        learning_rate=1e-3,
    )
    return Study(
        name="induction",
        question="When do induction heads form?",
        arms={
            "two layers": two,
            "one layer": two.replace(num_blocks=1),
            "two layers, small start": two.replace(init="normal", init_scale=0.02),
        },
        seeds=8,
        horizon={"two layers": 3000, "one layer": 3000, "two layers, small start": 6000},
        eval_every=10,
        baseline="two layers",
    )
