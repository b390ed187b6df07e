"""Chips without a barrier: time decides the order, and nothing else (docs/clockless.md)."""
