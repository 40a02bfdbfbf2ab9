// The list of results: what was found, its outline, and the one player, which loads a recording when it is played.
// All text from files is set as text, never as markup.

import { get } from "./asking.js";

const BARS = 66;

export function made(name, look, ...children) {
  const element = document.createElement(name);
  if (look) element.className = look;
  element.append(...children);
  return element;
}

function drawn(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function clock(seconds) {
  const whole = Math.floor(seconds), [m, s] = [Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, "0")];
  return whole < 3600 ? `${m}:${s}` : `${Math.floor(whole / 3600)}:${String(m).padStart(2, "0")}:${s}`;
}

const tenths = (seconds) => `${clock(seconds)}.${Math.floor(10 * seconds) % 10}`;

export const span = (start, end) => (Number.isInteger(start) ? `${clock(start)}–${clock(Math.ceil(end))}` : `${tenths(start)}–${tenths(end)}`);

const place = (value) => (value === null ? "–" : value.toFixed(1));

export function values({ valence, arousal, dominance }) {
  const told = made("dl", "values");
  for (const [name, value] of Object.entries({ valence, arousal, dominance }))
    if (value !== null && value !== undefined) {
      told.append(made("div", "", made("dt", "", name), made("dd", "", place(value))));
    }
  return told;
}

export class Results {
  // `pointed(id or null)` is called when a result is looked at, `like(result)` when more like it is asked for.
  constructor(list, player, { pointed, like, failed }) {
    this.list = list;
    this.player = player;
    this.calls = { pointed, like, failed };
    this.playing = null;
    this.outlines = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) if (isIntersecting) this.#outline(target);
    });
    player.addEventListener("timeupdate", () => this.#moved());
    player.addEventListener("ended", () => this.stop());
    player.addEventListener("error", () => {
      if (!this.playing) return;
      this.stop();
      this.calls.failed("This recording cannot be played: it is gone, has changed, or your browser does not know it.");
    });
  }

  show(results) {
    this.stop();
    this.outlines.disconnect();
    const focused = document.activeElement;
    const rank = [...this.list.children].findIndex((row) => row.contains(focused));
    this.list.replaceChildren(...results.map((result, i) => this.#row(result, i + 1)));
    for (const row of this.list.children) this.outlines.observe(row);
    // Whoever goes through the list by the keyboard stays where they were, though others are there now.
    if (rank >= 0) this.list.children[rank]?.querySelector(`.${focused.classList[0]}`)?.focus({ preventScroll: true });
  }

  #row(result, rank) {
    const { id, path, start, end, score } = result;
    const row = made("li", "result");
    row.dataset.id = id;
    row.result = result;
    const cut = path.lastIndexOf("/") + 1;
    const name = made("bdi", "name", made("span", "folder", path.slice(0, cut)), path.slice(cut));

    const play = made("button", "play");
    play.type = "button";
    play.setAttribute("aria-label", `Play ${rank}: ${path}`);
    play.append(
      drawn("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" },
        drawn("path", { class: "go", d: "M6 3.5v13l11-6.5z" }), drawn("path", { class: "halt", d: "M5 4h4v12H5zM11 4h4v12h-4z" })),
    );
    play.addEventListener("click", () => this.toggle(row));
    play.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by && this.playing === row) {
        event.preventDefault();
        this.#seek(row, this.player.currentTime + by);
      }
    });

    const wave = made("div", "wave");
    wave.setAttribute("aria-hidden", "true");
    wave.addEventListener("click", (event) => {
      const box = wave.getBoundingClientRect();
      const at = start + ((event.clientX - box.left) / box.width) * (end - start);
      if (this.playing === row) this.#seek(row, at);
      else this.toggle(row, at);
    });

    const bar = made("span", "bar", made("i"));
    bar.firstChild.style.width = `${Math.max(0, Math.min(1, score)) * 100}%`;
    const scored = made("div", "score", made("span", "hidden", "score "), made("span", "", score.toFixed(3)), bar);

    const like = made("button", "like", "More like this");
    like.type = "button";
    like.setAttribute("aria-label", `More like ${rank}: ${path}`);
    like.addEventListener("click", () => this.calls.like(result));

    const badge = made("span", "rank", String(rank));
    const title = made("div", "title", name, made("span", "time", span(start, end)));
    row.append(badge, play, made("div", "what", title, values(result)), wave, scored, like);
    row.addEventListener("pointerenter", () => this.calls.pointed(id));
    row.addEventListener("pointerleave", () => this.calls.pointed(null));
    row.addEventListener("focusin", () => this.calls.pointed(id));
    row.addEventListener("focusout", () => this.calls.pointed(null));
    return row;
  }

  async #outline(row) {
    this.outlines.unobserve(row);
    const { peaks } = await get(`/api/waveform/${row.dataset.id}`).catch(() => ({ peaks: [] }));
    if (!peaks.length) return;
    const each = peaks.length / BARS, loudest = Math.max(...peaks, 0.001);
    const bars = Array.from({ length: BARS }, (_, i) => {
      const half = (Math.max(...peaks.slice(Math.floor(i * each), Math.ceil((i + 1) * each))) / loudest) * 13;
      return `M${i * 3 + 1.5} ${15 - half}v${Math.max(2 * half, 0.1)}`;
    }).join("");
    const shape = (look) =>
      drawn("svg", { viewBox: `0 0 ${BARS * 3} 30`, preserveAspectRatio: "none", class: look }, drawn("path", { d: bars }));
    row.querySelector(".wave").replaceChildren(shape("all"), shape("past"));
  }

  row(id) {
    return [...this.list.children].find((row) => row.dataset.id === id);
  }

  mark(id) {
    for (const row of this.list.children) row.classList.toggle("looked", row.dataset.id === id);
  }

  toggle(row, at = row.result.start) {
    if (this.playing === row) {
      this.stop();
      return;
    }
    this.stop();
    this.playing = row;
    row.classList.add("playing");
    this.#label(row, "Stop");
    this.player.src = `/api/audio/${row.result.file}#t=${at}`;
    this.player.currentTime = at;
    this.player.play().catch((error) => {
      if (error.name === "NotAllowedError" && this.playing === row) this.stop();
    });
    this.#draw();
  }

  #label(row, verb) {
    const play = row.querySelector(".play");
    play.setAttribute("aria-label", play.getAttribute("aria-label").replace(/^\w+/, verb));
  }

  #seek(row, at) {
    const { start, end } = row.result;
    this.player.currentTime = Math.min(end - 0.05, Math.max(start, at));
  }

  stop() {
    const row = this.playing;
    if (!row) return;
    this.playing = null;
    row.classList.remove("playing");
    this.#label(row, "Play");
    this.player.pause();
    this.player.removeAttribute("src");
    this.player.load();
    row.querySelector(".past")?.style.removeProperty("clip-path");
  }

  #moved() {
    if (this.playing && this.player.currentTime >= this.playing.result.end) this.stop();
  }

  #draw() {
    const row = this.playing;
    if (!row) return;
    const { start, end } = row.result;
    const part = Math.max(0, Math.min(1, (this.player.currentTime - start) / (end - start)));
    const past = row.querySelector(".past");
    if (past) past.style.clipPath = `inset(0 ${100 - 100 * part}% 0 0)`;
    requestAnimationFrame(() => this.#draw());
  }
}
