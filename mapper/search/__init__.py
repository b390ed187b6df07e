"""The search for the cheapest partition: fills, library starts, exact moves, annealing."""
