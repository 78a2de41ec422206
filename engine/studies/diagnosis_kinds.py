"""Why an arm of a diagnosis is there."""

from typing import Literal

# The configuration itself; what may be advised; a rate far from the given one, which tells the
# order of magnitude and is advised where nothing near it helps, or by far less; and what tells slow
# from broken.
Kind = Literal["given", "remedy", "far", "control"]

AS_GIVEN = "as_given"
