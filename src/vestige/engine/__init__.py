"""Where work runs: one process, several, or a Dask cluster."""
