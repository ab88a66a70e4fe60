"""The programs of `deploy/Procfile`: one line each, `name: command`, variables as in a shell."""

from __future__ import annotations

import shlex
from string import Template
from typing import TYPE_CHECKING

from apps.station.local.errors import StationError
from apps.station.local.instance import PROJECT
from apps.station.local.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PROCFILE = PROJECT / "deploy" / "Procfile"
_WORKER = "worker-"
# Longer than a call to a provider takes (45 s in all): a polite stop should not have to wait for
# leases. What is killed after that is taken over when its lease ends.
_WORKER_STOP_SECONDS = 60
_STOP_SECONDS = 30


def _command(text: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Split like a shell, then fill in variables: a value with spaces stays one argument."""
    return tuple(Template(word).substitute(variables) for word in shlex.split(text))


def _program(name: str, text: str, variables: Mapping[str, str]) -> Program:
    is_worker = name.startswith(_WORKER)
    return Program(
        name=name,
        command=_command(text, variables),
        folder=PROJECT,
        stop_seconds=_WORKER_STOP_SECONDS if is_worker else _STOP_SECONDS,
    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def _read(line: str, variables: Mapping[str, str]) -> Program:
    name, _, text = line.partition(":")
    if not text.strip():
        raise StationError("expected `name: command`")
    try:
        return _program(name.strip(), text, variables)
    except KeyError as error:
        raise StationError(f"${error.args[0]} is not set") from error
    except ValueError as error:  # an unbalanced quote, a lonely $
        raise StationError(str(error)) from error


def programs(variables: Mapping[str, str], *, path: Path = PROCFILE) -> list[Program]:
    """Every program of the file, in its order, with `$NAME` filled in from `variables`.

    Raises StationError with the line for a line that cannot be read and for an unknown variable.
    """
    found: dict[str, Program] = {}
    for number, line in _lines(path.read_text(encoding="utf-8")):
        try:
            program = _read(line, variables)
        except StationError as error:
            raise StationError(f"{path}, line {number}: {error}") from error
        if program.name in found:
            raise StationError(f"{path}, line {number}: {program.name!r} was there before")
        found[program.name] = program
    return list(found.values())


def workers(variables: Mapping[str, str], *, path: Path = PROCFILE) -> list[Program]:
    """The workers alone: one per queue."""
    return [one for one in programs(variables, path=path) if one.name.startswith(_WORKER)]


def only(variables: Mapping[str, str], *names: str, path: Path = PROCFILE) -> list[Program]:
    """The named programs, in the order asked for; StationError for a name that is not there."""
    found = {one.name: one for one in programs(variables, path=path)}
    for name in names:
        if name not in found:
            raise StationError(f"{path} has no program {name!r}; it has {', '.join(found)}")
    return [found[name] for name in names]
