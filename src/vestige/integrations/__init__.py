"""`vestige.Watch` in the training loops of others; nothing is imported before it is asked for."""
