"""Worlds x detectors: one fair table, with rows where nothing is there."""
