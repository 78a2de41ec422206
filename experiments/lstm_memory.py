"""How does the wait grow with what has to be remembered?

Question: an LSTM reads T random tokens and says at the end which came first. The gradient from the
end to the beginning shrinks with every step between. How long does the loss stay flat?
Reference: Hochreiter and Schmidhuber (1997), "Long Short-Term Memory"; that gradients shrink
exponentially with the distance, Bengio, Simard and Frasconi (1994).
Command: `plateau --experiment=lstm_memory --workdir=runs/lstm_memory`
Expected: the median onset is step 44 (95 % CI 35–58) for T = 10, 78 (58–97) for 13, 163 (97–291) for 16
and 801 (245–∞) for 19, where 4 of 12 are still at chance after 4,000 steps: three tokens more are
two to five times the wait. Many curves are stairs, which learn to tell two or three of the four
tokens first.
Time: two and a half minutes on two cores.
"""

from plateau_engine import Arm, Study

_LENGTHS = (10, 13, 16, 19)


def study() -> Study:
    """12 starts at each of four lengths, with Adam and what Flax starts from."""
    return Study(
        name="lstm_memory",
        question="How does the wait of an LSTM grow with the length of what it reads?",
        arms={
            f"T={length}": Arm(
                dataset="memory", sequence_length=length, model="lstm", init="as_written", learning_rate=3e-3
            )
            for length in _LENGTHS
        },
        seeds=12,
        horizon=4000,
        eval_every=5,
        stop="settled",
        baseline="T=10",
    )
