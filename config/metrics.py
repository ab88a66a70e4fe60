"""Where the processes of this host leave their figures for Prometheus (docs/adr/0016)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from config.environment import SettingProblem

if TYPE_CHECKING:
    from pathlib import Path


def share_metrics(folder: Path) -> None:
    """Makes the folder and names it to the Prometheus client, which asks the environment alone.

    Must run before anything imports `prometheus_client`: it decides on import how it counts.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingProblem(
            f"FLUX_METRICS_DIR cannot be made ({error.strerror}); expected a folder that all "
            "processes of this host may write to."
        ) from error
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
