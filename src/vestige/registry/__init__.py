"""Things chosen by name, with their options."""
