"""Workers on other machines, through Dask distributed: the same processes, spoken to over its scheduler."""
