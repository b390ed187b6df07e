"""A second simulator, from docs/semantics.md alone: slow, in whole numbers, sharing no code with any executor."""
