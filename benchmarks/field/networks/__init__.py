"""Networks of the field collection, each with a switch for the mistake that somebody made in it."""
