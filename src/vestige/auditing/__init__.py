"""The audit from top to bottom, and what it notes of itself."""
