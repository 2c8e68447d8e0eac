"""--record: what leaves the process is kept as it left, and only where that was asked for."""

from pathlib import Path

from tools.local_host import record


def answers(folder: Path) -> list[record.Recorded]:
    return [each for _, each in record.read((folder / record.ANSWERS).read_bytes())]


def test_every_answer_is_kept_with_its_headers_and_its_body(start, tmp_path: Path) -> None:
    """Before it is sent, so that nobody knows an answer that the record does not."""
    host = start("--record", str(tmp_path))
    sent = [host.post("/mirror", b"\x00\n{}\xff"), host.get("/"), host.get("/nowhere"), host.get("/admin/host/ping")]
    kept = answers(tmp_path)
    assert [each.path for each in kept] == ["/mirror", "/", "/nowhere", "/admin/host/ping"]
    assert [(each.status, each.body) for each in kept] == [(reply.status, reply.body) for reply in sent]
    for each, reply in zip(kept, sent, strict=True):
        assert set(each.headers) <= set(reply.headers)


def test_every_logger_is_kept_at_debug_and_the_output_stays_as_it_is(start, tmp_path: Path) -> None:
    """Also one that the app has muted."""
    host = start("--record", str(tmp_path))
    quiet = start()
    for each in (host, quiet):
        assert each.get("/whisper").status == 200
        each.wait_for("said aloud")
        assert "whispered" not in each.output
    lines = (tmp_path / record.LOG).read_text()
    assert "DEBUG azure.sample: whispered" in lines
    assert "INFO azure.sample: whispered" in lines
    assert "said aloud" in lines


def test_an_answer_that_was_cut_short_is_left(tmp_path: Path) -> None:
    whole = b'{"path": "/", "status": 200, "headers": [["a", "b"]], "bytes": 3}\nabc'
    for cut in range(1, len(whole)):
        assert [each.body for _, each in record.read(whole + whole[:cut])] == [b"abc"]
    assert [end for end, _ in record.read(whole + whole)] == [len(whole), 2 * len(whole)]
