"""Statistics: arrays in, arrays out; no files, no state, the seed is an argument."""
