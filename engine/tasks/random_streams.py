"""Random streams: one per role and seed, independent of how many others there are.

Every stream is `fold_in(fold_in(root, role), seed)`, so a seed's numbers depend neither on the
number of seeds, nor on the lane or the order in which they run. The generator is threefry:
under `vmap` the faster `rbg` takes every draw from the first key of the batch.
"""

import jax

ROLES = ("init", "order", "noise", "task")
MAX_SEED = 2**32 - 1


def root_key(root_seed: int | jax.Array) -> jax.Array:
    """The key from which every stream of a study is derived; made nowhere else."""
    return jax.random.key(root_seed, impl="threefry2x32")


def role_key(root_seed: int | jax.Array, role: str) -> jax.Array:
    """The key of one role, from which the streams of all its seeds are folded.

    Raises:
        ValueError: there is no such role.
    """
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}: expected one of {', '.join(ROLES)}")
    return jax.random.fold_in(root_key(root_seed), ROLES.index(role))


def stream(root_seed: int | jax.Array, role: str, seed: int | jax.Array) -> jax.Array:
    """The key of one role and one seed.

    Args:
        root_seed: the study's root seed; may be traced.
        role: one of `ROLES`.
        seed: in `[0, MAX_SEED]`; may be traced.
    """
    return jax.random.fold_in(role_key(root_seed, role), seed)
