"""Experiments: one module each with `study()`, and its name in `NAMES`."""

NAMES = (
    *("kick_in", "init_scale", "chance_or_fate", "dead_relu", "deep_linear", "double_well", "committee"),
    *("sparse_parity", "modular_addition", "grokking", "induction", "lstm_memory", "autoencoder_mean", "xor", "single"),
)
