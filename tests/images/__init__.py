"""Tests of vestige.images."""
