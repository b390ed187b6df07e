"""Runs spread over processes and machines by Dask distributed; ``unlayered.cluster.pool`` is the way in."""
