"""Whole files: written completely or not at all; cells that no spreadsheet runs."""
