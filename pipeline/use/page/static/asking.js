// The API: answers as objects, and what went wrong in words.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The server does not answer: see whether “erclap serve” still runs.");
  }
  const told = await response.json().catch((error) => {
    if (error.name === "AbortError") throw error;
    return {};
  });
  if (response.ok) return told;
  const line = told.error || `The server refused, with status ${response.status}.`;
  throw new Refused(response.status, `${line[0].toUpperCase()}${line.slice(1)}.`.replace(/([.!?])\.$/, "$1"));
}

export const get = (path, signal) => send(path, { signal });

export const search = (question, signal) =>
  send("/api/search", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(question),
    signal,
  });

export const hear = (recording, signal) => send("/api/hear", { method: "POST", body: recording, signal });

export const enter = (token) => send("/api/enter", { method: "POST", body: token });
