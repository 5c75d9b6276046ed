"""The truth mirror's pages: marks that do not hang on colour, caps that are said, words that stay words."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from django.test import Client

from arena.confined.mask import ConfinedMask
from arena.gate import row_index
from arena.gate.findings import Findings
from arena.models import Quest
from arena.preview import mirror
from arena.preview.rows import PackedExample, PackedRow, Piece
from arena.rows.parse import Refusal
from realm.world import CHECKOUT, World
from tavern.quests import token_mirror
from tests.support.pages import in_one_line
from tests.support.tavern_quests import HOSTILE, make_quest, path_of, write_report

pytestmark = pytest.mark.django_db

TOKEN = re.compile(r'<span class="(t[^"]*)"\s+data-at="(\d+)"\s+data-ids="([^"]*)"[^>]*>([^<]*)</span>')


def tokens(html: str) -> list[tuple[str, int, str, str]]:
    return [(kind, int(at), ids, text) for kind, at, ids, text in TOKEN.findall(html)]


def test_only_the_answer_and_its_end_are_trained(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", rows=({"prompt": "what is two", "completion": "it is 2"},))
    html = client.get(f"/quests/{quest.pk}/rows/1").content.decode()
    found = tokens(html)
    trained = "".join(text for kind, _, _, text in found if "trained" in kind)
    assert trained.replace("·", " ") == "it is 2&lt;|im_end|&gt;"
    assert all("special" in kind for kind, _, _, text in found if "im_" in text)
    table = re.findall(r"<td>(\d+)</td><td>[\d, ]+</td><td>([TM])</td>", in_one_line(html))
    assert [(int(at), mark == "T") for at, mark in table] == [(at, "trained" in kind) for kind, at, _, _ in found]
    assert {mark for _, mark in table} == {"T", "M"}


def test_programs_see_what_the_page_shows(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", rows=({"prompt": "what is two", "completion": "it is 2"}, {"text": "plain"}))
    told = client.get(f"/api/quests/{quest.pk}/rows/1").json()
    drawn = tokens(client.get(f"/quests/{quest.pk}/rows/1").content.decode())
    assert [piece["trained"] for piece in told["row"]["pieces"]] == ["trained" in kind for kind, _, _, _ in drawn]
    assert [", ".join(map(str, piece["ids"])) for piece in told["row"]["pieces"]] == [ids for _, _, ids, _ in drawn]
    page = client.get(f"/api/quests/{quest.pk}/rows?limit=1").json()
    assert (page["count"], page["next"], page["rows"][0]["line"]) == (1, 2, 1)
    packed = client.get(f"/api/quests/{quest.pk}/packed/1").json()
    assert sorted(example["line"] for example in packed["examples"]) == [1, 2]
    codes = {"rows/9": 404, "packed/99": 404, "rows/0": 422, "estimate": 409, "quarantine": 404}
    assert {path: client.get(f"/api/quests/{quest.pk}/{path}").status_code for path in codes} == codes


def test_positions_count_tokens_not_pieces() -> None:
    pieces = [Piece("a", (5,), False, False), Piece("世", (7, 8, 9), True, False), Piece("b", (6,), True, False)]
    assert [(token.at, token.ids) for token in token_mirror.tokens_of(pieces)] == [(0, "5"), (1, "7, 8, 9"), (4, "6")]


@pytest.mark.parametrize(
    ("text", "seen"), [(" ", "·"), ("  ", "··"), ("\n", "↵\n"), (" a", " a"), ("\t", "⇥\t"), ("\r\n", "␍↵\n")]
)
def test_blanks_can_be_seen(text: str, seen: str) -> None:
    assert token_mirror.visible(Piece(text, (1,), False, False)) == seen


def test_rows_are_listed_in_pages_and_jumped_to(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", rows=tuple({"text": f"row number {n}"} for n in range(60)))
    address = f"/quests/{quest.pk}/rows"
    first = in_one_line(client.get(address).content.decode())
    assert first.count("row number") == token_mirror.ROWS_A_PAGE
    assert f'href="?first={token_mirror.ROWS_A_PAGE + 1}" rel="next"' in first
    last = client.get(f"{address}?first=51").content.decode()
    assert last.count("row number") == 10
    assert 'rel="next"' not in last
    assert client.get(f"{address}?line=7").headers["Location"] == f"{address}/7"
    assert client.get(f"{address}?packed=2").headers["Location"] == f"/quests/{quest.pk}/packed/2"
    for odd in ("x", "-1", "0", "9" * 40):
        assert client.get(address, {"line": odd, "first": odd, "packed": odd}).status_code == 200


def test_a_bad_row_is_named_and_stands_as_it_is(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", rows=({"prompt": "a", "completion": "b"}, {"what": "is this"}))
    listed = client.get(f"/quests/{quest.pk}/rows").content.decode()
    assert 'class="bad"' in listed
    html = client.get(f"/quests/{quest.pk}/rows/2").content.decode()
    assert "Not trained on:" in html
    assert "{&quot;what&quot;: &quot;is this&quot;}" in html


def test_packed_rows_show_their_examples_apart(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", rows=tuple({"prompt": f"q {n}", "completion": f"a {n}"} for n in range(40)))
    html = in_one_line(client.get(f"/quests/{quest.pk}/packed/1").content.decode())
    lines = [int(line) for line in re.findall(r'class="edge"><a href="/quests/\d+/rows/(\d+)"', html)]
    assert len(lines) == len(set(lines)) > 1
    assert html.count("<rect") == len(lines) == html.count("data-tokens")
    assert 'rel="next"' in html
    assert client.get(f"/quests/{quest.pk}/packed/999").status_code == 404


def test_segments_lie_side_by_side() -> None:
    examples = tuple(PackedExample(line, (), count, 1) for line, count in ((4, 100), (9, 50), (2, 50)))
    row = PackedRow(number=1, of=1, examples=examples, tokens=200, max_length=400, step=1)
    segments = token_mirror.segments_of(row)
    assert [segment.x for segment in segments] == [0, 25, 37.5]
    assert all(one.x + one.width < other.x for one, other in pairwise(segments))


def talk(words: int) -> tuple[dict[str, object]]:
    return ({"messages": [{"role": "user", "content": "word " * words}, {"role": "assistant", "content": "yes"}]},)


def test_a_large_row_is_capped_and_says_so(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", rows=talk(30_000))
    answer = client.get(f"/quests/{quest.pk}/rows/1")
    html = answer.content.decode()
    assert len(answer.content) < 1_000_000
    assert len(tokens(html)) == token_mirror.MOST_PIECES
    assert html.count("Cut:") == 2
    assert "more characters" in html


def test_a_huge_row_is_never_tokenised_for_the_eyes(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    real = ConfinedMask.tokenize_many

    def tokenize(self: ConfinedMask, contents: list[Any]) -> list[Any]:
        sizes.extend(len(str(content)) for content in contents)
        return real(self, contents)

    monkeypatch.setattr(ConfinedMask, "tokenize_many", tokenize)
    quest = make_quest(world, "mine", rows=talk(60_000))
    html = client.get(f"/quests/{quest.pk}/rows/1").content.decode()
    assert "too much to be shown token by token" in html
    assert "more characters" in html
    assert sizes == []
    monkeypatch.setattr(mirror, "LARGEST_TOKENISED_BYTES", 10**9)
    client.get(f"/quests/{quest.pk}/rows/1")
    assert sizes, "without the limit it would be"


def leave_index(world: World, quest: Quest, verdicts: tuple[int, ...]) -> None:
    path = path_of(world, quest)
    offsets = np.cumsum([0, *map(len, path.read_bytes().splitlines(keepends=True))])
    records = [(n + 1, offsets[n], 9, 4, verdict) for n, verdict in enumerate(verdicts)]
    np.save(f"{path}.rows.npy", np.array(records, row_index.DTYPE))


TWINS = tuple({"prompt": "what is two", "completion": "it is 2"} for _ in range(3))
COPY = (Refusal(2, "the same row as line 1", "duplicate"),)
TAKEN, UNTRAINABLE, ASIDE = row_index.TAKEN, row_index.UNTRAINABLE, row_index.SET_ASIDE


def test_rows_that_were_set_aside_are_shown_untrained_with_the_reason(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", rows=TWINS)
    write_report(world, quest, refused=COPY, refused_count=2)
    leave_index(world, quest, (TAKEN, ASIDE, ASIDE))
    html = [client.get(f"/quests/{quest.pk}/rows/{line}").content.decode() for line in (1, 2, 3)]
    assert [any("trained" in kind for kind, *_ in tokens(page)) for page in html] == [True, False, False]
    assert ["Not trained on:" in page for page in html] == [False, True, True]
    assert "the same row as line 1" in html[1]
    assert "set aside by the gatekeepers" in html[2], "a report names the first refused rows only"
    listed = client.get(f"/quests/{quest.pk}/rows").content.decode()
    assert listed.count('class="bad"') == 2


def test_without_the_gatekeepers_word_a_copy_would_look_trained(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Findings, "set_aside", lambda self, line: None)
    quest = make_quest(world, "mine", rows=TWINS)
    write_report(world, quest, refused=COPY)
    leave_index(world, quest, (TAKEN, ASIDE, TAKEN))
    html = client.get(f"/quests/{quest.pk}/rows/2").content.decode()
    assert any("trained" in kind for kind, *_ in tokens(html))


def test_an_index_of_another_file_sets_nothing_aside(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", rows=TWINS)
    write_report(world, quest, refused=COPY)
    leave_index(world, quest, (TAKEN, ASIDE, TAKEN))
    later = path_of(world, quest).stat().st_mtime_ns + 10**10
    os.utime(path_of(world, quest), ns=(later, later))
    assert "Not trained on" not in client.get(f"/quests/{quest.pk}/rows/2").content.decode()


def test_refused_rows_alone_are_listed_in_pages(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", rows=tuple({"text": f"row number {n}"} for n in range(1, 101)))
    leave_index(world, quest, (TAKEN, ASIDE) * 40 + (TAKEN, UNTRAINABLE) * 10)
    address = f"/quests/{quest.pk}/rows"
    assert "Refused only<b>50</b>" in in_one_line(client.get(address).content.decode())
    first = in_one_line(client.get(f"{address}?only=refused").content.decode())
    assert re.findall(r"row number (\d+)", first) == [str(n) for n in range(2, 51, 2)]
    assert 'href="?only=refused&amp;first=52" rel="next"' in first
    last = in_one_line(client.get(f"{address}?only=refused&first=52").content.decode())
    assert re.findall(r"row number (\d+)", last) == [str(n) for n in range(52, 101, 2)]
    assert 'href="?only=refused&amp;first=1" rel="prev"' in last
    assert 'rel="next"' not in last


def test_without_an_index_nothing_is_filtered(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", rows=TWINS)
    html = client.get(f"/quests/{quest.pk}/rows?only=refused").content.decode()
    assert html.count("what is two") == 3
    assert "Refused only" not in html


def test_a_huge_row_shows_what_the_gatekeepers_counted(world: World, client: Client) -> None:
    quest = make_quest(world, "mine", rows=talk(60_000))
    refused = (Refusal(1, "140002 tokens are more than max_length 256", "too-long"),)
    write_report(world, quest, refused=refused)
    record = np.array([(1, 0, 140_002, 3, row_index.UNTRAINABLE)], row_index.DTYPE)
    np.save(path_of(world, quest).with_name("mine.jsonl.rows.npy"), record)
    html = client.get(f"/quests/{quest.pk}/rows/1").content.decode()
    assert "140,002" in html
    assert "more than max_length 256" in html


def test_hostile_rows_stay_words(world: World, client: Client) -> None:
    rows = (
        {"messages": [{"role": "user", "content": HOSTILE}, {"role": "assistant", "content": HOSTILE}]},
        {"text": f"</pre></span>{HOSTILE}"},
        {HOSTILE: HOSTILE},
    )
    quest = make_quest(world, HOSTILE, rows=rows)
    for address in ("rows", "rows/1", "rows/2", "rows/3", "packed/1"):
        html = client.get(f"/quests/{quest.pk}/{address}").content.decode()
        assert "<script>alert" not in html, address
        assert "<img" not in html, address


def test_lines_and_files_that_are_not_there_are_not_found(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    for line in (0, 3, 2**40):
        assert client.get(f"/quests/{quest.pk}/rows/{line}").status_code == 404
    path_of(world, quest).unlink()
    for address in ("rows", "rows/1", "packed/1"):
        assert client.get(f"/quests/{quest.pk}/{address}").status_code == 404


def test_a_file_that_cannot_be_read_is_told_of(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    path = path_of(world, quest).rename(path_of(world, quest).with_suffix(".jsonl.gz"))
    quest.file = str(path.relative_to(world.queue))
    quest.save()
    for address in ("rows", "rows/1", "packed/1"):
        html = client.get(f"/quests/{quest.pk}/{address}").content.decode()
        assert "Nothing can be shown" in html, address


def test_settings_that_cannot_be_read_are_told_of(world: World, client: Client) -> None:
    quest = make_quest(world, "mine")
    (world.home / "datasets.yaml").write_text("mine: {nonsense: true}\n")
    assert "The settings cannot be read" in client.get(f"/quests/{quest.pk}/rows/1").content.decode()


def test_the_web_process_holds_no_torch_after_a_look() -> None:
    """In an interpreter of its own: the tokenizer is loaded, the trainer's libraries are not."""
    code = (
        "import os, sys, tempfile; os.environ['REALM_HOME'] = tempfile.mkdtemp();"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'realm.settings'; import django; django.setup();"
        "import realm.urls; from django.conf import settings; from arena.preview import mirror;"
        "seen = mirror.glass(settings.WORLD, settings.REALM); assert seen.mask is not None, seen.trouble;"
        "print(json.dumps(sorted({'torch', 'transformers'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", f"import json; {code}"], cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
