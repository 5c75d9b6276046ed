"""Files and rows that come from a browser: names are hostile, sizes are not to be believed, nothing half is a quest."""

from __future__ import annotations

import io
import json
import os
import time
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from arena.gate import report as reports
from arena.queue import asking, names
from arena.queue.asking import BadRows
from arena.queue.names import BadName
from realm.disk.durable import TEMP_PREFIX
from realm.web import upload_handler
from realm.world import World
from tavern.quests import uploads

pytestmark = pytest.mark.django_db

ROW = b'{"prompt": "2 + 2 =", "completion": "4"}\n'
KEY = "0123456789abcdef" * 2


def lane(world: World, priority: str = "normal") -> dict[str, bytes]:
    """Quest files by name, without what lies beside them."""
    files = {path.name: path.read_bytes() for path in world.lane(priority).iterdir()}
    return {name: data for name, data in files.items() if not name.endswith(".json")}


def left_over(world: World) -> list[str]:
    return sorted(path.name for path in world.uploads.iterdir())


def send(client: Client, data: bytes, *, key: str = KEY, **query: Any) -> Any:
    values = {"name": "mine.jsonl", "offset": 0, "total": len(data), "priority": "normal"} | query
    return client.post(f"/quests/uploads/{key}", data, content_type="application/octet-stream", query_params=values)


def test_slices_become_one_quest(world: World, client: Client) -> None:
    data = ROW * 5
    assert send(client, data[:70], total=len(data), priority="high").json() == {"size": 70}
    assert lane(world, "high") == {}
    assert send(client, data[70:150], offset=70, total=len(data), priority="high").json() == {"size": 150}
    answer = send(client, data[150:], offset=150, total=len(data), priority="high")
    assert (answer.status_code, answer.json()) == (201, {"name": "mine.jsonl"})
    assert lane(world, "high") == {"mine.jsonl": data}
    assert left_over(world) == []


def test_a_slice_that_is_not_the_next_changes_nothing(world: World, client: Client) -> None:
    data = ROW * 3
    send(client, data[:50], total=len(data))
    for offset in (0 + 10, 49, 51, 90):
        answer = send(client, data[offset:], offset=offset, total=len(data))
        assert (answer.status_code, answer.json()) == (409, {"size": 50})
    assert send(client, data[50:], offset=50, total=len(data)).status_code == 201
    assert lane(world) == {"mine.jsonl": data}


def test_without_the_check_of_the_place_a_repeated_slice_would_double_rows(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = uploads._append
    monkeypatch.setattr(uploads, "_append", lambda temp, data, offset: real(temp, data, temp.lstat().st_size))
    data = ROW * 3
    send(client, data[:50], total=len(data))
    send(client, data[:50], offset=10, total=len(data))
    assert next(world.uploads.iterdir()).read_bytes() == data[:50] * 2


def test_two_files_of_one_name_are_two_quests(world: World, client: Client) -> None:
    for key in ("a" * 32, "b" * 32):
        assert send(client, ROW, key=key).status_code == 201
    assert sorted(lane(world).values()) == [ROW, ROW]


def test_wishes_are_there_before_the_quest(world: World, client: Client) -> None:
    answer = send(client, ROW, hold="on")
    path = world.lane("normal") / answer.json()["name"]
    assert reports.read_wishes(path).hold is True


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.jsonl", "passwd.jsonl"),
        ("C:\\data\\mine.jsonl", "mine.jsonl"),
        (".hidden.jsonl", "hidden.jsonl"),
        (f"{TEMP_PREFIX}x.jsonl", "tmp-x.jsonl"),
        ("a\x00b\x1b[31m.jsonl", "ab[31m.jsonl"),
        ("grüße 世界.jsonl.gz", "grüße 世界.jsonl.gz"),
        ("MINE.JSONL.ZST", "MINE.jsonl.zst"),
        ("<img src=x>.jsonl", "<img src=x>.jsonl"),
        ("\u202egpj.jsonl", "gpj.jsonl"),
    ],
)
def test_hostile_names_become_plain_ones(name: str, kept: str) -> None:
    assert names.file_name(name) == kept


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "table.csv",
        "mine.json",
        "mine.jsonl.exe",
        "mine.jsonl/",
        ".jsonl",
        "..jsonl",
        " .jsonl",
        "mine.jsonl\n.csv",
    ],
)
def test_what_is_no_quest_is_refused_in_a_sentence(world: World, client: Client, name: str) -> None:
    with pytest.raises(BadName, match=r"\.$"):
        names.file_name(name)
    answer = send(client, ROW, name=name or "?")
    assert answer.status_code == 400
    assert answer.json()["refused"].endswith(".")
    assert (lane(world), left_over(world)) == ({}, [])


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_endless_names_are_cut_between_characters(suffix: str) -> None:
    name = names.file_name("ü" * 5000 + suffix)
    assert name.endswith(f"ü{suffix}")
    assert len(name.encode()) <= names.LONGEST_BYTES + len(suffix)


