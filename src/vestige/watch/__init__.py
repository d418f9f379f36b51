"""A generator is watched while it trains: one look after another, and what they say together."""
