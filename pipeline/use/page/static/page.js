// One search after another. What is asked for stands in the address, behind a #, which browsers do not send: a
// search can be handed on, and no log has it.

import { enter, get, hear, search } from "./asking.js";
import { Plane } from "./plane.js";
import { canRecord, record } from "./recording.js";
import { Results, made, span, values } from "./results.js";

const AT_ONCE = 10, WHILE_MOVING_MS = 120;
const at = (id) => document.getElementById(id);

let about;
let asking = new AbortController();
let waiting;
let recording = null;

const pointed = (id) => {
  plane.mark(id);
  results.mark(id);
};
const results = new Results(at("results"), at("player"), {
  pointed,
  like: ({ id }) => {
    go({ like: id });
    at("heading").focus({ preventScroll: true });
    toResults();
  },
  failed: (line) => fail(new Error(line)),
});
const plane = new Plane(at("plane"), { valence: at("valence"), arousal: at("arousal") }, {
  pointed,
  chosen: (id) => {
    const row = results.row(id);
    row?.querySelector(".play").focus();
    row?.scrollIntoView({ block: "nearest" });
  },
  moved: (valence, arousal, done) => {
    clearTimeout(waiting);
    if (done) go({ valence, arousal });
    else waiting = setTimeout(() => go({ valence, arousal }, true), WHILE_MOVING_MS);
  },
});

// The address and the search that it stands for.

function written(question) {
  const { text, valence, arousal, like } = question;
  if (text !== undefined) return `#${new URLSearchParams({ q: text })}`;
  if (like !== undefined) return `#${new URLSearchParams({ like })}`;
  return `#${new URLSearchParams({ valence, arousal })}`;
}

function read() {
  const told = new URLSearchParams(location.hash.slice(1));
  if (told.get("q")?.trim()) return { text: told.get("q") };
  if (told.has("like")) return { like: told.get("like") };
  const [valence, arousal] = [Number(told.get("valence")), Number(told.get("arousal"))];
  const onPlane = (value) => value >= 1 && value <= 7;
  return onPlane(valence) && onPlane(arousal) ? { valence, arousal } : null;
}

function go(question, moving = false) {
  clearTimeout(waiting);
  const address = written(question);
  if (address !== location.hash) history[moving ? "replaceState" : "pushState"](null, "", address);
  run(question);
}

// What is said.

function say(text) {
  at("status").textContent = text;
}

function fail(error) {
  if (error.name === "AbortError") return;
  at("error").textContent = error.message;
  at("error").hidden = false;
  say("");
  if (error.status === 401) lock();
}

// Drops what is under way, and begins something else, which `work` does until the signal says to leave off.
async function begin(words, work) {
  asking.abort();
  const mine = (asking = new AbortController());
  const region = at("found");
  at("error").hidden = true;
  region.setAttribute("aria-busy", "true");
  if (words) say(words);
  try {
    await work(mine.signal);
  } catch (error) {
    if (!mine.signal.aborted) {
      showResults([]);
      fail(error);
    }
  } finally {
    if (asking === mine) region.removeAttribute("aria-busy");
  }
}

function run(question) {
  const { text, valence, like } = question;
  at("text").value = text ?? "";
  if (valence !== undefined) plane.show(question.valence, question.arousal, false);
  return begin(valence === undefined ? "Searching…" : "", async (signal) => {
    const told = await search({ ...question, k: AT_ONCE }, signal);
    hideHeard();
    plane.show(told.query.valence, told.query.arousal, valence === undefined);
    showResults(told.results);
    const asked = text !== undefined ? `“${text}”` : like !== undefined ? "more like that one" : mood(question);
    document.title = `${asked} – search by how it sounds`;
    say(told.results.length ? `${counted(told.results.length)} for ${asked}` : `Nothing was found for ${asked}.`);
  });
}

// On a phone they lie below all that is asked by.
function toResults() {
  const top = at("found").getBoundingClientRect().top;
  if (top < 0 || top > innerHeight / 2) at("found").scrollIntoView();
}

const mood = ({ valence, arousal }) => `valence ${valence.toFixed(1)}, arousal ${arousal.toFixed(1)}`;
const counted = (count) => (count === 1 ? "1 recording" : `${count} recordings`);

function showResults(found) {
  results.show(found);
  plane.showResults(found);
}

// A recording that is dropped, chosen or spoken.

function hearFile(file) {
  const { upload_bytes: bytes } = about.limits;
  hideHeard();
  return begin(`Listening to ${file.name}…`, async (signal) => {
    if (file.size > bytes) {
      throw new Error(`A recording may have ${Math.floor(bytes / 2 ** 20)} MB, this one has ${Math.ceil(file.size / 2 ** 20)}.`);
    }
    history.pushState(null, "", location.pathname);
    at("text").value = "";
    toResults();
    const told = await hear(file, signal);
    document.title = `${file.name} – search by how it sounds`;
    showHeard(file.name, told, 0);
  });
}

