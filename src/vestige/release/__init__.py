"""What may be released: the folder of files that stay, and the page about those that do not."""
