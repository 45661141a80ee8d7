import hashlib

from marketplaces.manifest.digests import release_digest

ONE, TWO = hashlib.sha256(b"one").digest(), hashlib.sha256(b"two").digest()


def test_the_digest_is_of_one_line_per_file_sorted_by_the_bytes_of_the_path():
    lines = (
        f"100644 {ONE.hex()} B.md\n100755 {TWO.hex()} a/run\n100644 {ONE.hex()} é\n100644 {TWO.hex()} 🎉\n"
    )
    files = [("🎉", False, TWO), ("a/run", True, TWO), ("é", False, ONE), ("B.md", False, ONE)]
    assert release_digest(files) == hashlib.sha256(lines.encode()).digest()


def test_path_mode_and_content_each_change_it():
    digests = {
        release_digest([("a", False, ONE)]),
        release_digest([("b", False, ONE)]),
        release_digest([("a", True, ONE)]),
        release_digest([("a", False, TWO)]),
        release_digest([("a", False, ONE), ("b", False, ONE)]),
        release_digest([]),
    }
    assert len(digests) == 6
