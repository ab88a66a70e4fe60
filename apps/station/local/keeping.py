"""The lasting station of `make up`: started once, kept running, ended by `make down`.

It honours DATABASE_URL and REDIS_URL, and then starts no server of its own in their place; every
other variable of the environment wins over what is generated, too. Its secrets, its admin
password and its data stay in `var/up/` for the next start.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from apps.station.local import procfile
from apps.station.local.controlling import notify_socket
from apps.station.local.environment import django_environment, inherited, with_our_python
from apps.station.local.errors import NotReadyError, StationError
from apps.station.local.instance import LASTING, PROJECT, VAR, lasting_instance
from apps.station.local.ports import LOOPBACK, free_port
from apps.station.local.procfile import PROCFILE
from apps.station.local.programs import (
    APPLICATION_TIER,
    PROVIDER_TIER,
    Program,
    read_environment,
    write_environment,
    write_private,
)
from apps.station.local.secrets import kept_secrets
from apps.station.local.servers import RECOVERY_SECONDS, plan_servers
from apps.station.local.supervision import Supervision

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from apps.station.local.instance import Instance
    from apps.station.local.secrets import Secrets
    from apps.station.local.servers import Servers
    from apps.station.local.supervision import ProgramState

PREFERRED_PORT = 8000
ADMIN = "admin"
SANDBOX_SWITCH = "FLUX_RESEND_SANDBOX"
LIME_SWITCH = "FLUX_LIME_SANDBOX"
LIME_USER = "station"
_WEB_SECONDS = 180.0  # everything starts at once, on as little as one core
_OFF = frozenset({"off", "0", "false", "no"})
_ON = frozenset({"on", "1", "true", "yes", ""})
_SANDBOX_DOMAIN = "example.com"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running station is found. Empty texts for what it does not run itself."""

    web: str
    admin: str
    health: str
    sandbox: str
    admin_user: str
    admin_password: str = field(repr=False)
    sandbox_key: str = field(repr=False)
    database: str
    broker: str
    flower: str = ""
    flower_password: str = field(default="", repr=False)
    lime: str = ""
    lime_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything decided before the first process is started."""

    servers: Servers
    environment: Mapping[str, str] = field(repr=False)
    programs: tuple[Program, ...]
    addresses: Addresses


def wants_sandbox(
    environment: Mapping[str, str], *, switch: str = SANDBOX_SWITCH, address: str = "RESEND_API_URL"
) -> bool:
    """Whether a stand-in takes a provider's place: unless switched off, or `address` is given."""
    value = environment.get(switch, "").strip().lower()
    if value not in _ON | _OFF:
        raise StationError(f"{switch} is {value!r}; expected on or off")
    return value not in _OFF and not environment.get(address, "").strip()


def sandbox_program(*, port: int, secrets: Secrets, folder: str) -> Program:
    """The stand-in for Resend, its log in the instance's folder."""
    return Program(
        name="resend-sandbox",
        command=(
            *("python", "-m", "apps.sandbox", "resend", "--host", LOOPBACK, "--port", str(port)),
            *("--log", f"{folder}/sandbox/accepted.jsonl"),
            *("--account", f"station:{secrets.sandbox_key}", "--domain", _SANDBOX_DOMAIN),
        ),
        tier=PROVIDER_TIER,
        folder=PROJECT,
    )


def lime_program(*, port: int, secrets: Secrets, folder: str) -> Program:
    """The stand-in for Lime, its log in the instance's folder."""
    return Program(
        name="lime-sandbox",
        command=(
            *("python", "-m", "apps.sandbox", "lime", "--host", LOOPBACK, "--port", str(port)),
            *("--log", f"{folder}/lime/accepted.jsonl"),
            *("--user", f"{LIME_USER}:{secrets.lime_sandbox_key}"),
        ),
        tier=PROVIDER_TIER,
        folder=PROJECT,
    )


