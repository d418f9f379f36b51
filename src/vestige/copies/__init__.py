"""Copies: generated images that are a real image, or nearly one, in some view."""
