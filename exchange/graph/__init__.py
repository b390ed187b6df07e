"""Graphs of neurons and linear layers, as several formats describe them, and how they become networks."""
