"""The machinery of experiments."""
