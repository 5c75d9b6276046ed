"""Files of the fine-tuning API, by OpenAI's client and as other programs send them."""

from __future__ import annotations

import errno
import time
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.test import Client
from django.urls import resolve
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

from realm.disk import room
from realm.web.body_sizes import FORM_BYTES, largest_body_bytes
from realm.world import World
from tests.watchtower.openai_api.conftest import ROWS, lines
from watchtower.openai_api import files, records
from watchtower.openai_api.records import StoredFile
from watchtower.openai_api.sizes import UPLOAD_BYTES

pytestmark = pytest.mark.django_db


def upload(openai: OpenAI, name: str = "mine.jsonl", data: bytes = lines(ROWS), **options: Any) -> str:
    return openai.files.create(file=(name, data), **({"purpose": "fine-tune"} | options)).id


def test_a_file_comes_is_listed_given_back_and_deleted(openai: OpenAI, world: World) -> None:
    made = openai.files.create(file=("Zürich/Grüße 1.jsonl", BytesIO(lines(ROWS))), purpose="fine-tune")
    assert (made.filename, made.bytes, made.status) == ("Grüße 1.jsonl", len(lines(ROWS)), "processed")
    assert openai.files.wait_for_processing(made.id).id == made.id
    twin = upload(openai, "Grüße 1.jsonl")
    openai.files.delete(upload(openai, f"a.{'x' * 250}"))
    assert openai.files.content(made.id).read() == openai.files.content(twin).read() == lines(ROWS)
    assert [file.id for file in openai.files.list()] == [twin, made.id]
    assert openai.files.delete(made.id).deleted
    assert [file.id for file in openai.files.list(purpose="fine-tune")] == [twin]
    for ask in (openai.files.retrieve, openai.files.content, openai.files.delete):
        with pytest.raises(NotFoundError, match="No such File object"):
            ask(made.id)
    assert [path.name for path in world.openai_files.glob("*.jsonl")] == [f"{twin}.jsonl"]
    assert not list(world.uploads.iterdir())


def test_files_are_paged_as_the_client_asks(openai: OpenAI, world: World) -> None:
    made = [upload(openai, f"{n}.jsonl") for n in range(5)]
    assert [file.id for file in openai.files.list(limit=2)] == made[::-1]
    assert [file.id for file in openai.files.list(limit=2, order="asc")] == made
    page = openai.files.list(limit=0)
    assert (page.data, page.has_more) == ([], True)
    assert openai.files.list(purpose="batch").data == []
    for wrong in ({"after": "file-nope"}, {"limit": -1}, {"limit": 10_001}, {"order": "up"}):
        with pytest.raises(BadRequestError):
            openai.files.list(**wrong)  # type: ignore[arg-type]


def test_what_no_job_could_train_on_is_refused_and_leaves_nothing(openai: OpenAI, world: World) -> None:
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"data": b""}, "file", "empty"), ({"data": b"\n \n"}, "file", "no rows"),
        ({"data": b"hello"}, "file", "line 1"),
        ({"data": b'[{"prompt": "a", "completion": "b"}]'}, "file", "line 1|JSON array"),
        ({"data": b"PK\x03\x04" + bytes(100)}, "file", "mine.jsonl"), ({"data": b'{"nothing": 1}\n'}, "file", "line 1"),
        ({"data": lines(ROWS), "name": "a.jsonl.gz"}, "file", "a.jsonl.gz"),
        ({"purpose": "batch"}, "purpose", "'fine-tune' alone"),
        ({"expires_after": {"anchor": "created_at", "seconds": 60}}, "expires_after", "3600"),
        ({"extra_body": {"expires_after": {"anchor": "now", "seconds": 7200}}}, "expires_after", "created_at"),
    ]  # fmt: skip
    for given, param, says in cases:
        with pytest.raises(BadRequestError, match=says) as refused:
            upload(openai, **given)
        assert refused.value.param == param
    assert not [*world.openai_files.iterdir(), *world.uploads.iterdir()]


