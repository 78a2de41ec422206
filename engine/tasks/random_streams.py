"""Random streams: `fold_in(fold_in(root, role), seed)`, so that a seed's numbers depend on nothing else.

The generator is threefry: under `vmap` the faster `rbg` takes every draw from the first key of the batch.
"""

from contextlib import AbstractContextManager

import jax

ROLES = ("init", "order", "noise", "task")


def root_key(root_seed: int | jax.Array) -> jax.Array:
    """Returns the key from which every stream of a study is derived; made nowhere else."""
    return jax.random.key(root_seed, impl="threefry2x32")


def stream(root_seed: int | jax.Array, role: str, seed: int | jax.Array) -> jax.Array:
    """Returns the key of one of `ROLES` and one seed, a whole number of 32 bits; both seeds may be traced."""
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}: expected one of {', '.join(ROLES)}")
    of_role = jax.random.fold_in(root_key(root_seed), ROLES.index(role))
    return jax.random.fold_in(of_role, seed)


def on_cpu() -> AbstractContextManager:
    """Returns a context that draws on the CPU, which gives the same numbers on every machine."""
    return jax.default_device(jax.local_devices(backend="cpu")[0])
