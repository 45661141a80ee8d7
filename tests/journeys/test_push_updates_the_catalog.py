"""The second story: somebody pushes, and a moment later everybody has it; a skill that is withdrawn is gone."""

from pathlib import Path

import httpx2

from marketplaces.services.binding import bind_marketplace
from marketplaces.services.credentials import Credential
from skillport.demo.git_host import commit_folder, push
from tests.cast import key_of, make_cast
from tests.repositories import SMALL, Executable, Files, Link, NewRepository, skill
from tests.waiting import until


def write(files: Files, folder: Path) -> None:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case Link(to):
                target.symlink_to(to)
            case Executable(body):
                target.write_bytes(body)
                target.chmod(0o755)
            case str():
                target.write_text(content)
            case bytes():
                target.write_bytes(content)


def test_a_push_reaches_members_through_the_webhook(
    http: httpx2.Client, new_repository: NewRepository, tmp_path: Path
) -> None:
    cast = make_cast()
    repository = new_repository({})
    owner, work = repository.host, tmp_path / "work"
    write(SMALL, tmp_path / "first")
    commit_folder(tmp_path / "first", work, "Begin")
    push(work, repository.url, "owner", owner.password)
    bound = bind_marketplace(
        principal=cast.alice, slug="skills", url=repository.url, credential=Credential(repository.token)
    )
    owner.tell_of_pushes(repository.name, bound.webhook_url, bound.webhook_secret)
    bobs = {"Authorization": f"Bearer {key_of(cast.bob)}"}

    def skills() -> dict[str, str]:
        listed = http.get("/acme/api/v1/skills", headers=bobs).json()["skills"]
        return {one["name"]: one["description"] for one in listed}

    until(lambda: skills() == {"hello": "Greets people.", "secret": "Only for some."})

    changed = {path: content for path, content in SMALL.items() if "/secret/" not in path}
    changed["plugins/tools/skills/hello/SKILL.md"] = skill("hello", "Greets people warmly.")
    write(changed, tmp_path / "second")
    commit_folder(tmp_path / "second", work, "Greet warmly, withdraw the secret")
    push(work, repository.url, "owner", owner.password)

    until(lambda: skills() == {"hello": "Greets people warmly."})
    told = http.get("/acme/api/v1/skills/hello", headers=bobs).json()
    assert told["skill"]["version"].startswith("1.2.0+"), (
        "same author's version, other content: another version served"
    )
    assert http.get("/acme/api/v1/skills/secret", headers=bobs).status_code == 404