def test_other_programs_send_forms_and_read_the_same_refusals(client: Client, world: World) -> None:
    def post(**parts: Any) -> tuple[int, Any]:
        answer = client.post("/v1/files", parts)
        return answer.status_code, answer.json()

    file = BytesIO(lines(ROWS))
    file.name = "x.jsonl"
    assert post(file=file, purpose="fine-tune")[0] == 200
    assert post(purpose="fine-tune") == (400, error("file is missing", param="file", code="missing_required_parameter"))
    file.seek(0)
    assert post(file=file)[1]["error"]["param"] == "purpose"
    assert client.post("/v1/files", "{}", content_type="application/json").status_code == 400
    broken = client.post("/v1/files", b"--x\r\nnonsense", content_type="multipart/form-data; boundary=")
    assert (broken.status_code, bool(broken.json()["error"]["message"])) == (400, True)
    assert client.put("/v1/files").json() == error("PUT is not allowed here; allowed: GET, POST")
    assert "nothing at /v1/nope" in client.get("/v1/nope").json()["error"]["message"]
    assert client.post("/v1/fine_tuning/jobs", "{", content_type="application/json").json()["error"]["type"]
    assert "application/json" in client.post("/v1/fine_tuning/jobs", "{}", content_type="text/plain").content.decode()


def error(message: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def test_a_file_goes_when_it_has_expired(openai: OpenAI, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = openai.files.retrieve(upload(openai, expires_after={"anchor": "created_at", "seconds": 3600}))
    assert made.expires_at == made.created_at + 3600
    now = time.time()
    monkeypatch.setattr(files.time, "time", lambda: now + 3700)
    with pytest.raises(NotFoundError):
        openai.files.retrieve(made.id)
    assert openai.files.list().data == []
    upload(openai)
    assert len(list(world.openai_files.glob("*.jsonl"))) == 1


def test_a_large_file_is_refused_by_its_size_and_only_here_are_large_ones_taken(
    openai: OpenAI, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGEST_BYTES", 100)
    with pytest.raises(APIStatusError) as refused:
        upload(openai)
    assert (refused.value.status_code, refused.value.param) == (413, "file")
    assert largest_body_bytes("/v1/files") == UPLOAD_BYTES
    assert {largest_body_bytes(f"/v1/{path}") for path in ("fine_tuning/jobs", "files/file-1", "x")} == {FORM_BYTES}
    assert resolve("/v1/files").func.csrf_exempt  # a program has no such token; the guard asks whence a form comes


def test_no_id_leads_out_of_the_folder(world: World) -> None:
    (world.home / "config.json").write_text('{"id": "x"}')
    for file_id in ("../../config", "file-../../../config", "file-" + "0" * 24 + "/..", "", "file-" + "A" * 24):
        assert StoredFile.read(world, file_id) is None
    (world.openai_files / f"file-{'0' * 24}.json").write_text("no JSON")
    assert records.StoredFile.all(world) == []


def test_no_upload_takes_the_room_that_training_saves_in(openai: OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SPARE_BYTES", 2**62)
    with pytest.raises(BadRequestError, match="not enough room") as caught:
        upload(openai)
    assert caught.value.code == "disk_full"


def _full_after_the_beginning(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The disk fills up while a file comes. What was begun stays open as long as anybody holds it, as a trace does."""
    kept: list[Any] = []

    def write(handler: TemporaryFileUploadHandler, data: bytes, start: int) -> None:
        kept.append(handler.file)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", write)
    return kept


def test_what_did_not_fit_is_not_left_behind(openai: OpenAI, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    kept = _full_after_the_beginning(monkeypatch)
    with pytest.raises(APIStatusError):
        upload(openai)
    assert kept
    assert not list(settings.FILE_UPLOAD_TEMP_DIR.iterdir())


def test_twin_djangos_own_handler_leaves_it(openai: OpenAI, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
    kept = _full_after_the_beginning(monkeypatch)
    with pytest.raises(APIStatusError):
        upload(openai)
    assert list(settings.FILE_UPLOAD_TEMP_DIR.iterdir())
    kept.pop().close()
