"""ImageCLEF: run files, and scores against the truth."""
