"""Chips and simulators that run a mapped network."""
