"""The line to the process manager: XML-RPC over its unix socket."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import tempfile
import xmlrpc.client
from pathlib import Path
from typing import Any

from apps.station.local.errors import StationError

_LONGEST_SOCKET_PATH = 90  # the system's limit is 104 to 108; supervisord appends its pid at first
_ANSWER_SECONDS = 30


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _SocketTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002
        return _SocketConnection(self._path)


def control_socket(folder: Path) -> Path:
    """Where the process manager of the instance in `folder` listens.

    A unix socket's path has room for some 100 bytes. A longer folder gets a private one in the
    temporary folder instead, named by user and digest; somebody else's is refused.
    """
    inside = folder / "run" / "control.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
        return inside
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    private = Path(tempfile.gettempdir()) / f"flux-station-{os.geteuid()}-{digest}"
    if os.path.lexists(private):
        _insist_on_private(private)
    return private / "control.sock"


def notify_socket(folder: Path) -> Path:
    """Where the watchdog of the instance in `folder` listens: beside the process manager."""
    return control_socket(folder).with_name("notify.sock")


def _insist_on_private(folder: Path) -> None:
    status = folder.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise StationError(f"{folder} is not a private folder of ours; remove it")


def make_room(path: Path) -> None:
    """Make the folder of a control socket, and remove a socket that was left in it."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _insist_on_private(path.parent)
    path.unlink(missing_ok=True)


def ask(path: Path, method: str, *arguments: str | bool) -> Any:
    """Call a method of the process manager at `path`; a connection each time, as it may restart.

    Raises StationError where nobody answers, or the answer is no.
    """
    with xmlrpc.client.ServerProxy("http://station", transport=_SocketTransport(path)) as proxy:
        try:
            return getattr(proxy, f"supervisor.{method}")(*arguments)
        except (OSError, http.client.HTTPException) as error:
            raise StationError(f"the process manager at {path} does not answer") from error
        except xmlrpc.client.Error as error:
            raise StationError(f"the process manager refused {method}: {error}") from error
