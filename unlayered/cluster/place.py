"""What ``--workers`` says: so many processes here, or a scheduler that is there already; and whom it may talk to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ir.check import require

MOST_HERE = 256
"""Processes of one local cluster; more than any one machine has cores for is a slip of the hand."""

SCHEMES = ("tcp", "tls")
WAYS = "give a number of processes, tcp://HOST:PORT or tls://HOST:PORT"


@dataclass(frozen=True)
class Place:
    """Where the work goes.

    Attributes:
        n: processes to start on this machine; 0 where there is a scheduler.
        address: the scheduler's; empty where processes are started here.
        insecure: whether it may be reached over a network without TLS.
    """

    n: int = 0
    address: str = ""
    insecure: bool = False

    def check(self, others: Iterable[str]) -> None:
        """Raise unless every address, the workers' too, is on this machine or speaks TLS.

        Raises:
            ValueError: names the first that is neither.
        """
        for address in (self.address, *others):
            require(
                self.insecure or not address or is_private(address),
                f"{address} is another machine's and does not speak TLS: who listens there can read the network and "
                "run code; use tls:// (docs/scale.md), or give --insecure where the network itself is private",
            )


def place_of(word: str, insecure: bool = False) -> Place:
    """What a word behind ``--workers`` means.

    >>> place_of("2")
    Place(n=2, address='', insecure=False)

    Raises:
        ValueError: it is neither a number nor an address, or an address that is refused.
    """
    if word.isascii() and word.isdigit():
        n = int(word) if len(word) < 10 else MOST_HERE + 1
        require(1 <= n <= MOST_HERE, f"--workers is {word[:20]}; give 1 to {MOST_HERE} processes")
        return Place(n)
    require(word.startswith(tuple(f"{x}://" for x in SCHEMES)), f"--workers is {word[:80]!r}; {WAYS}")
    try:
        parts = urlsplit(word)
        whole = bool(parts.hostname) and parts.port is not None and not parts.path and not parts.query
    except ValueError:  # a port or an address that is none
        whole = False
    require(whole, f"--workers is {word[:80]!r}, which is no whole address; {WAYS}")
    place = Place(0, word, insecure)
    place.check(())
    return place


def place_asked(word: str | None, insecure: bool) -> Place | None:
    """The same of two flags; None where everything runs in this process."""
    require(word is not None or not insecure, "--insecure has no meaning without --workers tcp://HOST:PORT")
    return None if word is None else place_of(word, insecure)


def is_private(address: str) -> bool:
    """Whether nobody else can listen: TLS, or an address of this machine alone.

    >>> [is_private(x) for x in ("tls://10.0.0.1:8786", "tcp://127.0.0.2:1", "tcp://[::1]:1", "tcp://10.0.0.1:1")]
    [True, True, True, False]
    """
    if address.startswith("tls://"):
        return True
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may be anybody's
        return False
