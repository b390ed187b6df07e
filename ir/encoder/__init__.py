"""The encoder of a network, on the host: first layers in floats whose spikes are the stimulus of all that follows.

There is one implementation, in numpy, which every executor calls. Each operation acts on single numbers of float32 in a
fixed order, never on a whole matrix, so that a sample's spikes depend on neither its batch nor a library.
"""

from ir.encoder.run import HostState, encode
from ir.encoder.split import with_encoder
from ir.encoder.stage import body_of, check_bare, encoded, encoder_of, host_of, hosted, spikes_of

__all__ = [
    "HostState",
    "body_of",
    "check_bare",
    "encode",
    "encoded",
    "encoder_of",
    "host_of",
    "hosted",
    "spikes_of",
    "with_encoder",
]
