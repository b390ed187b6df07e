"""``--workers``: how many here, or whose; nothing crosses a network in the clear unless that is asked for."""

from __future__ import annotations

import pytest

from tests.unlayered.verbs import refused
from unlayered.cluster.place import Place, place_asked, place_of
from unlayered.cluster.versions import check_versions


@pytest.mark.parametrize("word", ["tcp://127.0.0.1:8786", "tcp://127.0.0.3:1", "tcp://localhost:1", "tcp://[::1]:9"])
def test_an_address_of_this_machine_needs_no_tls(word: str):
    assert place_of(word) == Place(0, word)


@pytest.mark.parametrize(
    "word", ["tcp://10.0.0.7:8786", "tcp://scheduler:8786", "tcp://[2001:db8::1]:1", "tcp://0.0.0.0:1"]
)
def test_another_machine_is_reached_by_tls_or_where_that_was_asked_for(word: str):
    with pytest.raises(ValueError, match=r"does not speak TLS: .*; use tls://.*--insecure"):
        place_of(word)
    assert place_of(word, insecure=True) == Place(0, word, True)
    assert place_of(word.replace("tcp", "tls")).address.startswith("tls://")


@pytest.mark.parametrize(
    "word",
    ["", "0", "-1", "257", "9" * 5000, "two", "²", "1.5", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:x", "tls://:1",
     "tcp://127.0.0.1:99999", "http://127.0.0.1:1", "tcp://127.0.0.1:1/a", "127.0.0.1:8786", "ucx://a:1", "tcp://[:1"],
)  # fmt: skip
def test_what_is_neither_a_number_nor_an_address_is_refused_in_one_sentence(folder, word: str):
    sentence = refused(
        2, "run", folder / "mapped.npz", "--on", "reference", "--data", folder / "data.npz", "--out",
        folder / "t.npz", f"--workers={word}",
    )  # fmt: skip
    assert ("--workers" in sentence and "tcp://HOST:PORT" in sentence) or "give 1 to 256 processes" in sentence
    assert len(sentence) < 300 and not (folder / "t.npz").exists()


def test_a_worker_elsewhere_counts_like_the_scheduler():
    place = place_of("tcp://127.0.0.1:1")
    place.check(["tcp://127.0.0.2:5", "tls://10.0.0.1:5"])
    with pytest.raises(ValueError, match=r"tcp://10\.0\.0\.1:5 is another machine's"):
        place.check(["tcp://10.0.0.1:5"])


def test_insecure_alone_means_nothing():
    assert place_asked(None, False) is None
    with pytest.raises(ValueError, match="--insecure has no meaning without --workers"):
        place_asked(None, True)


def said(python: str = "3.10.1.final.0", **packages: str | None) -> dict:
    alike = {"python": python, "dask": "2026.8.0", "distributed": "2026.8.0", "unlayered": "0.1.0"}
    return {"packages": {**alike, **packages}}


@pytest.mark.parametrize(
    ("scheduler", "worker", "match"),
    [
        (said("3.12.1.final.0"), said(), "the scheduler has Python 3.12, this process Python 3.10; install the same"),
        (said(), said("3.13.0.final.0"), "worker tcp://a has Python 3.13, this process Python 3.10"),
        (said(), said(dask="2025.1.0"), "worker tcp://a has dask 2025.1.0, this process dask 2026.8.0"),
        (said(), said(unlayered="0.2.0"), "worker tcp://a has unlayered 0.2.0, this process unlayered 0.1.0"),
        (said(unlayered=None), said(), "the scheduler has unlayered absent, this process unlayered 0.1.0"),
        (said(), None, "worker tcp://a has Python absent"),
    ],
)
def test_versions_that_differ_are_one_sentence(scheduler, worker, match: str):
    with pytest.raises(ValueError, match=match):
        check_versions({"client": said(), "scheduler": scheduler, "workers": {"tcp://a": worker}})


def test_versions_that_are_alike_pass():
    other = said("3.10.18.final.0")
    check_versions({"client": said(), "scheduler": other, "workers": {"tcp://a": other}})
