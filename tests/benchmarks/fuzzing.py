"""Feed every parser of what strangers write with bytes that libFuzzer makes up: nothing may crash, hang or swallow memory.

    python -m tests.benchmarks.fuzzing [--seconds 600] [target …]

The seconds are shared among the targets, each of which has a process of its own. An input is a crash when it leads to an
exception that the parser does not declare, takes more than ten seconds, or more than a GiB; its bytes are then printed.
Needs `atheris` (`pip install atheris`), which nothing else does, and so is in no lock.
"""

import argparse
import contextlib
import gc
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

from marketplaces.git.addresses import checked_address, new_address
from marketplaces.git.errors import RepositoryError
from marketplaces.git.head import Head, Remote, ask_head
from marketplaces.git.tree import TreeEntry
from marketplaces.manifest.catalog import read_catalog
from marketplaces.manifest.display import escaped, one_line
from marketplaces.manifest.frontmatter import read_frontmatter
from marketplaces.manifest.json_files import JsonInvalid, parse_json
from marketplaces.manifest.limits import DEFAULT
from marketplaces.manifest.names import checked_name, checked_path
from marketplaces.manifest.paths import SourceRefused, folder_of
from marketplaces.manifest.report import NotServed
from marketplaces.manifest.yaml_subset import YamlRefused, parse_mapping
from skillport.errors import SkillportError
from skillport.outbound import Answer, HostUnreachable, Origin, Outbound

MANIFEST = b".claude-plugin/marketplace.json"


