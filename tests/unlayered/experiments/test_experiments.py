"""``unlayered experiments``: jobs are run once, a killed run goes on, and the page holds what the lines hold."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unlayered.verbs import call, refused


def ran(file: Path) -> list[str]:
    """The jobs that have been begun, in order."""
    log = file.parent / "ran"
    return log.read_text().splitlines() if log.exists() else []


def lines(file: Path, name: str = "squares") -> list[dict[str, Any]]:
    return [json.loads(x) for x in (file.parent / "rows" / f"{name}.jsonl").read_text().splitlines()]


def run(file: Path, *words: object) -> Any:
    done = call("experiments", "run", file, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def page(file: Path, *words: object) -> str:
    done = call("experiments", "report", file, *words)
    assert done.exit_code == 0, done.output
    return (file.parent / "RESULTS.md").read_text()


def test_every_line_says_what_it_is_of_and_at_what_price(file: Path):
    run(file)
    found = lines(file)
    assert [(x["job"], x["seed"], x["result"]) for x in found] == [
        (f"job {n}", seed, {"value": n * n + seed}) for n in (3, 5, 7) for seed in (0, 1)
    ]
    for line in found:
        assert line["experiment"] == "squares" and line["what"]["power"] == 2
        assert line["versions"]["python"] == sys.version.split()[0] and "torch" in line["versions"]
        assert line["cpu_s"] >= 0 and line["wall_s"] >= 0 and isinstance(line["commit"], str)


def test_the_commit_is_that_of_the_repository_and_says_whether_files_differ(file: Path):
    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(["git", *who, *words], cwd=file.parent, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", file.name, "squares.toml")
    git("commit", "-qm", "Begin")
    run(file, "--only", "3")
    file.with_suffix(".toml").write_text("numbers = [3, 5, 7]\npower = 2\n")
    run(file, "--only", "5")
    commit = git("rev-parse", "HEAD")
    assert [x["commit"] for x in lines(file)] == [commit, commit, f"{commit}+", f"{commit}+"]


def test_an_interrupted_run_goes_on_and_repeats_only_the_job_at_work(file: Path):
    (file.parent / "stop").write_text("job 5")
    ended = call("experiments", "run", file)
    assert ended.exit_code == 130 and "1 of 3 jobs kept" in ended.stderr and "the same command goes on" in ended.stderr
    before = lines(file)
    assert [x["job"] for x in before] == ["job 3"] * 2
    (file.parent / "stop").unlink()
    run(file)
    assert ran(file) == ["job 3", "job 5", "job 5", "job 7"]
    assert lines(file)[:2] == before and len(lines(file)) == 6


def test_a_killed_run_leaves_whole_jobs_and_goes_on(file: Path):
    """Killed by the system, which no program can catch, in the middle of its second job."""
    text = file.read_text().replace(
        "    return [{", "    import time\n    time.sleep(600 * (job.what['n'] == 5))\n    return [{"
    )
    file.write_text(text)
    words = [sys.executable, "-m", "unlayered", "experiments", "run", str(file)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "UNLAYERED_TRACEBACK": "1"}
    with subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 200
        while "job 5" not in ran(file) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert ran(file) == ["job 3", "job 5"] and [x["job"] for x in lines(file)] == ["job 3"] * 2
    file.write_text(text.replace("time.sleep(600", "time.sleep(0"))
    run(file)
    assert ran(file) == ["job 3", "job 5", "job 5", "job 7"] and len(lines(file)) == 6


def test_a_second_run_does_nothing_and_a_changed_setting_is_another_job(file: Path):
    run(file)
    before = lines(file)
    run(file)
    assert len(ran(file)) == 3 and lines(file) == before
    settings = file.with_suffix(".toml")
    settings.write_text(settings.read_text().replace("power = 2", "power = 3"))
    run(file, "--only", "job 5")
    assert ran(file)[3:] == ["job 5"] and lines(file)[:6] == before
    told = page(file)
    assert "| job 5 | 5 | 0 | 125 |" in told and "| 25 |" not in told
    assert "6 rows of other settings" in told and "**Not run** (2 of 3 jobs): job 3, job 7." in told


def test_most_stops_after_so_many_jobs(file: Path):
    run(file, "--most", "2")
    assert ran(file) == ["job 3", "job 5"]
    run(file, "--most", "1")
    assert ran(file) == ["job 3", "job 5", "job 7"]


def test_the_plan_tells_hours_and_runs_nothing(file: Path):
    done = call("experiments", "run", file, "--plan", "--json")
    (line,) = json.loads(done.stdout)["plan"]
    assert (line["experiment"], line["group"], line["jobs"], line["done"]) == ("squares", "squares", 3, 0)
    assert line["planned_s"] == pytest.approx(10.8) and line["left_s"] == line["planned_s"] and line["spent_s"] == 0
    assert ran(file) == [] and not (file.parent / "rows").exists()
    run(file, "--only", "job 3")
    (line,) = json.loads(call("experiments", "run", file, "--plan", "--json").stdout)["plan"]
    assert line["done"] == 1 and line["left_s"] == pytest.approx(7.2)
    assert line["spent_s"] == pytest.approx(sum(x["cpu_s"] for x in lines(file)))


def test_the_plan_is_printed_before_the_first_job(file: Path):
    (file.parent / "stop").write_text("job 3")
    ended = call("experiments", "run", file)
    assert ended.exit_code == 130 and "planned" in ended.stderr and "0.01080" not in ended.stdout


def test_the_page_holds_what_the_lines_hold_and_nothing_else(file: Path):
    run(file)
    path = file.parent / "rows" / "squares.jsonl"
    changed = [{**x, "result": {"value": 1000 + i}} for i, x in enumerate(lines(file)) if x["job"] != "job 7"]
    path.write_text("".join(json.dumps(x) + "\n" for x in changed))
    told = page(file)
    assert re.findall(r"\| (job \d) \| \d \| \d \| ([\d,]+) \|", told) == [
        ("job 3", "1,000"), ("job 3", "1,001"), ("job 5", "1,002"), ("job 5", "1,003"),
    ]  # fmt: skip
    assert "**Not run** (1 of 3 jobs): job 7." in told and len(ran(file)) == 3
    assert "Squares of numbers, for tests." in told and "More is not told" not in told
    assert "experiments run" in told and "4 rows, seeds 0, 1" in told
    assert (file.parent / "plots" / "squares-values.svg").read_text().startswith("<svg")
    assert "![Values](plots/squares-values.svg)" in told


def test_a_page_without_rows_says_so(file: Path):
    told = page(file)
    assert "no rows yet" in told and "**Not run** (3 of 3 jobs)" in told and "### Values" not in told


def test_a_quick_run_has_rows_of_its_own_and_the_page_says_that_it_is_one(file: Path):
    run(file, "--quick")
    assert ran(file) == ["job 3"] and len(lines(file, "squares-quick")) == 2
    assert "These are quick runs" in page(file, "--quick") and "no rows yet" in page(file)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda f: f.with_suffix(".toml").unlink(), "squares.toml does not exist"),
        (lambda f: f.with_suffix(".toml").write_text("numbers = ["), "cannot be read as TOML"),
        (lambda f: f.with_suffix(".toml").write_text("power = 2\n[quick]\nother = 1\n"), "[quick] has keys"),
        (lambda f: f.write_text("def jobs(settings): return []\n"), "has no function 'run'"),
        (lambda f: f.with_suffix(".toml").write_text("numbers = [3, 3]\npower = 2\n"), "two jobs called 'job 3'"),
    ],
)
def test_an_experiment_that_is_none_is_one_sentence(file: Path, wrong: Any, said: str):
    wrong(file)
    for action in ("run", "report"):
        assert said in refused(2, "experiments", action, file)
    assert not (file.parent / "rows").exists() and not (file.parent / "RESULTS.md").exists()


def test_wrong_words_are_one_sentence(file: Path):
    assert "action" in refused(2, "experiments", "runn", file)
    assert "name its Python file" in refused(2, "experiments", "run", file.with_suffix(".toml"))
    assert "does not exist" in refused(2, "experiments", "run", file.with_name("other.py"))


def test_rows_that_are_none_of_ours_are_one_sentence_and_stay(file: Path):
    run(file, "--only", "job 3")
    path = file.parent / "rows" / "squares.jsonl"
    for text in ("no json\n", "{}\n", "[1]\n"):
        path.write_text(path.read_text().splitlines()[0] + "\n" + text)
        before = path.read_text()
        assert "line 2" in refused(2, "experiments", "report", file)
        call("experiments", "run", file)
        assert path.read_text() == before


def test_a_page_does_not_replace_what_it_is_made_of(file: Path):
    run(file)
    before = {path: path.read_bytes() for path in sorted(file.parent.rglob("*")) if path.is_file()}
    for path in before:
        assert "a page of experiments ends in .md; name it so" in refused(
            2, "experiments", "report", file, "--out", path
        )
    for path in (file, file.with_suffix(".toml"), file.parent / "rows" / "squares.jsonl"):
        (file.parent / "link.md").symlink_to(path)
        said = refused(2, "experiments", "report", file, "--out", file.parent / "link.md")
        assert "it is read here, too, and would be gone" in said
        (file.parent / "link.md").unlink()
    assert {path: path.read_bytes() for path in sorted(file.parent.rglob("*")) if path.is_file()} == before


def test_an_experiment_without_jobs_is_one_sentence(file: Path):
    file.with_suffix(".toml").write_text("numbers = []\npower = 2\n")
    for action in ("run", "report"):
        said = refused(2, "experiments", action, file)
        assert f"{file} lists no job with its settings; let jobs(settings) return one or more" in said
    assert not (file.parent / "rows").exists() and not (file.parent / "RESULTS.md").exists()


def test_no_job_of_a_name_is_one_sentence(file: Path):
    done = call("experiments", "run", file, "--only", "job 9")
    assert done.exit_code == 2 and "no job of" in done.stderr and "'job 3'" in done.stderr
