"""From columns of scores to what is said of the set, of patients and of images."""
