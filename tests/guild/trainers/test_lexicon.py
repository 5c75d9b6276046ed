import re
from collections import Counter
from pathlib import Path

import pytest

from guild.trainers.lexicon import LEXICON, Word, read_lexicon
from guild.trainers.syllacrostic import shorten, told_apart
from scripts import build_lexicon
from scripts.build_lexicon import clue_of, gives_away


def test_it_holds_three_thousand_words_and_is_small() -> None:
    assert len(read_lexicon()) >= 3000
    assert LEXICON.stat().st_size < 1_000_000


def test_syllables_make_the_word() -> None:
    for word in read_lexicon():
        assert "".join(word.syllables) == word.text
        assert re.fullmatch(r"[a-z]{4,13}", word.text)
        assert 2 <= len(word.syllables) <= 5


def test_no_word_and_no_clue_stands_there_twice() -> None:
    assert len({word.text for word in read_lexicon()}) == len(read_lexicon())
    assert len({word.clue for word in read_lexicon()}) == len(read_lexicon())


def test_no_clue_gives_its_word_away() -> None:
    assert [word for word in read_lexicon() if gives_away(word.clue, word.text)] == []


@pytest.mark.parametrize(
    ("clue", "word", "is_given_away"),
    [
        ("person who makes cobbles", "cobbler", True),
        ("act of developing something", "development", True),
        ("act of departing politely", "parting", True),
        ("a sea bird", "seagull", True),
        ("person who makes or repairs shoes", "cobbler", False),
        ("capital of a state", "cabbage", False),
    ],
)
def test_a_shared_stem_gives_away(clue: str, word: str, is_given_away: bool) -> None:
    assert gives_away(clue, word) is is_given_away


def test_nothing_unwelcome_is_asked() -> None:
    pattern = build_lexicon.UNWELCOME
    assert [word for word in read_lexicon() if pattern.search(word.text) or pattern.search(word.clue)] == []
    assert pattern.search("offensive term for a person")


def test_common_words_come_first() -> None:
    uses = [word.uses for word in read_lexicon()]
    assert uses == sorted(uses, reverse=True)
    assert uses[-1] >= 1


def test_a_definition_loses_remarks_further_meanings_and_examples() -> None:
    assert clue_of('(music) a short tune, often sung; "he sang it"') == "short tune often sung"


def test_the_file_is_sorted_and_its_licences_lie_beside_it() -> None:
    lines = LEXICON.read_text(encoding="utf-8").splitlines()
    assert lines[0] + "\n" == build_lexicon.HEADER
    words = [line.split("\t")[0] for line in lines[1:]]
    assert words == sorted(words)
    licences = (LEXICON.parent / "LICENCES.txt").read_text(encoding="utf-8")
    for name in ("WordNet 3.1 Copyright 2011 by Princeton University", "hyph_en_US.dic", "Carnegie Mellon University"):
        assert name in licences


@pytest.mark.parametrize("clue_words", range(2, 10))
def test_however_short_a_clue_is_it_belongs_to_one_word(clue_words: int) -> None:
    owners = Counter(shorten(word.clue, clue_words) for word in read_lexicon())
    assert all(owners[shorten(word.clue, clue_words)] == 1 for word in told_apart(clue_words))


def test_twin_short_clues_of_the_whole_lexicon_are_shared() -> None:
    assert max(Counter(shorten(word.clue, 2) for word in read_lexicon()).values()) > 1


def test_a_clue_keeps_its_first_telling_words() -> None:
    assert shorten("the state of being at a distance", 9) == "the state of being at a distance"
    assert shorten("the state of being at a distance", 2) == "state being"


def test_words_that_share_a_sense_or_a_clue_do_not_both_enter() -> None:
    entries = [
        build_lexicon.Entry("rabbit", ("rab", "bit"), 3, "animal with long ears", ("data.noun", 1)),
        build_lexicon.Entry("coney", ("co", "ney"), 2, "other clue of it", ("data.noun", 1)),
        build_lexicon.Entry("donkey", ("don", "key"), 1, "animal with long ears", ("data.noun", 2)),
    ]
    assert [entry.word for entry in build_lexicon.without_doubles(reversed(entries))] == ["rabbit"]


def test_syllables_are_counted_by_what_is_heard() -> None:
    heard = build_lexicon.read_pronunciations(
        "rabbit R AE1 B AH0 T\nrabbit(2) R AE1 B IH0 T\nfire F AY1 ER0\nfire(2) F AY1 R # x1"
    )
    assert heard == {"rabbit": {2}, "fire": {1, 2}}


def test_another_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.sense"
    path.write_text("entity%1:03:00:: 00001740 1 11\n")
    with pytest.raises(SystemExit, match=r"index\.sense is not the release"):
        build_lexicon.read_source(path)


def test_a_word_is_read_from_its_line() -> None:
    cobbler = next(word for word in read_lexicon() if word.text == "cobbler")
    assert cobbler == Word("cobbler", ("cob", "bler"), 1, "person who makes or repairs shoes")
