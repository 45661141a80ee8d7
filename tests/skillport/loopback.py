"""A server on loopback that counts who connects, and a network on which every connection ends at it."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Address = tuple[str, int]
Handler = Callable[[socket.socket, threading.Event], None]

PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1:248:1893:25c8:1946"


class Listener:
    """Answers each connection in a thread of its own, and knows how many there were."""

    def __init__(self, handler: Handler, address: str = "127.0.0.1") -> None:
        self._socket = socket.create_server(
            (address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET
        )
        self.address: Address = self._socket.getsockname()[:2]
        self.port = self.address[1]
        self.requests: list[bytes] = []
        self._handler = handler
        self._ended = threading.Event()
        self._accepted: list[Address] = []
        self._probes: set[Address] = set()
        self._news = threading.Condition()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def connections(self) -> int:
        """Count the connections up to now. Asks by a connection of its own, which is accepted after all before it."""
        with socket.socket(self._socket.family, socket.SOCK_STREAM) as probe, self._news:
            probe.bind((self.address[0], 0))
            me = probe.getsockname()[:2]
            self._probes.add(me)
            probe.connect(self.address)
            assert self._news.wait_for(lambda: me in self._accepted, timeout=60)
            return len(self._accepted) - len(self._probes)

    def close(self) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, peer = self._socket.accept()
            except OSError:
                return
            with self._news:
                self._accepted.append(peer[:2])
                is_probe = peer[:2] in self._probes
                self._news.notify_all()
            if is_probe:
                client.close()
                continue
            thread = threading.Thread(target=self._answer, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _answer(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            self._handler(client, self._ended)


@contextlib.contextmanager
def listening(handler: Handler, address: str = "127.0.0.1") -> Iterator[Listener]:
    listener = Listener(handler, address)
    try:
        yield listener
    finally:
        listener.close()


def says(answer: bytes) -> Handler:
    """Make a server that reads the beginning of a request, whatever it is, and gives this answer."""

    def handle(client: socket.socket, _ended: threading.Event) -> None:
        client.recv(65536)
        client.sendall(answer)

    return handle


def drips(at_once: bytes, slowly: Iterable[bytes], *, reads: bool = True) -> Handler:
    """Make a server that sends the first part at once and the rest byte by byte, for at most 30 seconds."""

    def handle(client: socket.socket, ended: threading.Event) -> None:
        if reads:
            client.recv(65536)
        client.sendall(at_once)
        for byte in itertools.islice(slowly, 1500):
            if ended.wait(0.02):
                return
            client.sendall(byte)

    return handle


@dataclass
class Network:
    """Stands for the whole network: names resolve as they are told, and wherever a connection goes, it ends here.

    Only the public addresses above refuse it, so that no test leaves the machine.
    """

    listener: Listener
    names: dict[str, Iterator[list[str]]] = field(default_factory=dict)
    reached: list[Address] = field(default_factory=list)

    def knows(self, name: str, *answers: list[str]) -> None:
        """Let `name` resolve to each of these answers in turn, and so on from the beginning."""
        self.names[name] = itertools.cycle(answers)

    def getaddrinfo(
        self, host: str, port: int, family: int = 0, kind: int = 0, *_: int, **options: int
    ) -> list[Any]:
        # The system's own function reads every spelling of a number, and is kept from asking a name server.
        addresses = next(self.names[host]) if host in self.names else [host]
        return [
            entry
            for address in addresses
            for entry in _getaddrinfo(
                address, port, family, options.get("type", kind), 0, socket.AI_NUMERICHOST
            )
        ]

    def create_connection(self, address: Address, timeout: float | None = None, **_: Any) -> socket.socket:
        host = self.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][4][0]
        self.reached.append((host, address[1]))
        if host in {PUBLIC, PUBLIC_6}:
            raise ConnectionRefusedError
        return _create_connection(self.listener.address, timeout)


_getaddrinfo, _create_connection = socket.getaddrinfo, socket.create_connection
