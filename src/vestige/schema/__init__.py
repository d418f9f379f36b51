"""The records of a result, and how JSON becomes records."""
