"use strict";
// The chooser of the examples. All text is set as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("examples").textContent);
  const at = (id) => document.getElementById(id);
  const [method, test, list] = ["method", "test", "list"].map(at);
  const largest = 7;

  const lists = () => data.methods[method.value].tests[test.value];
  const numbers = () => Object.keys(lists()).map(Number).sort((a, b) => a - b);
  const byTau = () => numbers().sort((a, b) => lists()[a].tau - lists()[b].tau || a - b);

  function cell(row, name, look, ...children) {
    const made = row.insertCell();
    if (name) made.dataset.name = name;
    if (look) made.className = look;
    made.append(...children);
  }

  function bar(value, digits, look) {
    const number = document.createElement("span");
    number.textContent = value.toFixed(digits);
    const outer = document.createElement("span");
    outer.className = `bar ${look}`;
    const inner = document.createElement("i");
    inner.style.width = `${(100 * value) / largest}%`;
    outer.append(inner);
    return [number, outer];
  }

  function offer(chosen) {
    list.replaceChildren(
      ...numbers().map((n) => new Option(`${n + 1}, τ = ${lists()[n].tau.toFixed(2)}`, n, false, n === chosen)),
    );
    list.value = numbers().includes(chosen) ? chosen : numbers()[0];
    show();
  }

  function show() {
    const number = Number(list.value);
    const found = lists()[number];
    const rows = at("rows");
    rows.replaceChildren();
    data.tests[test.value].lists[number].forEach(([text, intended], i) => {
      const row = rows.insertRow();
      cell(row, "#", "", String(i + 1));
      cell(row, "", "", text);
      cell(row, "asks for", "value", ...bar(intended, 1, "asked"));
      cell(row, "retrieved", "clip", data.clips[found.clips[i]]);
      cell(row, "its label", "value", ...bar(found.values[i], 2, "found"));
    });
    const strong = (text) => Object.assign(document.createElement("strong"), { textContent: text });
    at("verdict").replaceChildren(
      strong(data.methods[method.value].title),
      `, ${data.tests[test.value].name}, list ${number + 1}: τ = `,
      strong(found.tau.toFixed(3)),
    );
  }

  function step(by) {
    const all = numbers();
    const place = all.indexOf(Number(list.value)) + by;
    offer(all[(place + all.length) % all.length]);
  }

  method.onchange = test.onchange = () => offer(Number(list.value));
  list.onchange = show;
  at("previous").onclick = () => step(-1);
  at("next").onclick = () => step(1);
  at("lowest").onclick = () => offer(byTau()[0]);
  at("median").onclick = () => offer(byTau()[Math.floor(byTau().length / 2)]);
  at("highest").onclick = () => offer(byTau().at(-1));
  at("chooser").hidden = false;
  offer(byTau()[Math.floor(byTau().length / 2)]);

  // What is folded is printed too.
  window.onbeforeprint = () => document.querySelectorAll("details").forEach((folded) => (folded.open = true));
})();