def flower_program(*, port: int, secrets: Secrets) -> Program:
    """What looks into the broker and at the workers: behind a password, and changing nothing.

    The password travels in its environment: a command line can be read by everybody.
    """
    return Program(
        name="flower",
        command=(
            *("celery", "-A", "config", "flower", f"--address={LOOPBACK}", f"--port={port}"),
            *("--read_only=True", "--enable_events=False"),
        ),
        environment={"FLOWER_BASIC_AUTH": f"{ADMIN}:{secrets.flower_password}"},
        folder=PROJECT,
    )


def _where(owned: object, name: str) -> str:
    return "its own" if owned is not None else f"given by {name}"


def make_plan(
    instance: Instance,
    *,
    given: Mapping[str, str],
    secrets: Secrets,
    preferred_port: int,
    programs: Path,
) -> Plan:
    """Decide servers, ports, environment and programs of the lasting station."""
    present = {name: value for name, value in given.items() if value.strip()}
    servers = plan_servers(
        instance.folder,
        secrets=secrets,
        with_postgres="DATABASE_URL" not in present,
        with_valkey="REDIS_URL" not in present,
    )
    web_port = free_port(preferred=preferred_port)
    generated = django_environment(
        kind=LASTING, secrets=secrets, folder=instance.folder, web_port=web_port
    )
    environment = {
        **generated,
        **servers.environment(),
        **present,
        "PORT": str(web_port),
        "NOTIFY_SOCKET": str(notify_socket(instance.folder)),
    }
    flower_port = free_port()
    environment.setdefault("FLUX_FLOWER_LINK", f"http://{LOOPBACK}:{flower_port}/")
    extra: tuple[Program, ...] = (flower_program(port=flower_port, secrets=secrets),)
    is_sandboxed = wants_sandbox(present)
    if is_sandboxed:
        sandbox_port = free_port()
        environment["RESEND_API_URL"] = f"http://{LOOPBACK}:{sandbox_port}"
        folder = str(instance.folder)
        extra += (sandbox_program(port=sandbox_port, secrets=secrets, folder=folder),)
    is_lime_sandboxed = wants_sandbox(present, switch=LIME_SWITCH, address="LIME_API_URL")
    if is_lime_sandboxed:
        lime_port = free_port()
        environment["LIME_API_URL"] = f"http://{LOOPBACK}:{lime_port}"
        extra += (lime_program(port=lime_port, secrets=secrets, folder=str(instance.folder)),)
    environment = with_our_python(environment)
    base = environment["PUBLIC_BASE_URL"].rstrip("/")
    return Plan(
        servers=servers,
        environment=environment,
        programs=(*extra, *procfile.programs(environment, path=programs)),
        addresses=Addresses(
            web=f"{base}/",
            admin=f"{base}/admin/",
            health=f"{base}/healthz",
            sandbox=environment["RESEND_API_URL"] if is_sandboxed else "",
            flower=f"http://{LOOPBACK}:{flower_port}/",
            admin_user=ADMIN,
            admin_password=secrets.admin_password,
            flower_password=secrets.flower_password,
            sandbox_key=secrets.sandbox_key if is_sandboxed else "",
            lime=environment["LIME_API_URL"] if is_lime_sandboxed else "",
            lime_key=secrets.lime_sandbox_key if is_lime_sandboxed else "",
            database=_where(servers.postgres, "DATABASE_URL"),
            broker=_where(servers.valkey, "REDIS_URL"),
        ),
    )


def _manage(plan: Plan, *arguments: str, **environment: str) -> None:
    """Run a management command of the station; StationError with its last words if it fails."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env={**plan.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StationError(
            f"manage.py {arguments[0]} failed ({done.returncode}):\n"
            f"{(done.stderr or done.stdout).strip()[-2000:]}"
        )


_MAKE_ADMIN = """\
from django.contrib.auth import get_user_model
people = get_user_model().objects
if not people.filter(username={name!r}).exists():
    import os
    people.create_superuser({name!r}, password=os.environ["FLUX_ADMIN_PASSWORD"])
