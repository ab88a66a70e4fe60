"""The lock of production holds all that production imports, and does not live off the tests'."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

from apps.station.local.instance import PROJECT

LOCK = PROJECT / "requirements" / "base.txt"
# Everything of ours that runs, and the transport that Celery loads by its name; what is in another
# lock alone cannot be imported.
IMPORT_ALL = """
import importlib, json, os, pkgutil, sys

absent = set(json.loads(sys.argv[1]))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
import apps, config
for package in (apps, config):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith(".__main__"):
            importlib.import_module(found.name)
from config.celery import app
app.connection().transport
"""


def test_production_needs_nothing_that_is_not_locked_for_it() -> None:
    locked = {
        _usual(name)
        for name in re.findall(r"^([A-Za-z0-9._-]+)==", LOCK.read_text("utf-8"), re.MULTILINE)
    }
    absent = [
        module
        for module, names in packages_distributions().items()
        if locked.isdisjoint(map(_usual, names))
    ]
    assert {"pytest", "mypy", "xdist"} <= set(absent)

    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", IMPORT_ALL, json.dumps(absent)],
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()[-2000:]


def _usual(name: str) -> str:
    """As the package index compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()
