"""Repositories for the tests of the git package: real ones, made by git from {path: content}."""

import hashlib
import struct
import subprocess
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from marketplaces.git.commit import BlobReader, list_files
from marketplaces.git.head import Head, Remote, ask_head
from marketplaces.git.kept_copy import KeptCopy
from marketplaces.git.program import Connection, GitProgram
from skillport.demo.git_host import GitHost, git
from skillport.outbound import Origin, Outbound

EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
SOMEBODY: Final = b"A <a@b> 1700000000 +0000"


@dataclass(frozen=True)
class Link:
    target: bytes


@dataclass(frozen=True)
class Program:
    content: bytes


@dataclass(frozen=True)
class Submodule:
    commit: str


Content: TypeAlias = bytes | Link | Program | Submodule
Files: TypeAlias = Mapping[str, Content] | Mapping[bytes, Content]


@dataclass(frozen=True)
class Repository:
    """A repository on the tests' git host, and the way to it."""

    host: GitHost
    name: str
    bare: Path

    @property
    def url(self) -> str:
        return self.host.address_of(self.name)

    @property
    def credential(self) -> str:
        return self.host.token_of(self.name)

    @property
    def remote(self) -> Remote:
        return Remote(self.url, credential=self.credential)

    @property
    def connection(self) -> Connection:
        return connect(self.url, self.credential)

    def commit(self, files: Files, branch: str = "main") -> str:
        return commit(self.bare, files, branch)

    def requests(self) -> list[str]:
        """Give what the host was asked since the last time, as `GET info/refs`, and forget it."""
        asked = [f"{one.method} {one.path.rpartition('.git/')[2]}" for one in self.host.exchanges]
        self.host.exchanges.clear()
        return asked


def allowing(url: str) -> Outbound:
    """Give the way out of an operator who allowed the origin of `url`."""
    return Outbound(frozenset({Origin.parse(url)}))


def ask(remote: Remote, branch: str = "") -> Head:
    return ask_head(remote, branch, allowing(remote.url))


def connect(url: str, credential: str = "") -> Connection:
    return Connection(Remote(url, credential=credential), allowing(url).check(url))


def contents(program: GitProgram, folder: Path, commit: str) -> dict[bytes, bytes | None]:
    """Read all files of a commit; None for one that is not here."""
    with BlobReader.opened(program, folder) as reader:
        listed = list(list_files(program, folder, commit, max_entries=10_000, max_bytes=10**9))
        return {one.path: None if one.size_bytes is None else reader.read(one.git_id) for one in listed}


def packs(copy: KeptCopy) -> int:
    return len(list(copy.path.glob("objects/pack/*.pack")))


def commit(bare: Path, files: Files, branch: str = "main") -> str:
    """Make a commit that holds exactly `files` the newest one of `branch`, and give its id."""
    ref = f"refs/heads/{branch}"
    script = [b"commit %s\ncommitter %s\ndata 1\nx\n" % (ref.encode(), SOMEBODY)]
    if git("for-each-ref", ref, folder=bare):
        script.append(b"from %s^0\n" % ref.encode())
    script.append(b"deleteall\n")
    script += [_change(path.encode() if isinstance(path, str) else path, files[path]) for path in files]  # type: ignore[index]
    feed(bare, "fast-import", "--quiet", content=b"".join(script))
    return git("rev-parse", ref, folder=bare)


def _change(path: bytes, content: Content) -> bytes:
    quoted = b'"' + b"".join(b"\\%03o" % byte for byte in path) + b'"'
    match content:
        case Submodule(commit):
            return b"M 160000 %s %s\n" % (commit.encode(), quoted)
        case Link(target):
            mode, raw = b"120000", target
        case Program(program):
            mode, raw = b"100755", program
        case bytes():
            mode, raw = b"100644", content
    return b"M %s inline %s\ndata %d\n%s\n" % (mode, quoted, len(raw), raw)


def feed(bare: Path, *arguments: str, content: bytes) -> str:
    """Run git in `bare` with `content` as its input, and give its output."""
    done = subprocess.run(["git", *arguments], cwd=bare, input=content, capture_output=True, check=True)
    return done.stdout.decode().strip()


def write_object(bare: Path, kind: bytes, body: bytes) -> str:
    """Write an object that git itself might refuse to make, and give its id."""
    raw = b"%s %d\0%s" % (kind, len(body), body)
    git_id = hashlib.sha1(raw, usedforsecurity=False).hexdigest()
    file = bare / "objects" / git_id[:2] / git_id[2:]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(zlib.compress(raw, 1))
    return git_id


def write_tree(bare: Path, *entries: tuple[bytes, bytes, str]) -> str:
    """Write a tree of (mode, name, id)."""
    return write_object(
        bare,
        b"tree",
        b"".join(b"%s %s\0%s" % (mode, name, bytes.fromhex(git_id)) for mode, name, git_id in entries),
    )


def write_commit(
    bare: Path, *, tree: str = EMPTY_TREE, author: bytes = SOMEBODY, committer: bytes = SOMEBODY,
    message: bytes = b"x\n", encoding: bytes = b"",
) -> str:  # fmt: skip
    header = b"tree %s\nauthor %s\ncommitter %s\n" % (tree.encode(), author, committer)
    said = b"encoding %s\n" % encoding if encoding else b""
    return write_object(bare, b"commit", header + said + b"\n" + message)


def write_delta_bomb(bare: Path, size: int) -> str:
    """Make a commit of two files of `size` zeros each, the second as a delta of the first: half a MiB for 500 MiB."""
    first, second = (_id_of_zeros(size, tail) for tail in (b"", b"!"))
    tree = write_tree(bare, (b"100644", b"first", first), (b"100644", b"second", second))
    # The delta: both sizes, copies of 0xffff00 bytes from the start of the base, and one byte of its own.
    steps = bytearray(_varint(size) + _varint(size + 1))
    for at in range(0, size, 0xFF0000):
        steps += b"\xff" + at.to_bytes(4, "little") + min(0xFF0000, size - at).to_bytes(3, "little")
    steps += b"\x01!"
    deflate = zlib.compressobj(1)
    zeros = b"".join(deflate.compress(bytes(2**20)) for _ in range(size // 2**20)) + deflate.flush()
    pack = b"PACK" + struct.pack(">II", 2, 2) + _entry_header(3, size) + zeros
    pack += _entry_header(7, len(steps)) + bytes.fromhex(first) + zlib.compress(steps)
    pack += hashlib.sha1(pack, usedforsecurity=False).digest()
    feed(bare, "index-pack", "--stdin", content=pack)
    return write_commit(bare, tree=tree)


def _id_of_zeros(size: int, tail: bytes) -> str:
    digest = hashlib.sha1(b"blob %d\0" % (size + len(tail)), usedforsecurity=False)
    for _ in range(size // 2**20):
        digest.update(bytes(2**20))
    digest.update(tail)
    return digest.hexdigest()


def _entry_header(kind: int, size: int) -> bytes:
    head, size = kind << 4 | size & 15, size >> 4
    return bytes([head | 0x80]) + _varint(size) if size else bytes([head])


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