"""


def _make_admin(plan: Plan) -> None:
    """Make the first operator; one that is there keeps the password it has."""
    _manage(
        plan,
        *("shell", "--no-imports", "--command", _MAKE_ADMIN.format(name=ADMIN)),
        FLUX_ADMIN_PASSWORD=plan.addresses.admin_password,
    )


def _await_web(plan: Plan, supervision: Supervision) -> None:
    """Wait until the web application answers anything at all."""
    url = f"http://{LOOPBACK}:{plan.environment['PORT']}/healthz"
    deadline = time.monotonic() + _WEB_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError as answer:  # 503 where a part is away is an answer too
            answer.close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise NotReadyError(
                    f"the web application did not answer at {url}; the end of its log:\n"
                    f"{supervision.log_tail('web', 2000)}"
                ) from None
            time.sleep(0.2)


def _is_late(program: Program) -> bool:
    return program.name != "web" and program.tier == APPLICATION_TIER


def _start(instance: Instance, plan: Plan) -> None:
    supervision = Supervision(instance.folder, environment=plan.environment)
    try:
        supervision.launch(detached=True)
        plan.servers.start(supervision, seconds=RECOVERY_SECONDS)
        _manage(plan, "migrate", "--no-input")
        _make_admin(plan)
        # The workers start after the web application: all at once they would keep a small machine
        # busy for half a minute before anybody gets an answer.
        supervision.add_watchdog()
        supervision.add(*(one for one in plan.programs if not _is_late(one)))
        _await_web(plan, supervision)
        supervision.add(*(one for one in plan.programs if _is_late(one)))
    except BaseException:
        supervision.end()
        raise


def _running(instance: Instance) -> Supervision | None:
    supervision = Supervision(instance.folder, environment={})
    return supervision if supervision.attach() else None


def addresses_of(instance: Instance) -> Addresses:
    """What the running station printed when it was started."""
    stored = (instance.folder / "addresses.json").read_text(encoding="utf-8")
    return Addresses(**json.loads(stored))


def up(
    *, preferred_port: int = PREFERRED_PORT, var: Path = VAR, programs: Path = PROCFILE
) -> tuple[Addresses, bool]:
    """Start the lasting station; returns its addresses and whether it was started just now.

    `programs` is a file like `deploy/Procfile`, with at least `web` in it.
    Raises StationError, with everything ended again, where a part does not start.
    """
    instance = lasting_instance(var=var)
    try:
        if _running(instance) is not None:
            return addresses_of(instance), False
        instance.end_leftovers()
        plan = make_plan(
            instance,
            given=inherited(),
            secrets=kept_secrets(instance.folder / "secrets.json"),
            preferred_port=preferred_port,
            programs=programs,
        )
        (instance.folder / "sandbox").mkdir(exist_ok=True)
        # Nothing runs: what ended processes counted may go (docs/adr/0016).
        shutil.rmtree(instance.folder / "metrics", ignore_errors=True)
        write_environment(instance.folder / "environment", plan.environment)
        write_private(instance.folder / "addresses.json", json.dumps(asdict(plan.addresses)))
        _start(instance, plan)
        return plan.addresses, True
    finally:
        instance.release()


def down(*, var: Path = VAR) -> bool:
    """End the lasting station politely; False where none was running (leftovers are ended)."""
    instance = lasting_instance(var=var)
    try:
        supervision = _running(instance)
        if supervision is None:
            return instance.end_leftovers() > 0
        supervision.end()
        return True
    finally:
        instance.release()


def environment(*, var: Path = VAR) -> dict[str, str]:
    """The environment of the running station, for a command that wants to join in.

    Raises StationError where it is not running.
    """
    folder = var / LASTING
    if not Supervision(folder, environment={}).is_running():
        raise StationError("the station is not running; start it with: make up")
    joined = {**inherited(), **read_environment(folder / "environment")}
    del joined["NOTIFY_SOCKET"]  # for programs that are started again when they fall silent
    return joined


def states(*, var: Path = VAR) -> list[ProgramState]:
    """Every program of the lasting station; empty where it is not running."""
    supervision = Supervision(var / LASTING, environment={})
    return supervision.states() if supervision.attach() else []
