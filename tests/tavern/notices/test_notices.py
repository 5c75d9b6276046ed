"""The page of notices: what it shows, what it sets, what it never shows; without a script."""

from __future__ import annotations

import pytest
from django.test import Client

from realm import config
from realm.world import World
from sentinels.notices import addresses, destinations
from sentinels.notices.rules import read_rules
from sentinels.notices.sending import Answer
from tests.sentinels.notices.post_office import ADDRESS, Courier

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

TYPED = {
    "phone-enabled": "on", "phone-events": ["fault", "finding"], "phone-digest": "daily", "phone-digest_at": "07:30",
    "phone-quiet": "22:00-07:00",
}  # fmt: skip


@pytest.fixture
def courier(monkeypatch: pytest.MonkeyPatch) -> Courier:
    found = Courier()
    monkeypatch.setitem(destinations.send_test.__kwdefaults__, "send", found)
    return found


def page(client: Client) -> str:
    return client.get("/notices").content.decode()


def test_one_is_added_set_tested_and_removed(client: Client, world: World, courier: Courier) -> None:
    assert "Nobody is told anything" in page(client)
    client.post("/notices/add", {"name": "phone", "address": ADDRESS})
    assert "json://•••" in page(client)
    client.post("/notices/rules", TYPED)
    rules = read_rules(config.load(world)).destinations["phone"]
    assert (rules.events, rules.digest, rules.digest_at) == (("fault", "finding"), "daily", "07:30")
    assert not rules.urgent_breaks_quiet
    shown = client.post("/notices/phone/test", follow=True).content.decode()
    assert "phone took the test: 200 OK" in shown
    client.post("/notices/phone/remove")
    assert "Nobody is told anything" in page(client)
    assert addresses.read(world) == {}


def test_no_page_holds_an_address(client: Client, world: World, courier: Courier) -> None:
    shown = client.post("/notices/add", {"name": "phone", "address": ADDRESS}, follow=True).content.decode()
    shown += client.post("/notices/add", {"name": "PHONE", "address": ADDRESS}).content.decode()
    courier._answers = [Answer(ok=False, words="401 Unauthorized")]
    shown += client.post("/notices/phone/test", follow=True).content.decode()
    assert "phone did not take the test: 401 Unauthorized" in shown
    assert not any(secret in shown for secret in ("someone", "sesame-open", "topsecret"))


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"phone-quiet": "10pm"}, "quiet: &#x27;10pm&#x27; is not allowed"),
        ({"phone-events": ["nonsense"]}, "nonsense is not one of the available choices"),
        ({"phone-digest": "yearly"}, "yearly is not one of the available choices"),
    ],
)
def test_what_is_not_understood_is_kept_and_explained(
    client: Client, world: World, typed: dict[str, object], why: str
) -> None:
    destinations.add(world, "phone", ADDRESS)
    answer = client.post("/notices/rules", TYPED | typed)
    assert (answer.status_code, why in answer.content.decode()) == (400, True)
    assert 'value="07:30"' in answer.content.decode()
    assert read_rules(config.load(world)).destinations["phone"].digest == "immediate"


def test_a_refused_address_says_why(client: Client, world: World) -> None:
    for address, why in (("file:///etc/passwd", "is not allowed; allowed are"), ("json://169.254.169.254/", "clouds")):
        answer = client.post("/notices/add", {"name": "phone", "address": address})
        assert (answer.status_code, why in answer.content.decode()) == (400, True)
    assert addresses.read(world) == {}


def test_broken_settings_are_told(client: Client, world: World) -> None:
    destinations.add(world, "phone", ADDRESS)
    (world.home / "config.yaml").write_text("notices: {destinations: {phone: {evnts: []}}}\n")
    assert "did you mean" in page(client)
    for path, typed in (("rules", TYPED), ("phone/test", {})):
        answer = client.post(f"/notices/{path}", typed, follow=True)
        assert (answer.status_code < 500, "evnts" in answer.content.decode()) == (True, True), path


def test_a_full_disk_is_told(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*asked: object) -> None:
        raise OSError(28, "No space left on device")

    for act in ("add", "remove"):
        monkeypatch.setattr(destinations, act, full)
    for path in ("add", "phone/remove"):
        answer = client.post(f"/notices/{path}", {"name": "phone", "address": ADDRESS}, follow=True)
        assert "No space left on device" in answer.content.decode()


@pytest.mark.urls("watchtower.api.urls")
def test_programs_do_the_same(client: Client, world: World, courier: Courier) -> None:
    def post(path: str, **body: object) -> tuple[int, str]:
        answer = client.post(f"/api/notices{path}", body, content_type="application/json")
        return answer.status_code, answer.content.decode()

    assert post("/phone", address=ADDRESS, rules={"events": ["fault"]})[0] == 200
    assert post("/phone/rules", changes={"digest": "hourly"})[0] == 200
    (found,) = client.get("/api/notices").json()["destinations"]
    assert (found["address"], found["rules"]["digest"], found["rules"]["events"]) == ("json://•••", "hourly", ["fault"])
    assert '"success":true' in post("/phone/test")[1]
    for path, body, status in (
        ("/phone/rules", {"changes": {"digest": "yearly"}}, 422), ("/fax/rules", {"changes": {}}, 404),
        ("/fax", {"address": "exec://rm"}, 422), ("/fax/test", {}, 404), ("/phone/rules", {"chnges": {}}, 422),
    ):  # fmt: skip
        assert post(path, **body)[0] == status, path
    assert client.delete("/api/notices/phone").status_code == 200
    assert client.get("/api/notices/log").json() == {"log": []}
