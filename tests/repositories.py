"""Repositories that tests publish from: real ones, on a real git host, made from a mapping of paths to contents."""

import itertools
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skillport.demo.git_host import GitHost, git

_clock = itertools.count(1_700_000_000)  # every commit has a time of its own, so no two have the same id


@dataclass(frozen=True)
class Link:
    """A symbolic link in a commit."""

    target: str


@dataclass(frozen=True)
class Executable:
    """A file with mode 755 in a commit."""

    content: bytes


Content = bytes | str | Link | Executable
Files = Mapping[str, Content]


@dataclass(frozen=True)
class Repository:
    """A repository on the git host, with the token that reads it."""

    host: GitHost
    name: str

    @property
    def url(self) -> str:
        return self.host.address_of(self.name)

    @property
    def token(self) -> str:
        return self.host.token_of(self.name)

    @property
    def folder(self) -> Path:
        return self.host.path_of(self.name)

    def commit(self, files: Files, message: str = "A change", branch: str = "main") -> str:
        """Make a commit that holds exactly `files`, move the branch to it, and give its id."""
        stream = bytearray()
        seconds = next(_clock)
        stream += f"commit refs/heads/{branch}\nmark :1\n".encode()
        for who in ("author", "committer"):
            stream += f"{who} Alice Ng <alice@acme.example> {seconds} +0000\n".encode()
        stream += b"data %d\n%s\n" % (len(message.encode()), message.encode())
        if self._has(branch):
            stream += f"from refs/heads/{branch}^0\n".encode()
        stream += b"deleteall\n"
        for path, content in files.items():
            mode, body = _mode_and_body(content)
            stream += b"M %s inline %s\ndata %d\n%s\n" % (mode, json.dumps(path).encode(), len(body), body)
        subprocess.run(
            ["git", "--git-dir", str(self.folder), "fast-import", "--quiet", "--force"],
            input=bytes(stream), check=True, capture_output=True,
        )  # fmt: skip
        return git("--git-dir", str(self.folder), "rev-parse", branch)

    def _has(self, branch: str) -> bool:
        return bool(git("--git-dir", str(self.folder), "branch", "--list", branch))


NewRepository = Callable[[Files], Repository]  # what the fixture `new_repository` gives


def _mode_and_body(content: Content) -> tuple[bytes, bytes]:
    match content:
        case Link(target):
            return b"120000", target.encode()
        case Executable(body):
            return b"100755", body
        case str():
            return b"100644", content.encode()
        case bytes():
            return b"100644", content


def skill(name: str, description: str = "Does something useful when asked.", body: str = "Do it.\n") -> str:
    """Give the text of a SKILL.md."""
    return f"---\nname: {name}\ndescription: {description}\n---\n\n{body}"


def marketplace(*plugins: dict[str, Any] | str, name: str = "test-skills") -> str:
    """Give the text of a marketplace.json; a plugin given by name lies in `plugins/<name>`."""
    entries = [
        {"name": one, "source": f"./plugins/{one}", "version": "1.0.0"} if isinstance(one, str) else one
        for one in plugins
    ]
    return json.dumps({"name": name, "owner": {"name": "Test"}, "plugins": entries})


def plugin(name: str, **skills: str) -> dict[str, Content]:
    """Give the files of a plugin with these skills (name → SKILL.md), below `plugins/<name>`."""
    return {f"plugins/{name}/skills/{one.replace('_', '-')}/SKILL.md": text for one, text in skills.items()}


SMALL: Files = {
    ".claude-plugin/marketplace.json": marketplace("tools"),
    "plugins/tools/.claude-plugin/plugin.json": json.dumps({"name": "tools", "version": "1.2.0"}),
    "plugins/tools/skills/hello/SKILL.md": skill("hello", "Greets people."),
    "plugins/tools/skills/hello/scripts/greet.sh": Executable(b"#!/bin/sh\necho hello\n"),
    "plugins/tools/skills/hello/assets/dot.png": b"\x89PNG\r\n\x1a\n\x00\x00binary",
    "plugins/tools/skills/secret/SKILL.md": skill("secret", "Only for some."),
    "README.md": "Nothing to serve here.\n",
}
