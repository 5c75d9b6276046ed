"""What a branch officer answers, and what it never lets out."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from starlette.testclient import TestClient

from tests.support.checkpoints import WEIGHTS, make_checkpoint
from tests.support.traversals import traversals
from tests.support.zones import asked_raw, contents
from vault.officer import announcements, destinations, opening
from vault.officer.app import Officer
from vault.officer.protocol_door import ProtocolDoor

pytestmark = pytest.mark.slow
BASE = Path("/nowhere/base")
ID = "checkpoint_100_DIO_20260101-1230"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "base"
    make_checkpoint(base / "heroes", 100)
    make_checkpoint(base / "heroes", 200)
    (base / "data").mkdir()
    (base / "data" / "train_syllo.jsonl").write_text('{"a": 1}\n', encoding="utf-8")
    return base


@pytest.fixture
def officer(base: Path) -> TestClient:
    return TestClient(ProtocolDoor(Officer("3090", base).application), base_url="http://127.0.0.1:8768")


def told(officer: TestClient, path: str, **options: Any) -> Any:
    reply = officer.get(path, **options)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_what_cannot_be_told_is_left_out_and_the_rest_is_listed(officer: TestClient, base: Path) -> None:
    for name in (b"\xff.jsonl", b"a\x1b[2J.jsonl"):
        Path(os.fsdecode(os.fsencode(base / "data") + b"/" + name)).touch()
    make_checkpoint(base / "heroes", 300, created_at="2026-01-01T12:30:00")
    assert len(told(officer, "/assets")["assets"]) == 3
    left_out = officer.post("/scan").json()["left_out"]
    assert any("\\xff" in each or "\\udcff" in each for each in left_out)
    assert any("has no offset" in each for each in left_out)


def test_status_and_assets(officer: TestClient, base: Path) -> None:
    status = told(officer, "/status")
    assert (status["status"], status["zone_id"], status["protocol"]) == ("online", "3090", "1")
    assert status["base_dir"] == str(base)
    assert status["catalog"]["checkpoint"] == 2
    assert status["disk"]["free_bytes"] > 0
    assert status["machine"]["disk_total_bytes"] == status["disk"]["total_bytes"]
    assert told(officer, "/health")["status"] == "healthy"
    listed = told(officer, "/assets?type=checkpoint")["assets"]
    assert {each["asset_id"] for each in listed} == {"checkpoint_100", "checkpoint_200"}
    assert {each["whole_id"] for each in listed} == {ID, ID.replace("100", "200")}
    assert officer.get("/assets?type=nothing").status_code == 400
    assert told(officer, "/assets/checkpoint_100")["whole_id"] == ID
    assert told(officer, f"/assets/{ID}")["asset_id"] == "checkpoint_100"
    assert "model.safetensors" in told(officer, f"/assets/{ID}")["files"]


def test_an_id_that_can_mean_two_things_names_them(officer: TestClient, base: Path) -> None:
    make_checkpoint(base / "heroes", 100, hero="EVE")
    officer.post("/scan")
    reply = officer.get("/fetch/checkpoint_100")
    assert reply.status_code == 404
    assert "checkpoint_100_EVE_20260101-1230" in reply.json()["error"]
    listed = told(officer, "/assets?type=checkpoint")["assets"]
    assert {each["asset_id"] for each in listed} == {ID, "checkpoint_100_EVE_20260101-1230", "checkpoint_200"}


def test_scan_tells_what_is_new(officer: TestClient, base: Path) -> None:
    told(officer, "/status")
    make_checkpoint(base / "heroes", 300)
    assert officer.post("/scan").json()["added"] == ["checkpoint_300_DIO_20260101-1230"]


def test_transfer_information_leads_to_the_bytes(officer: TestClient, base: Path) -> None:
    said = told(officer, "/fetch/checkpoint_100")
    assert said["manifest"]["asset_id"] == ID
    folder = base / "heroes" / "DIO" / said["name"]
    for file in said["files"]:
        reply = officer.get(file["url"])
        assert reply.content == (folder / file["path"]).read_bytes()
        assert reply.headers["etag"] == f'"{file["sha256"]}"'
        assert reply.headers["repr-digest"] == f"sha-256=:{base64.b64encode(bytes.fromhex(file['sha256'])).decode()}:"
        assert reply.headers["realm-protocol"] == "1"
    with tarfile.open(fileobj=io.BytesIO(officer.get(said["tar"]).content)) as tar:
        assert sorted(tar.getnames()) == sorted(f"{said['name']}/{file['path']}" for file in said["files"])


@pytest.mark.parametrize(
    ("asked", "status", "span"),
    [
        ({"Range": "bytes=0-9"}, 206, (0, 10)),
        ({"Range": "bytes=10-"}, 206, (10, None)),
        ({"Range": "bytes=-5"}, 206, (-5, None)),
        ({"Range": "bytes=0-9", "If-Range": '"other"'}, 200, (0, None)),
        ({"Range": "bytes=0-9", "If-Range": "ETAG"}, 206, (0, 10)),
        ({"Range": "bytes=1-2,4-5"}, 200, (0, None)),
        ({"Range": "lines=1-2"}, 200, (0, None)),
        ({"Range": "bytes=999999-"}, 416, (0, 0)),
        ({"If-None-Match": "ETAG"}, 304, (0, 0)),
        ({"If-Match": '"other"'}, 412, (0, 0)),
    ],
)
def test_ranges_and_conditions(
    officer: TestClient, base: Path, asked: dict[str, str], status: int, span: tuple[int, int | None]
) -> None:
    url = f"/fetch/{ID}/{WEIGHTS}"
    etag = officer.head(url).headers["etag"]
    reply = officer.get(url, headers={name: etag if value == "ETAG" else value for name, value in asked.items()})
    weights = next((base / "heroes" / "DIO").glob("checkpoint-100-*")) / WEIGHTS
    assert reply.status_code == status
    assert reply.content == weights.read_bytes()[slice(*span)]


def test_metalink_for_download_programs(officer: TestClient) -> None:
    reply = officer.get(f"/fetch/{ID}", headers={"Accept": "application/metalink4+xml"})
    names = {"m": "urn:ietf:params:xml:ns:metalink"}
    for file in ElementTree.fromstring(reply.content).findall("m:file", names):
        url, size = file.findtext("m:url", namespaces=names), file.findtext("m:size", namespaces=names)
        assert len(officer.get(str(url)).content) == int(str(size))


def test_another_protocol_is_refused_and_both_are_named(officer: TestClient) -> None:
    reply = officer.get("/status", headers={"Realm-Protocol": "2"})
    assert reply.status_code == 400
    assert "'2'" in reply.json()["error"]
    assert "'1'" in reply.json()["error"]
    assert reply.headers["realm-protocol"] == "1"


def test_links_and_pipes_are_never_listed_nor_sent(officer: TestClient, base: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.write_text("secret", encoding="utf-8")
    (base / "data" / "link.jsonl").symlink_to(secret)
    (base / "linked").symlink_to(tmp_path)
    os.link(secret, base / "data" / "hard.jsonl")
    os.mkfifo(base / "data" / "pipe.jsonl")
    said = officer.post("/scan").json()
    assert said["scanned"] == 3
    assert any("hard.jsonl" in sentence for sentence in said["left_out"])
    url = told(officer, "/fetch/data_train_syllo")["url"]
    (base / "data" / "train_syllo.jsonl").unlink()
    (base / "data" / "train_syllo.jsonl").symlink_to(secret)
    assert officer.get(url).status_code == 422


def test_twin_an_open_that_follows_links_sends_what_is_behind(
    officer: TestClient, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = told(officer, "/fetch/data_train_syllo")["url"]
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (base / "data" / "train_syllo.jsonl").unlink()
    (base / "data" / "train_syllo.jsonl").symlink_to(tmp_path / "secret")
    monkeypatch.setattr(opening, "_FLAGS", opening._FLAGS & ~os.O_NOFOLLOW)
    assert officer.get(url).content == b"secret"


def test_what_it_was_not_sent_is_not_deleted(officer: TestClient, base: Path) -> None:
    before = contents(base / "heroes")
    reply = officer.delete(f"/assets/{ID}")
    assert reply.status_code == 409
    assert "was not sent here" in reply.json()["error"]
    assert contents(base / "heroes") == before


async def test_no_spelling_leads_out_of_the_folder(base: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "canary").write_text("bird", encoding="utf-8")
    application, before = Officer("3090", base).application, contents(tmp_path)
    spellings = traversals("outside/canary")
    assert len(spellings) >= 400
    for spelling in spellings:
        for path in {spelling, unquote(spelling)}:
            for raw in (f"/fetch/{ID}/{path}", f"/fetch/{path}", f"/assets/{path}"):
                status, body = await asked_raw(application, raw)
                assert status in (400, 404), (raw, body)
                assert b"bird" not in body
        said = announcement(asset_id=ID, destination=spelling)
        if said is not None:
            assert Path(os.path.normpath(said)).is_relative_to(BASE), spelling
            assert not any(part.startswith(".") for part in said.relative_to(BASE).parts)
        assert announcement(asset_id=spelling) is None
    assert {name: data for name, data in contents(tmp_path).items() if "/.zone/" not in name} == before


def announcement(**said: str) -> Path | None:
    """Where it would be put, if it is taken at all."""
    try:
        return announcements.target_of(BASE, announcements.read(json.dumps(said).encode()))
    except announcements.Refused:
        return None


@pytest.mark.parametrize("key", ["path", "name"])
def test_no_spelling_is_taken_for_a_file_of_a_manifest(officer: TestClient, key: str) -> None:
    made = told(officer, f"/fetch/{ID}")["manifest"]
    proof = made["files"][WEIGHTS]
    for spelling in traversals():
        lying = made | ({"name": spelling} if key == "name" else {"files": made["files"] | {spelling: proof}})
        try:
            taken = announcements.read(json.dumps({"manifest": lying}).encode())
        except announcements.Refused:
            continue
        target = announcements.target_of(BASE, taken)
        assert target.is_relative_to(BASE)
        for path in taken.manifest.files if taken.manifest else ():
            assert os.path.normpath(target / path).startswith(f"{target}/"), spelling


def test_twin_without_the_check_a_destination_leads_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "is_safe_path", lambda path: True)
    monkeypatch.setattr(destinations, "_HIDDEN", ("~",))
    found = [announcement(asset_id=ID, destination=spelling) for spelling in traversals() if len(spelling) < 200]
    assert any(path is not None and not Path(os.path.normpath(path)).is_relative_to(BASE) for path in found)
