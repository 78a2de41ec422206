"""Studies: arms × seeds × horizon."""
