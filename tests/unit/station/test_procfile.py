from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from apps.queues.registry import QUEUES
from apps.station.local import procfile
from apps.station.local.errors import StationError

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = {"PORT": "8000", "FLUX_VAR_DIR": "/var/flux station"}


def _options(command: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in pairwise(command) if name[0] == "-"}


def _write(folder: Path, text: str) -> Path:
    path = folder / "Procfile"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_queue_has_a_worker_of_its_own_and_its_size() -> None:
    workers = [_options(one.command) for one in procfile.workers(VARIABLES)]

    sizes = {one["--queues"]: int(one["--concurrency"]) for one in workers}
    assert sizes == {str(name): spec.concurrency for name, spec in QUEUES.items()}
    assert len(workers) == len(QUEUES)


def test_workers_are_prefork_and_have_hostnames_of_their_own() -> None:
    workers = [_options(one.command) for one in procfile.workers(VARIABLES)]

    assert {one["--pool"] for one in workers} == {"prefork"}
    assert len({one["--hostname"] for one in workers}) == len(workers)


def test_workers_give_way_to_people_and_the_patient_ones_to_the_quick() -> None:
    workers = [_options(one.command) for one in procfile.workers(VARIABLES)]
    (web,) = procfile.only(VARIABLES, "web")

    niceness = {one["--queues"]: int(one["-n"]) for one in workers}
    assert niceness == {
        name: 10 if spec.usual_wait_seconds <= 1 else 15 for name, spec in QUEUES.items()
    }
    assert "nice" not in web.command


def test_database_connections_of_all_programs_fit_the_server() -> None:
    workers = [_options(one.command) for one in procfile.workers(VARIABLES)]
    # The first process of each looks whether it gets on.
    processes = sum(int(one["--concurrency"]) + 1 for one in workers)
    web = _options(procfile.only(VARIABLES, "web")[0].command)
    threads = int(web["--workers"]) * int(web["--threads"])
    drainer = len(QUEUES) + 1
    sweeper = 2

    # A second set of all during a deployment, and people, beside max_connections.
    assert 2 * (processes + threads + drainer + sweeper) + 20 <= 200


def test_station_has_web_beat_sweeper_and_drainer() -> None:
    names = {one.name for one in procfile.programs(VARIABLES)}

    assert {"web", "beat", "sweeper", "drainer"} <= names


def test_value_with_spaces_stays_one_argument() -> None:
    beat = procfile.only(VARIABLES, "beat")[0]

    assert _options(beat.command)["--schedule"] == "/var/flux station/beat-schedule"


def test_only_keeps_the_order_asked_for() -> None:
    names = [one.name for one in procfile.only(VARIABLES, "sweeper", "beat")]

    assert names == ["sweeper", "beat"]


def test_only_of_an_unknown_program_lists_the_known_ones() -> None:
    with pytest.raises(StationError, match=r"no program 'wob'; it has web, beat"):
        procfile.only(VARIABLES, "wob")


def test_comments_and_empty_lines_are_skipped(tmp_path: Path) -> None:
    path = _write(tmp_path, "# a comment: with a colon\n\n  web: serve 'a b' $PORT\n")

    (program,) = procfile.programs(VARIABLES, path=path)

    assert program.command == ("serve", "a b", "8000")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("web serve\n", "line 1: expected `name: command`"),
        ("web:\n", "line 1: expected `name: command`"),
        ("# first\nweb: serve $HOST\n", r"line 2: \$HOST is not set"),
        ("web: serve 'open\n", "line 1: No closing quotation"),
        ("web: serve $\n", "line 1: Invalid placeholder"),
        ("WEB: serve\n", "line 1: program name 'WEB'"),
        ("web: a\nweb: b\n", "line 2: 'web' was there before"),
    ],
)
def test_unreadable_line_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = _write(tmp_path, text)

    with pytest.raises(StationError, match=problem):
        procfile.programs(VARIABLES, path=path)
