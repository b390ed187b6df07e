"""The borders: every file format in a place of its own; imports ``ir`` only."""
