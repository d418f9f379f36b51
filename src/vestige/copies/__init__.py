"""Copies: generated images that are real images, in any view; facts about pixels."""
