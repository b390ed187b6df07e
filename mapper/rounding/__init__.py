"""Rounding that knows its errors: weights are rounded one after another, each making up for those before it."""
