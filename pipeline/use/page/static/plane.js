// The plane of valence and arousal: where recordings lie, what is asked for, what is found. A pointer moves the
// point; the two sliders beside it do the same for the keyboard.

const LOW = 1, HIGH = 7;
const SIZE = 320, EDGE = 22, TOP = 14;
const APART = 14;
const across = (valence) => EDGE + ((valence - LOW) / (HIGH - LOW)) * (SIZE - 2 * EDGE);
const down = (arousal) => SIZE - across(arousal);
const held = (value) => Math.min(HIGH, Math.max(LOW, value));

function drawn(name, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent?.append(made);
  return made;
}

export class Plane {
  // `moved(valence, arousal, done)` is called while the point moves, and when it rests; `pointed(id or null)` when
  // the pointer is over a result; `chosen(id)` when one is clicked.
  constructor(parent, sliders, { moved, pointed, chosen }) {
    this.sliders = sliders;
    this.calls = { moved, pointed, chosen };
    this.svg = drawn("svg", { viewBox: `0 ${TOP} ${SIZE} ${SIZE - TOP}`, "aria-hidden": "true" }, parent);
    this.#frame();
    this.background = drawn("path", { class: "places" }, this.svg);
    this.point = drawn("g", { class: "point" }, this.svg);
    this.results = drawn("g", {}, this.svg);
    this.heard = drawn("g", {}, this.svg);
    this.svg.addEventListener("pointerdown", (event) => this.#grab(event));
    this.svg.addEventListener("click", (event) => {
      const mark = event.target.closest(".mark");
      if (mark) this.calls.chosen(mark.dataset.id);
    });
    for (const name of ["valence", "arousal"]) {
      this.sliders[name].addEventListener("input", () => this.#slid(false));
      this.sliders[name].addEventListener("change", () => this.#slid(true));
    }
    this.#say();
  }

  #frame() {
    const inner = SIZE - 2 * EDGE, middle = SIZE / 2;
    drawn("rect", { x: EDGE, y: EDGE, width: inner, height: inner, rx: 8, class: "ground" }, this.svg);
    const cross = `M${middle} ${EDGE}V${SIZE - EDGE}M${EDGE} ${middle}H${SIZE - EDGE}`;
    drawn("path", { d: cross, class: "cross" }, this.svg);
    const corners = [
      [EDGE + 10, EDGE + 19, "start", "angry, afraid"],
      [SIZE - EDGE - 10, EDGE + 19, "end", "elated"],
      [EDGE + 10, SIZE - EDGE - 11, "start", "sad, tired"],
      [SIZE - EDGE - 10, SIZE - EDGE - 11, "end", "calm, content"],
    ];
    for (const [x, y, anchor, text] of corners)
      drawn("text", { x, y, "text-anchor": anchor, class: "corner" }, this.svg, text);
    const axes = [
      [EDGE, SIZE - 6, "start", "negative"],
      [middle, SIZE - 6, "middle", "valence"],
      [SIZE - EDGE, SIZE - 6, "end", "positive"],
    ];
    for (const [x, y, anchor, text] of axes) {
      drawn("text", { x, y, "text-anchor": anchor, class: "axis" }, this.svg, text);
    }
    for (const [x, , anchor, text] of [
      [EDGE, 0, "start", "calm"],
      [middle, 0, "middle", "arousal"],
      [SIZE - EDGE, 0, "end", "excited"],
    ])
      drawn(
        "text",
        { x: x - SIZE, y: 14, "text-anchor": anchor, transform: "rotate(-90)", class: "axis" },
        this.svg,
        text,
      );
  }

  #at(event) {
    const box = this.svg.getBoundingClientRect();
    const unit = SIZE / box.width;
    const value = (place) => held(LOW + ((place - EDGE) / (SIZE - 2 * EDGE)) * (HIGH - LOW));
    const round = (number) => Math.round(10 * number) / 10;
    return [
      round(value((event.clientX - box.left) * unit)),
      round(value(SIZE - TOP - (event.clientY - box.top) * unit)),
    ];
  }

  #grab(event) {
    if (event.button !== 0 || event.target.closest(".mark")) return;
    event.preventDefault();
    this.svg.setPointerCapture(event.pointerId);
    const move = (moving) => {
      const place = this.#at(moving);
      this.show(...place, false);
      this.calls.moved(...place, false);
    };
    const end = (ending) => {
      this.svg.removeEventListener("pointermove", move);
      this.svg.removeEventListener("pointerup", end);
      this.svg.removeEventListener("pointercancel", end);
      const place = ending.type === "pointerup" ? this.#at(ending) : this.#value();
      this.show(...place, false);
      this.calls.moved(...place, true);
    };
    this.svg.addEventListener("pointermove", move);
    this.svg.addEventListener("pointerup", end);
    this.svg.addEventListener("pointercancel", end);
    move(event);
  }