@pytest.mark.parametrize(
    "query",
    [{"offset": -1}, {"total": -1}, {"offset": "x"}, {"priority": "urgent"}, {"total": 3}, {"offset": 2**63}],
)
def test_sizes_that_cannot_be_are_refused(world: World, client: Client, query: dict[str, Any]) -> None:
    assert send(client, ROW, **query).status_code == 400
    assert (lane(world), left_over(world)) == ({}, [])


@pytest.mark.parametrize("key", ["x" * 32, "A" * 32, "0" * 31, "0" * 33])
def test_keys_are_what_the_page_makes(world: World, client: Client, key: str) -> None:
    assert send(client, ROW, key=key).status_code == 400
    assert left_over(world) == []


def test_a_slice_has_a_largest_size(world: World, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LARGEST_SLICE_BYTES", 10)
    assert send(client, ROW).status_code == 413
    assert left_over(world) == []


def test_no_room_is_said_before_anything_is_sent(world: World, client: Client) -> None:
    answer = send(client, ROW, total=10**18)
    assert answer.status_code == 400
    assert "room" in answer.json()["refused"]
    assert left_over(world) == []


def test_a_disk_that_fills_up_leaves_the_slice_out(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ROW * 2
    send(client, data[:20], total=len(data))

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(bytes(data)[:5])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads, "open_to_append", lambda temp: Full(temp, "a"))
    answer = send(client, data[20:], offset=20, total=len(data))
    assert answer.status_code == 507
    assert "No space left" in answer.json()["refused"]
    (temp,) = world.uploads.iterdir()
    assert temp.read_bytes() == data[:20]


def test_given_up_uploads_are_swept(world: World, client: Client) -> None:
    old, young = world.uploads / f"{TEMP_PREFIX}{'0' * 32}", world.uploads / f"{TEMP_PREFIX}{'1' * 32}"
    for path in (old, young):
        path.write_bytes(ROW)
    long_ago = time.time() - 2 * upload_handler.ABANDONED_SECONDS
    os.utime(old, (long_ago, long_ago))
    send(client, ROW, key="c" * 32)
    assert left_over(world) == [young.name]


def test_the_plain_form_takes_many_files(world: World, client: Client) -> None:
    files = [SimpleUploadedFile(name, ROW) for name in ("a.jsonl", "b.jsonl", "table.csv")]
    response = client.post("/quests/uploads", {"files": files, "priority": "low"}, follow=True)
    html = response.content.decode()
    assert lane(world, "low") == {"a.jsonl": ROW, "b.jsonl": ROW}
    assert "a.jsonl is at the gate." in html
    assert "table.csv is no quest" in html
    assert left_over(world) == []


def test_the_plain_form_without_a_file_says_so(world: World, client: Client) -> None:
    response = client.post("/quests/uploads", {"priority": "low"}, follow=True)
    assert "Choose one or more files" in response.content.decode()


def paste(client: Client, text: str, **fields: str) -> HttpResponse:
    return client.post("/quests/paste", {"text": text, "name": "notes"} | fields, headers={"hx-request": "true"})  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('{"a": 1}\r\n{"a": 2}', ['{"a": 1}', '{"a": 2}']),
        ('[{"a": 1}, {"a":\n 2}]', ['{"a": 1}', '{"a":  2}']),
        (' \n[ ["x]"],"y", 3 ]\n', ['["x]"]', '"y"', "3"]),
        ('{\n  "a": "b"\n}', ['{   "a": "b" }']),
        ('[{"a": 1, "a": 2}]', ['{"a": 1, "a": 2}']),
        ("not json at all", ["not json at all"]),
    ],
)
def test_pasted_rows_are_kept_as_they_were_written(world: World, client: Client, text: str, rows: list[str]) -> None:
    assert paste(client, text).status_code == 200
    assert lane(world) == {"notes.jsonl": "".join(f"{row}\n" for row in rows).encode()}


@pytest.mark.parametrize(
    "text", ["", "  \n ", "[]", "[1, 2", "[1 2]", "[1] 2", "[{'a': 1}]", "[,]", "[1,", "[", "[" * 100_000]
)
def test_what_cannot_be_rows_is_refused_and_says_what_is_expected(world: World, client: Client, text: str) -> None:
    with pytest.raises(BadRows):
        asking.lines_of(text)
    response = paste(client, text)
    assert response.status_code == 400
    assert "data-urgent" in response.content.decode()
    assert lane(world) == {}


def test_a_pasted_name_gets_its_ending_and_no_folder(world: World, client: Client) -> None:
    for name in ("../up", "mine.jsonl", ""):
        paste(client, '{"a": 1}', name=name)
    assert sorted(lane(world)) == ["mine.jsonl", "pasted.jsonl", "up.jsonl"]


def test_a_paste_larger_than_djangos_usual_limit(world: World, client: Client) -> None:
    text = "\n".join(json.dumps({"text": "x" * 1000}) for _ in range(4000))
    assert paste(client, text).status_code == 200
    assert len(lane(world)["notes.jsonl"]) > 4_000_000
