"""PostgreSQL as root without user namespaces: it runs as `nobody`, who may not enter a private home."""

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from skillport.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError, Nobody
from tests.skillport.clusters import Clusters, needs_binaries, said, socket_folder

pytestmark = [
    needs_binaries,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
]


class NobodyHere(Nobody):
    """The same with a base folder of the test's own, because other tests run beside it."""

    def __init__(self, base: Path) -> None:
        super().__init__()
        self._base = base


@pytest.fixture
def base() -> Iterator[Path]:
    """Give a folder that everybody can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="skillport-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a checkout inside a home that only its owner can enter."""
    checkout = tmp_path / "home" / "checkout"
    checkout.mkdir(parents=True)
    checkout.parent.chmod(0o700)
    return checkout


@pytest.fixture
def postgres(base: Path, clusters: Clusters, checkout: Path) -> EmbeddedPostgres:
    postgres = clusters.new(checkout / ".skillport" / "postgres", NobodyHere(base))
    postgres.start()
    postgres.make_database("kept")
    return postgres


def test_a_server_below_a_private_home_runs_as_nobody(
    postgres: EmbeddedPostgres, checkout: Path, base: Path
) -> None:
    said(postgres, "CREATE TABLE notes AS SELECT 'still here' AS note")
    status = Path(f"/proc/{postgres.pid}/status").read_text()
    user = str(pwd.getpwnam("nobody").pw_uid)
    assert next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:] == [user] * 4
    postgres.stop()
    postgres.start()
    assert said(postgres, "SELECT note FROM notes") == "still here"
    # Its program is a copy, because the package may lie in a private home, too.
    assert Path(f"/proc/{postgres.pid}/exe").readlink().is_relative_to(base)
    # The home is as private as before, and nothing in it was given away.
    assert stat.S_IMODE(checkout.parent.stat().st_mode) == 0o700
    assert {entry.stat().st_uid for entry in checkout.rglob("*")} == {0}


@pytest.fixture
def groups_of_root() -> Iterator[set[str]]:
    """Give this process two more groups, as a login shell of root's may have."""
    before = os.getgroups()
    os.setgroups([0, 4])
    yield {"0", "4"}
    os.setgroups(before)


def test_the_server_keeps_none_of_roots_groups(groups_of_root: set[str], postgres: EmbeddedPostgres) -> None:
    status = Path(f"/proc/{postgres.pid}/status").read_text()
    groups = next(line for line in status.splitlines() if line.startswith("Groups:")).split()[1:]
    assert not groups_of_root & set(groups)


def test_only_nobody_and_root_can_enter_its_folders(postgres: EmbeddedPostgres, base: Path) -> None:
    (data,) = base.glob("*/data")
    for folder in (data, socket_folder(postgres)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert base.stat().st_uid == 0
    assert stat.S_IMODE(base.stat().st_mode) == 0o755
    (binaries,) = base.glob("binaries-*")
    owners = {entry.lstat().st_uid for entry in binaries.rglob("*")}
    assert owners == {0}  # nobody cannot exchange what it will run


def test_two_checkouts_have_two_servers(
    base: Path, postgres: EmbeddedPostgres, clusters: Clusters, tmp_path: Path
) -> None:
    other = clusters.new(tmp_path / "other", NobodyHere(base))
    other.start()
    assert other.pid not in {None, postgres.pid}
    assert said(postgres, "SELECT count(*) FROM pg_database WHERE datname = 'kept'", database="postgres") == 1
    assert said(other, "SELECT count(*) FROM pg_database WHERE datname = 'kept'", database="postgres") == 0


def test_a_base_folder_that_somebody_else_prepared_is_refused(
    clusters: Clusters, base: Path, checkout: Path
) -> None:
    os.chown(base, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(EmbeddedPostgresError, match="does not belong to root"):
        clusters.new(checkout / "postgres", NobodyHere(base)).start()


def test_the_base_folder_is_in_a_place_that_survives_a_restart() -> None:
    assert Nobody().data_folder(Path("/x")).is_relative_to("/var/tmp/skillport-postgres")
