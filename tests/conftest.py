"""Settings for the whole suite: every random choice is seeded, and slow machines are no fault."""

from hypothesis import settings

settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")
