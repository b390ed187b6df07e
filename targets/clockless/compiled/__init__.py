"""The compiled twin of ``targets.clockless.plain``: the same sample, the same result."""
