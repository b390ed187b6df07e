"""Small runs whose every number follows from docs/semantics.md by hand; each executor is held to them."""

from tests.contract_cases.case import FLAT, LAYERED, Case, network
from tests.contract_cases.registers import biases, early_charge, late_drive, resets, widths
from tests.contract_cases.rounds import last_rounds, looking_back, unconnected_inputs, without_projections

__all__ = ["CASES", "FLAT", "LAYERED", "Case", "network"]

CASES = [
    *last_rounds(),
    *unconnected_inputs(),
    *early_charge(),
    *widths(),
    *late_drive(),
    *looking_back(),
    *resets(),
    *biases(),
    *without_projections(),
]
