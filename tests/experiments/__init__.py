"""Experiments: their engines and machinery."""
