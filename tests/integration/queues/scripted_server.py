"""A TCP server that does to each connection what a test says, byte by byte."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Script = Callable[["Peer"], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, requests: list[bytes], stop: threading.Event) -> None:
        self.sock = sock
        self._requests = requests
        self._stop = stop
        self._buffer = b""

    def read_head(self) -> bytes:
        while b"\r\n\r\n" not in self._buffer:
            received = self.sock.recv(65536)
            if not received:
                raise ConnectionError("the client closed the connection")
            self._buffer += received
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        return head

    def read_request(self) -> bytes:
        """One whole request; noted for the test, head and body."""
        head = self.read_head()
        sizes = [
            line[15:] for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"
        ]
        size = int(sizes[0]) if sizes else 0
        while len(self._buffer) < size:
            self._buffer += self.sock.recv(1 << 20)
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        self._requests.append(head + b"\r\n\r\n" + body)
        return body

    def send(self, content: bytes) -> None:
        self.sock.sendall(content)

    def drip(self, content: bytes, *, every_s: float) -> None:
        for position in range(len(content)):
            self.sock.sendall(content[position : position + 1])
            time.sleep(every_s)

    def hang(self) -> None:
        """Do nothing until the test ends."""
        self._stop.wait(30)

    def reset(self) -> None:
        """End the connection with an RST instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def answer_always(peer: Peer) -> None:
    """Answer each request of a connection with 200, until the client closes it."""
    while True:
        peer.read_request()
        peer.send(OK)


class ScriptedServer:
    """Runs one script per connection, in order; the last one for all further connections."""

    def __init__(self, *scripts: Script, context: ssl.SSLContext | None = None) -> None:
        self._scripts = scripts
        self._context = context
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._start(self._serve, sock, script)

    def _serve(self, sock: socket.socket, script: Script) -> None:
        sock.settimeout(10)
        try:
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            script(Peer(sock, self.requests, self._stop))
        except OSError:
            pass  # the client went away, as it does after a deadline
        finally:
            sock.close()


def make_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1: the file a client trusts, and the context of a server."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scripted server")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, both = folder / "trusted.pem", folder / "server.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    both.write_bytes(private + trusted.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return trusted, context
