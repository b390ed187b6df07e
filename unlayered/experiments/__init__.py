"""Experiments: a grid of jobs in a file, run one after the other, kept as JSON lines, told on one page."""
