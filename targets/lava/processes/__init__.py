"""Our Lava processes and their models; importing these files does nothing else (Lava 0.10.0, Python 3.10 only)."""
