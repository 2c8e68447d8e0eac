from hashlib import sha256

import pytest

from shared.errors import NotFound
from shared.web.statics import StaticFiles


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "style.css").write_bytes(b"body{}")
    return tmp_path


def test_an_address_holds_the_digest_of_the_content(folder):
    digest = sha256(b"body{}").hexdigest()[:16]

    assert StaticFiles(folder).url("style.css") == f"/static/{digest}/style.css"


def test_an_address_changes_with_the_content(folder):
    before = StaticFiles(folder).url("style.css")
    (folder / "style.css").write_bytes(b"body{color:red}")

    assert StaticFiles(folder).url("style.css") != before


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("style.css", "text/css; charset=utf-8"), ("favicon.svg", "image/svg+xml; charset=utf-8")],
)
def test_a_file_is_cached_for_a_year_under_its_address(statics, name, content_type):
    digest = statics.url(name).split("/")[2]
    answer = statics.find(digest, name)

    assert (answer.status, answer.content_type, answer.cacheable) == (200, content_type, True)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert sha256(answer.body).hexdigest().startswith(digest)


@pytest.mark.parametrize("name", ["../style.css", "..%2fstyle.css", "STYLE.CSS", "style.css;x.js", "", "nothing.css"])
def test_no_other_name_is_found(statics, name):
    digest = statics.url("style.css").split("/")[2]

    with pytest.raises(NotFound):
        statics.find(digest, name)


@pytest.mark.parametrize("digest", ["", "0" * 16, "..", "favicon.svg"])
def test_no_other_digest_is_found(statics, digest):
    with pytest.raises(NotFound):
        statics.find(digest, "style.css")


def test_a_digest_of_another_file_is_not_found(statics):
    with pytest.raises(NotFound):
        statics.find(statics.url("favicon.svg").split("/")[2], "style.css")