  #value() {
    return [Number(this.sliders.valence.value), Number(this.sliders.arousal.value)];
  }

  #slid(done) {
    this.show(...this.#value(), false);
    this.calls.moved(...this.#value(), done);
  }

  #say() {
    for (const slider of Object.values(this.sliders)) {
      const words = Number(slider.value).toFixed(1);
      slider.setAttribute("aria-valuetext", `${words} on 1 to 7`);
      document.querySelector(`output[for="${slider.id}"]`).textContent = words;
    }
  }

  #slide(valence, arousal) {
    this.sliders.valence.value = held(valence);
    this.sliders.arousal.value = held(arousal);
    this.#say();
  }

  // What lies behind every search.
  places(all) {
    const dots = all.map(([v, a]) => `M${across(held(v)).toFixed(1)} ${down(held(a)).toFixed(1)}h0`);
    this.background.setAttribute("d", dots.join(""));
  }

  // The point that is asked for; `about` says that it is where a sentence seems to lie. Nothing where it is unknown.
  show(valence, arousal, about) {
    this.point.replaceChildren();
    if (valence === null || arousal === null) return;
    this.#slide(valence, arousal);
    const [x, y] = [across(held(valence)), down(held(arousal))];
    drawn("circle", { cx: x, cy: y, r: 16, class: about ? "asked about" : "asked" }, this.point);
    drawn("circle", { cx: x, cy: y, r: 2.5, class: "centre" }, this.point);
  }

  // The windows of a recording that was heard.
  showHeard(windows, chosen) {
    this.heard.replaceChildren();
    windows.forEach(({ valence, arousal }, i) => {
      if (valence === null) return;
      const [x, y] = [across(held(valence)), down(held(arousal))];
      if (i === chosen) this.#slide(valence, arousal);
      const look = i === chosen ? "heard chosen" : "heard";
      drawn("path", { d: `M${x} ${y - 8}l8 8l-8 8l-8-8z`, class: look }, this.heard);
    });
  }

  // Results by their rank, the first on top; one that would cover a better one is small and has no number.
  showResults(results) {
    this.results.replaceChildren();
    const numbered = [];
    results.forEach(({ id, valence, arousal }, i) => {
      if (valence === null) return;
      const [x, y] = [across(held(valence)), down(held(arousal))];
      const small = numbered.some(([u, v]) => Math.hypot(u - x, v - y) < APART);
      if (!small) numbered.push([x, y]);
      const mark = drawn("g", { class: small ? "mark small" : "mark", transform: `translate(${x} ${y})` });
      this.results.prepend(mark);
      mark.dataset.id = id;
      drawn("circle", { r: small ? 4.5 : 8.5 }, mark);
      drawn("text", { y: 3.4 }, mark, String(i + 1));
      mark.addEventListener("pointerenter", () => this.calls.pointed(id));
      mark.addEventListener("pointerleave", () => this.calls.pointed(null));
    });
  }

  // The result that is looked at, on top of all others.
  mark(id) {
    for (const mark of [...this.results.children]) {
      const looked = mark.dataset.id === id;
      mark.classList.toggle("looked", looked);
      if (looked && mark !== this.results.lastChild) this.results.append(mark);
    }
  }
}
