"""Data."""


def known_names() -> tuple[str, ...]:
    """Names."""
    return ()
