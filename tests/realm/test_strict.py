from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from realm import strict
from realm.strict import BadConfig, Bounds, Range


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    count: Annotated[int, Bounds(0, 9)] = 1
    rate: float = 0.5
    share: Annotated[float, Range(0, 1)] = 0.5
    port: Annotated[int, Range(1, 9, "is no port")] | None = None
    switch: bool = False
    mode: Literal["full", "lora"] = "full"
    maybe: int | None = None
    words: tuple[str, ...] = ()
    sizes: dict[str, int] = field(default_factory=dict)
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    anything: Any = None

    def __post_init__(self) -> None:
        strict.check_ranges(self)


def read(**mapping: Any) -> Outer:
    return strict.read(Outer, {"name": "DIO"} | mapping, source="some.yaml")


def test_a_mapping_becomes_the_dataclass() -> None:
    found = read(
        count=2,
        rate=1.5,
        switch=True,
        mode="lora",
        maybe=3,
        words=["a", "b"],
        sizes={"a": 1},
        inner={"size": 1},
        inners=[{"size": 2}],
        anything=[{}],
    )
    assert found == Outer(
        name="DIO",
        count=2,
        rate=1.5,
        switch=True,
        mode="lora",
        maybe=3,
        words=("a", "b"),
        sizes={"a": 1},
        inner=Inner(size=1),
        inners=(Inner(size=2),),
        anything=[{}],
    )


def test_what_is_left_out_has_its_default() -> None:
    assert read() == Outer(name="DIO")


def test_a_whole_number_will_do_for_a_float() -> None:
    rate = read(rate=2).rate
    assert (rate, type(rate)) == (2.0, float)


def test_null_is_taken_where_it_is_allowed() -> None:
    assert read(maybe=None, inner=None) == Outer(name="DIO")


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ({"cuont": 1}, "some.yaml: unknown key 'cuont'; allowed are anything, count, inner, inners, maybe, mode, "),
        ({1: 1}, "some.yaml: unknown key 1; allowed are anything"),
        ({"count": "2"}, "some.yaml: count: a whole number is expected, not '2'"),
        ({"count": 2.0}, "some.yaml: count: a whole number is expected, not 2.0"),
        ({"count": True}, "some.yaml: count: a whole number is expected, not True"),
        ({"count": None}, "some.yaml: count: a whole number is expected, not None"),
        ({"count": -1}, "some.yaml: count: -1 is too small; the least allowed is 0"),
        ({"count": 10}, "some.yaml: count: 10 is too large; the most allowed is 9"),
        ({"share": 1.5}, "some.yaml: share: 1.5 is not allowed; allowed are 0 to 1"),
        ({"share": float("inf")}, "some.yaml: share: inf is not allowed; allowed are 0 to 1"),
        ({"port": 0}, "some.yaml: port: 0 is no port; allowed are 1 to 9"),
        ({"rate": "fast"}, "some.yaml: rate: a number is expected, not 'fast'"),
        ({"rate": True}, "some.yaml: rate: a number is expected, not True"),
        ({"rate": float("nan")}, "some.yaml: rate: a number is expected, not NaN"),
        ({"switch": 1}, "some.yaml: switch: true or false is expected, not 1"),
        ({"name": 5}, "some.yaml: name: a text is expected, not 5"),
        ({"mode": "half"}, "some.yaml: mode: 'half' is not allowed; allowed are full, lora"),
        ({"mode": []}, "some.yaml: mode: [] is not allowed; allowed are full, lora"),
        ({"maybe": "x"}, "some.yaml: maybe: a whole number is expected, not 'x'"),
        ({"words": "ab"}, "some.yaml: words: a list is expected, not 'ab'"),
        ({"words": ["a", 1]}, "some.yaml: words[1]: a text is expected, not 1"),
        ({"sizes": [1]}, "some.yaml: sizes: a mapping is expected, not [1]"),
        ({"sizes": {1: 1}}, "some.yaml: sizes: a mapping is expected, not {1: 1}"),
        ({"sizes": {"a": "b"}}, "some.yaml: sizes.a: a whole number is expected, not 'b'"),
        ({"inner": 1}, "some.yaml: inner: a mapping is expected, int found"),
        ({"inner": {}}, "some.yaml: inner: key 'size' is missing"),
        ({"inner": {"size": 1, "colour": 2}}, "some.yaml: inner: unknown key 'colour'; allowed are size"),
        ({"inners": [{"size": 1}, {"size": "x"}]}, "some.yaml: inners[1]: size: a whole number is expected, not 'x'"),
    ],
)
def test_each_mistake_is_one_sentence_with_source_and_key(mapping: dict[Any, Any], sentence: str) -> None:
    with pytest.raises(BadConfig) as caught:
        strict.read(Outer, {"name": "DIO"} | mapping, source="some.yaml")
    assert str(caught.value).startswith(sentence)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(BadConfig, match=r"^some\.yaml: key 'name' is missing$"):
        strict.read(Outer, {}, source="some.yaml")


@pytest.mark.parametrize("value", [None, [], "text", 5])
def test_what_is_no_mapping_is_refused(value: Any) -> None:
    with pytest.raises(BadConfig, match=r"^some\.yaml: a mapping is expected, \w+ found$"):
        strict.read(Outer, value, source="some.yaml")


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("9" * 5000, None), ("", None), ("-1", None),
     ("1.0", None), (" 1", None), ("1\n", None), ("1_0", None), ("²", None), ("١", None)],
)  # fmt: skip
def test_a_whole_number_has_plain_digits_alone(text: str, number: int | None) -> None:
    assert strict.whole_number(text) == number


def test_a_whole_number_has_a_largest_value() -> None:
    assert (strict.whole_number("10", most=10), strict.whole_number("11", most=10)) == (10, None)


@pytest.mark.parametrize("values", [{"count": 0}, {"count": 9}, {"share": 0.0}, {"share": 1.0}, {"port": None}])
def test_both_ends_of_a_range_are_allowed_and_so_is_none(values: dict[str, Any]) -> None:
    assert read(**values) == Outer(name="DIO", **values)


@pytest.mark.parametrize("values", [{"count": -1}, {"share": float("nan")}, {"port": 10}])
def test_a_range_holds_without_a_reader_too(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(values))}: "):
        Outer(name="DIO", **values)


def test_twin_without_the_ranges_all_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict, "ranges_of", lambda cls: {})
    assert read(count=-1, share=2, port=0) == Outer(name="DIO", count=-1, share=2.0, port=0)
