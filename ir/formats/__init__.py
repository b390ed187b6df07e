"""The borders: one file for each file format."""
