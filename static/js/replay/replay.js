// A battle once more: its steps come in slices, the same scene strikes them, the line walks along its loss.

import { Scene } from "../home/scene/scene.js";
import { ask } from "../shared/logged_out.js";
import { listenToBlows } from "./blow.js";
import { Curve } from "./curve.js";
import { Player } from "./player.js";
import { Readout } from "./readout.js";
import { Steps } from "./steps.js";
import { drawTicks } from "./ticks.js";

const told = JSON.parse(document.querySelector("#replay").textContent);
const find = (id) => document.getElementById(id);

if (told.first !== null) start();

function start() {
  const scene = new Scene(document);
  const steps = new Steps(told, ask);
  const readout = new Readout(document, told);
  const curve = new Curve(find("plot"), told);
  const player = new Player({ steps, onSteps: show, onState: showState, onTrouble: (text) => readout.trouble(text) });
  let shown = null;

  function show(records, { jumped = false } = {}) {
    for (const record of records) scene.play(record, { ...told, events: jumped ? [] : steps.momentsAt(record) });
    shown = records.at(-1);
    if (jumped) scene.stand(told.moments.filter(({ step }) => step <= shown.step));
    readout.show(shown);
    curve.follow(shown.step);
    find("scrub").value = shown.step;
  }

  function showState(playing) {
    find("play").setAttribute("aria-pressed", String(playing));
    find("play").querySelector(".play-word").textContent = playing ? "Pause" : "Play";
  }

  function setSpeed() {
    const fixed = find("speed").value === "fixed";
    find("pace-label").hidden = !fixed;
    const pace = Math.max(1, Number(find("pace").value) || 1);
    player.setSpeed(fixed ? { stepsPerSecond: pace } : { times: Number(find("speed").value) });
  }

  const goTo = (step) => player.seek(Math.min(Math.max(step, told.first), Number(find("scrub").max)));
  const wanted = () => Number(/^#step=(\d{1,15})$/.exec(location.hash)?.[1] ?? NaN);

  steps.onGrown = (last) => {
    find("scrub").max = last;
  };
  find("play").addEventListener("click", () => player.toggle());
  find("speed").addEventListener("change", setSpeed);
  find("pace").addEventListener("change", setSpeed);
  find("scrub").addEventListener("input", () => goTo(Number(find("scrub").value)));
  find("open-blow").addEventListener("click", () => {
    player.pause();
    const detail = { battle: told.battle, step: shown?.step };
    document.dispatchEvent(new CustomEvent("realm:blow", { detail }));
  });
  addEventListener("hashchange", () => Number.isNaN(wanted()) || goTo(wanted()));
  document.addEventListener("click", (event) => {
    // The address does not change where it names that step already.
    if (event.target.closest("a")?.getAttribute("href") === location.hash && location.hash) goTo(wanted());
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.closest("input, select, button, a, summary, dialog")) return;
    event.preventDefault();
    player.toggle();
  });
  listenToBlows(document);
  drawTicks(find("ticks"), told);
  setSpeed();
  goTo(Number.isNaN(wanted()) ? told.first : wanted());
}
