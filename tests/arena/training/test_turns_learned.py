"""Trained and asked: by a template whose end of turn is no token, the hero answers and stops, wherever it is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arena.hero import answering, model
from arena.oracle import generation
from arena.oracle.rows import Row
from arena.recipe import Recipe
from realm.checkpoints import sidecar
from tests.support import runs, tiny_hero

pytestmark = pytest.mark.slow
RECIPE = Recipe(max_length=64, rows_per_step=4, epochs=30, learning_rate=0.01, threads=1)
ANSWERS = {"q0": "yes", "q1": "blue", "q2": "Paris", "q3": "Pong there"}
TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }} [end]\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)


def test_a_hero_learns_to_answer_and_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny_hero.make_base(tmp_path / "base")
    (base / "chat_template.jinja").write_text(TEMPLATE)
    turns = [[{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
             for asked, said in ANSWERS.items()]  # fmt: skip
    order = tiny_hero.make_order(tmp_path, recipe=RECIPE)
    quest = Path(order.quest_file)
    quest.write_text("".join(json.dumps({"messages": each}) + "\n" for each in turns * 4))
    order = replace(order, quest_sha256=sidecar.digest(quest))
    runs.run(order)
    hero = model.load(str(base), RECIPE, checkpoint=runs.newest(order), device=torch.device("cpu"))
    assert answering.answer(hero, list(ANSWERS), max_new_tokens=40) == list(ANSWERS.values())
    rows = [Row(prompt_ids=answering.prompt_ids(hero, asked), max_new_tokens=40) for asked in ANSWERS]
    generation.write(hero, rows, lambda _: None)
    assert [(row.text, row.finish_reason) for row in rows] == [(said, "stop") for said in ANSWERS.values()]

    # The twin: who does not know the mark writes on behind it.
    monkeypatch.setattr(hero.mask, "ends", replace(hero.mask.ends, text=""))
    assert all("[end]" in written for written in answering.answer(hero, list(ANSWERS), max_new_tokens=40))
