"""Networks and their training; everything here needs the extra `deep`."""
