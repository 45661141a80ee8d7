"""Static files come whole, from the real server."""

import httpx2
from django.contrib.staticfiles import finders

FILE = "skillport/app.css"


def content() -> bytes:
    path = finders.find(FILE)
    assert isinstance(path, str)
    with open(path, "rb") as file:  # noqa: PTH123 a path that Django gives as text
        return file.read()


def test_a_file_is_served_with_its_type_and_length(http: httpx2.Client) -> None:
    answer = http.get(f"/static/{FILE}")
    assert (answer.status_code, answer.content) == (200, content())
    assert answer.headers["content-type"].startswith("text/css")
    assert int(answer.headers["content-length"]) == len(content())


def test_its_head_a_part_of_it_and_that_it_has_not_changed(http: httpx2.Client) -> None:
    head = http.head(f"/static/{FILE}")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(content())))
    part = http.get(f"/static/{FILE}", headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, content()[3:10])
    since = {"If-Modified-Since": head.headers["last-modified"]}
    assert http.get(f"/static/{FILE}", headers=since).status_code == 304
    assert http.post(f"/static/{FILE}").status_code == 405


def test_what_is_not_there_or_no_static_file_is_not_served(http: httpx2.Client) -> None:
    for path in (
        "/static/nothing.css",
        "/static/../manage.py",
        "/static/%2e%2e/manage.py",
        "/static/skillport/",
    ):
        assert http.get(path).status_code == 404, path
