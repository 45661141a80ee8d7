"""A little DNS server on loopback that says what a test lets it say, in whole messages over UDP."""

import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

Texts = list[str]


@dataclass
class NameServer:
    """Knows TXT records by name; every other name does not exist. `silent` names get no answer, `broken` SERVFAIL."""

    port: int
    texts: dict[str, Texts] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="name-server")
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ended.set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(4096)
            if self._ended.is_set():
                return
            if answer := self._answer(dns.message.from_wire(wire)):
                self._socket.sendto(answer.to_wire(), client)

    def _answer(self, question: dns.message.Message) -> dns.message.Message | None:
        asked = question.question[0]
        name = asked.name.to_text(omit_final_dot=True)
        self.asked.append(name)
        if name in self.silent:
            return None
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if name in self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self.texts:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif asked.rdtype == dns.rdatatype.TXT and self.texts[name]:
            quoted = [" ".join(f'"{part}"' for part in text.split("|")) for text in self.texts[name]]
            answer.answer.append(
                dns.rrset.from_text_list(asked.name, 60, dns.rdataclass.IN, dns.rdatatype.TXT, quoted)
            )
        return answer
