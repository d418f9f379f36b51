"""Which detectors run, the scores they give, and the cache of scores."""
