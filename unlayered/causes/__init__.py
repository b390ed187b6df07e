"""Where two runs part, why, found by experiment, and what to do about it: ``unlayered diff``."""
