"""Recordings made by others, where they lie on this machine."""
