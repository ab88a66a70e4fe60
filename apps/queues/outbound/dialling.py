"""Opening a connection, within a time that covers all of its addresses and the handshake."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import certifi

from apps.queues.outbound.errors import NotSent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # Whether a connection may be made to this numeric address.
    Admission = Callable[[str], bool]

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests go: the parts of a base URL."""

    scheme: str
    host: str
    port: int
    path: str
    """Put before the path of each request; without a slash at its end."""

    @classmethod
    def parse(cls, base_url: str) -> Origin:
        parts = urlsplit(base_url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"base_url is {base_url!r}; give http(s)://host[:port][/path]")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("base_url has a query, a fragment or a user; leave them out")
        host = parts.hostname
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        return cls(parts.scheme, host, port, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port == _DEFAULT_PORTS[self.scheme]:
            return host
        return f"{host}:{self.port}"


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """TLS 1.2 and newer, certificates checked against `ca_file` (default: certifi's).

    Made by hand because the ready-made contexts read SSL_CERT_FILE and SSLKEYLOGFILE.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(ca_file or certifi.where())
    return context


def dial(
    origin: Origin,
    *,
    deadline: float,
    context: ssl.SSLContext | None,
    admit: Admission | None = None,
) -> socket.socket:
    """A connected socket, with TLS where a context is given; raises `NotSent`.

    `deadline` is monotonic. The look-up of the name is the one step that cannot be cut short. The
    name is looked up once, and only what was found is connected to: `admit` sees every address
    before that, and one that it refuses refuses the host.
    """
    with _refusals_told_apart():
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    if admit is not None and not all(admit(str(address[0])) for *_, address in found):
        raise NotSent("address")
    sock = _connect_first(found, deadline)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if context is None:
        return sock
    try:
        with _refusals_told_apart():
            sock.settimeout(_left(deadline))
            # A peer that ends without TLS's own goodbye may have been cut off: tell.
            return context.wrap_socket(
                sock, server_hostname=origin.host, suppress_ragged_eofs=False
            )
    except BaseException:
        sock.close()
        raise


def _connect_first(found: list[tuple[Any, ...]], deadline: float) -> socket.socket:
    """Try each address with its share of the time: a dead first one must not use up all of it."""
    for position, (family, kind, protocol, _, address) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            with _refusals_told_apart():
                sock.settimeout(_left(deadline) / (len(found) - position))
                sock.connect(address)
        except NotSent:
            sock.close()
            if position == len(found) - 1:
                raise
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise NotSent("dns")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@contextlib.contextmanager
def _refusals_told_apart() -> Iterator[None]:
    try:
        yield
    except (socket.gaierror, UnicodeError) as error:
        raise NotSent("dns") from error
    except TimeoutError as error:
        raise NotSent("connect_timeout") from error
    except (ssl.SSLError, ssl.CertificateError) as error:
        raise NotSent("tls") from error
    except ConnectionRefusedError as error:
        raise NotSent("refused") from error
    except ConnectionResetError as error:
        raise NotSent("reset") from error
    except OSError as error:
        raise NotSent("unreachable") from error