class _Says(Outbound):
    """Answers each request with the same body, as a host would."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        object.__setattr__(self, "_body", body)

    def request(self, method: str, *_: Any, **__: Any) -> Answer:
        kind = "advertisement" if method == "GET" else "result"
        headers = {"content-type": f"application/x-git-upload-pack-{kind}"}
        return Answer(200, headers, self._body)  # type: ignore[attr-defined]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _list_of_refs(data: bytes) -> None:
    for body in (data, b"001e# service=git-upload-pack\n0000" + data):
        try:
            found = ask_head(Remote("https://git.example/x.git"), "main", _Says(body), or_tag=True)
        except RepositoryError:
            continue
        assert isinstance(found, Head)


def _repository(files: Mapping[bytes, bytes], mode: str = "100644") -> None:
    entries = [TreeEntry(path, mode, f"{number:040x}", len(one)) for number, (path, one) in enumerate(files.items())]  # fmt: skip
    contents = {entry.git_id: files[entry.path] for entry in entries}
    read_catalog(entries, contents.__getitem__)


def _tree(data: bytes) -> None:
    """Names and links of a repository, as many as the bytes have."""
    files: dict[bytes, bytes] = {MANIFEST: b'{"name":"x","plugins":[{"name":"p","source":"./p"}]}'}
    for part in data.split(b"\n")[:50]:
        path, _, content = part.partition(b"\t")
        files[b"p/skills/" + path if path[:1] not in {b"p", b"."} else path] = content
    _repository(files)
    _repository(files, "120000")


def _webhook(data: bytes) -> None:
    from django.conf import settings  # configured only in the process that needs it

    if not settings.configured:
        settings.configure(USE_TZ=True)
    from marketplaces.services import signatures

    value, _, body = data.partition(b"\n")
    text = value.decode("latin-1")
    forms: list[dict[str, str]] = [
        {"X-Hub-Signature-256": text}, {"X-Hub-Signature": text}, {"X-Gitlab-Token": text},
        {"webhook-id": text, "webhook-timestamp": "1000", "webhook-signature": text},
        {"webhook-id": "1", "webhook-timestamp": text, "webhook-signature": text},
    ]  # fmt: skip
    for headers in forms:
        try:
            signatures.check(
                headers=headers, body=body, secrets_valid=["a secret", text, "whsec_" + text], now=1000
            )
        except signatures.Forged:
            continue


def _front(data: bytes) -> None:
    read_frontmatter(b"---\n" + data + b"\n---\n", b"SKILL.md", DEFAULT, lambda _: None)
    read_frontmatter(data, b"SKILL.md", DEFAULT, lambda _: None)


def _address(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    Origin.parse(checked_address(text))
    new_address(text, "https://git.example/x.git/git-upload-pack", "https://git.example/x.git")


def _pointed(data: bytes) -> None:
    new_address(
        data.decode("latin-1"), "https://git.example/x.git/git-upload-pack", "https://git.example/x.git"
    )


def _shown(data: bytes) -> None:
    escaped(data)
    one_line(data.decode("utf-8", "replace"))


class Target:
    def __init__(self, run: Callable[[bytes], object], *declared: type[Exception]) -> None:
        self.run, self.declared = run, declared


TARGETS: dict[str, Target] = {
    "json": Target(parse_json, JsonInvalid),
    "yaml": Target(lambda data: parse_mapping(data.decode("utf-8", "replace")), YamlRefused),
    "frontmatter": Target(_front, NotServed),
    "marketplace": Target(lambda data: _repository({MANIFEST: data}), SkillportError),
    "plugin": Target(
        lambda data: _repository(
            {
                MANIFEST: b'{"name":"x","plugins":[{"name":"p","source":"./p"}]}',
                b"p/.claude-plugin/plugin.json": data,
                b"p/skills/s/SKILL.md": data,
            }
        ),
        SkillportError,
    ),
    "tree": Target(_tree, SkillportError),
    "names": Target(lambda data: (checked_path(data), checked_name(_text(data))), SkillportError),
    "sources": Target(lambda data: folder_of(data.decode("utf-8", "replace")), SourceRefused),
    "refs": Target(_list_of_refs, HostUnreachable),
    "moved": Target(_pointed, ValueError),
    "address": Target(_address, SkillportError, ValueError),
    "webhook": Target(_webhook),
    "shown": Target(_shown),
}
SEEDS = {
    "json": [b'{"name": "x", "plugins": [1, null, true, "\\u0041"]}'],
    "yaml": [b"name: x\nmetadata:\n  version: '1.0'\n  list: [a, b]\ntext: |\n  more\n"],
    "frontmatter": [b"name: s\ndescription: >-\n  Does it.\nmetadata:\n  version: 1.10\n"],
    "marketplace": [
        b'{"name":"x","metadata":{"pluginRoot":"./p"},"plugins":[{"name":"a","source":"./a","strict":false,"skills":["./s"]}]}',
        b'{"plugins":[{"name":"b","source":{"source":"git-subdir","url":"https://a.example/x","path":"y","ref":"v1"}}]}',
        b'{"name":"x","plugins":[],"renames":{"c":"a"}}',
    ],
    "plugin": [b'{"name":"p","version":"1.0","skills":["./more"]}', b"---\nname: s\ndescription: d\n---\n"],
    "tree": [b"s/SKILL.md\t---\nname: s\ndescription: d\n---\np/x\t../y\n../z\ta"],
    "refs": [
        b"0049" + b"1" * 40 + b" refs/heads/main\n0000",
        b"003f" + b"1" * 40 + b" refs/tags/main peeled:" + b"2" * 40,
    ],
    "webhook": [b"sha256=00\n{}", b"v1,AAAA v1,BBBB\n{}"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--only", help=argparse.SUPPRESS)  # what a process of its own is started with
    parser.add_argument("targets", nargs="*")
    given, of_the_fuzzer = parser.parse_known_args()
    if given.only:
        return _fuzz(TARGETS[given.only], of_the_fuzzer)
    names = given.targets or list(TARGETS)
    crashed = [name for name in names if not _run(name, max(given.seconds // len(names), 1))]
    print(f"crashes: {len(crashed)} {' '.join(crashed)}")
    print("NOT as it must be" if crashed else "as it must be")
    return 1 if crashed else 0


def _run(name: str, seconds: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="skillport-fuzzing-") as folder:
        seeds = Path(folder) / "seeds"
        seeds.mkdir()
        for number, seed in enumerate(SEEDS.get(name, [])):
            (seeds / str(number)).write_bytes(seed)
        done = subprocess.run(
            [
                sys.executable, "-m", "tests.benchmarks.fuzzing", "--only", name, f"-max_total_time={seconds}", "-timeout=10",
                "-rss_limit_mb=1024", "-max_len=4096", f"-artifact_prefix={folder}/", "-print_final_stats=1", str(seeds),
            ],
            capture_output=True, text=True, check=False, errors="replace",
        )  # fmt: skip
        said = done.stderr.splitlines()
        count = next((line.split()[-1] for line in said if "number_of_executed_units" in line), "0")
        print(f"{name}: {int(count):,} inputs in {seconds} s", flush=True)
        good = done.returncode == 0
        if not good:
            print("\n".join(said[-40:]))
            for path in Path(folder).iterdir():
                if path.is_file():
                    print(f"  {path.name}: {path.read_bytes()!r}")
        return good


def _fuzz(target: Target, arguments: list[str]) -> int:
    try:
        import atheris  # nothing else needs it
    except ImportError:
        print("Fuzzing needs atheris: pip install atheris", file=sys.stderr)
        return 2

    def one_input(data: bytes) -> None:
        with contextlib.suppress(*target.declared):
            target.run(data)

    for function in [one for one in gc.get_objects() if isinstance(one, FunctionType)]:
        if (function.__module__ or "").startswith("marketplaces."):
            atheris.instrument_func(function)  # so that it is told which inputs lead somewhere new
    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
