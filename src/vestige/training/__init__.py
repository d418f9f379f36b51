"""Training a detector on a world of known answers, and its model files."""
