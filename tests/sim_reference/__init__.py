"""The reference simulator, its compiled twin and what holds for both."""