function showHeard(name, told, chosen) {
  const { windows, heard, duration } = told;
  const window = windows[chosen];
  const panel = at("heard");
  const title = made("h3", "", made("bdi", "", name), made("span", "time", span(window.start, window.end)));
  panel.replaceChildren(title, values(window));
  if (windows.length > 1) {
    const parts = made("div", "buttons");
    parts.setAttribute("role", "group");
    parts.setAttribute("aria-label", "Parts of the recording");
    windows.forEach(({ start, end }, i) => {
      const part = made("button", "", span(start, end));
      part.type = "button";
      part.setAttribute("aria-pressed", String(i === chosen));
      part.addEventListener("click", () => {
        showHeard(name, told, i);
        panel.querySelectorAll("button")[i].focus();
      });
      parts.append(part);
    });
    panel.append(parts);
  }
  if (heard < duration) {
    const note = `Only the first ${span(0, heard).split("–")[1]} of it was heard: this machine had no time for more.`;
    panel.append(made("p", "soft", note));
  }
  if (window.sentences.length) {
    const list = made("ol", "sentences");
    for (const { text, score } of window.sentences) {
      const words = made("button", "sentence", text);
      words.type = "button";
      words.title = "Search by this sentence";
      words.addEventListener("click", () => go({ text }));
      list.append(made("li", "", words, made("span", "soft", score.toFixed(3))));
    }
    panel.append(made("h4", "", "Sentences that suit it"), list);
  }
  panel.hidden = at("alike").hidden = at("yours").hidden = false;
  at("asked").hidden = true;
  plane.show(null, null);
  plane.showHeard(windows, chosen);
  showResults(window.results);
  say(`${name}: ${window.valence === null ? "" : `${mood(window)}; `}${counted(window.results.length)} like it`);
}

function hideHeard() {
  at("heard").hidden = at("alike").hidden = at("yours").hidden = true;
  at("asked").hidden = false;
  plane.showHeard([], 0);
}

function takeFiles() {
  at("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) hearFile(file);
    event.target.value = "";
  });
  let depth = 0;
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  const inside = (by) => {
    depth = Math.max(0, depth + by);
    at("dropping").hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => carries(event) && inside(1));
  addEventListener("dragleave", (event) => carries(event) && inside(-1));
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    inside(-depth);
    const [file] = event.dataTransfer.files;
    if (file) hearFile(file);
  });
}

function takeVoice() {
  const button = at("record");
  button.hidden = !canRecord();
  button.addEventListener("click", async () => {
    if (recording) return stop();
    results.stop();
    button.disabled = true;
    try {
      const { upload_seconds: longest, upload_bytes: largest } = about.limits;
      recording = await record((seconds, bytes) => {
        button.textContent = `Stop (${Math.floor(seconds)} s)`;
        if (recording && (seconds > longest - 1 || bytes > largest - 2 ** 16)) stop();
      });
      button.textContent = "Stop";
      button.classList.add("recording");
    } catch (error) {
      const refused = error.name === "NotAllowedError";
      fail(new Error(refused ? "The browser was not allowed to use the microphone." : "There is no microphone to record with."));
    } finally {
      button.disabled = false;
    }
    return undefined;
  });

  function stop() {
    const spoken = recording.stop();
    recording = null;
    button.textContent = "Record";
    button.classList.remove("recording");
    hearFile(spoken);
  }
}

// Who may ask.

function lock() {
  at("page").hidden = true;
  at("enter").hidden = false;
  at("token").focus();
}

async function unlock(token) {
  await enter(token);
  at("enter").hidden = true;
  await open();
}

async function open() {
  about = await get("/api/about");
  const hours = about.hours < 1 ? `${Math.max(1, Math.round(60 * about.hours))} min` : `${about.hours.toFixed(1)} h`;
  at("about").textContent = `${about.files.toLocaleString("en")} recordings, ${hours} · ${about.title}`;
  at("text").maxLength = about.limits.sentence_characters;
  at("synthetic").hidden = !about.synthetic;
  at("mood").hidden = !about.has_attributes;
  at("page").hidden = false;
  if (about.has_attributes) get("/api/plane").then(({ places }) => plane.places(places), fail);
  const question = read();
  if (question) await run(question);
  else say("Write how it should sound, or choose a mood.");
}

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("text").value;
  if (!text.trim()) return;
  go({ text });
  toResults();
});
for (const example of document.querySelectorAll(".examples button")) {
  example.addEventListener("click", () => {
    go({ text: example.textContent });
    toResults();
  });
}
at("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  at("refused").textContent = "";
  unlock(at("token").value).catch((error) => (at("refused").textContent = error.message));
});
addEventListener("popstate", () => {
  const question = read();
  if (question) run(question);
});
takeFiles();
takeVoice();

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given !== null) history.replaceState(null, "", location.pathname);
(given === null ? open() : unlock(given)).catch((error) => {
  if (error.status === 401) {
    lock();
    if (given !== null) at("refused").textContent = error.message;
  } else {
    at("about").textContent = error.message;
  }
});
