"use strict";
// Sorting, theme, choice of a run. Text only ever goes in by textContent.
(() => {
  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  let made = 0;
  const labelled = (text, choices, changed) => {
    const both = element("span", undefined, "choice");
    const label = element("label", text);
    const select = element("select");
    select.id = label.htmlFor = "choice" + (++made);
    for (const [value, shown] of choices) {
      const option = element("option", shown);
      option.value = value;
      select.append(option);
    }
    select.addEventListener("change", () => changed(select.value));
    both.append(label, " ", select);
    return both;
  };

  const sort = (table, place, header) => {
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => {
      const cell = row.cells[place];
      const numeric = cell.dataset.value !== undefined;
      const key = numeric ? (cell.dataset.value === "" ? NaN : Number(cell.dataset.value)) : cell.textContent;
      return { row, key };
    });
    keyed.sort((one, two) => {
      if (typeof one.key === "string" || typeof two.key === "string") {
        return String(one.key).localeCompare(String(two.key)) * (down ? -1 : 1);
      }
      if (Number.isNaN(one.key) || Number.isNaN(two.key)) return Number.isNaN(one.key) - Number.isNaN(two.key);
      return one.key === two.key ? 0 : (one.key < two.key ? -1 : 1) * (down ? -1 : 1);
    });
    body.append(...keyed.map((each) => each.row));
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((header, place) => {
      const button = element("button", header.textContent);
      button.type = "button";
      button.addEventListener("click", () => sort(table, place, header));
      header.replaceChildren(button);
    });
  }

  const settings = document.querySelector(".settings");
  const runs = [...document.querySelectorAll("main > article")];
  if (runs.length > 1) {
    const show = (chosen) => runs.forEach((run, place) => { run.hidden = String(place) !== chosen; });
    settings.append(labelled("Run", runs.map((run, place) => [String(place), run.dataset.name]), show));
    show("0");
  }
  const themes = [["", "as the system"], ["light", "light"], ["dark", "dark"]];
  settings.append(labelled("Theme", themes, (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  }));

  // The passage: one button a token; the detail beside it says what was expected there.
  const passage = (box) => {
    const values = JSON.parse(box.querySelector("script").textContent);
    const tokens = [...box.querySelectorAll(".t")];
    const detail = box.querySelector(".detail");
    const scale = box.querySelector(".scale");
    const voices = values.voices;
    const plainScale = [...scale.childNodes].map((node) => node.cloneNode(true));
    const steps = [0.25, 1, 2.5];
    let first = 0, second = -1, here = -1;

    const bits = (voice, place) => (voice.bits[place] === null ? Infinity : voice.bits[place] / 1000);
    const figure = (value) => (Number.isFinite(value) ? value.toFixed(2) : "∞");
    const difference = (place) => {
      const one = bits(voices[first], place), other = bits(voices[second], place);
      return one === other ? 0 : one - other;
    };

    const colour = (place) => {
      if (second < 0) return "s" + values.levels.filter((level) => bits(voices[first], place) >= level).length;
      const gap = difference(place);
      const strength = steps.filter((step) => Math.abs(gap) >= step).length;
      return strength ? (gap < 0 ? "n" : "m") + strength : "s0";
    };

    const expected = (voice, place) => {
      const choices = voice.choices[place];
      if (!choices) return element("p", voice.said ? voice.model + ": " + voice.said : "");
      const table = element("table");
      table.append(element("caption", voice.model));
      const head = table.createTHead().insertRow();
      for (const name of ["expected", "p", ""]) {
        const cell = element(name ? "th" : "td", name);
        if (name) cell.scope = "col";
        head.append(cell);
      }
      const body = table.createTBody();
      for (let at = 0; at < choices.length; at += 2) {
        const row = body.insertRow();
        const name = element("th", values.names[choices[at]]);
        name.scope = "row";
        const share = choices[at + 1] / 100000;
        const bar = element("span", undefined, "bar");
        bar.style.width = 100 * share + "%";
        row.append(name, element("td", (100 * share).toFixed(1) + " %"));
        row.insertCell().append(bar);
        if (values.right[place] === choices[at]) row.className = "right";
      }
      return table;
    };

    const describe = (place) => {
      if (here >= 0) tokens[here].classList.remove("here");
      here = place;
      tokens[place].classList.add("here");
      const chosen = second < 0 ? [voices[first]] : [voices[first], voices[second]];
      const line = element("p", undefined, "said");
      line.setAttribute("aria-live", "polite");
      const told = chosen.map((voice) => figure(bits(voice, place)) + " bits by " + voice.model).join(", ");
      line.textContent = "token " + (place + 1) + ", " + values.tokens[place] + ": " + told;
      detail.replaceChildren(line, ...chosen.map((voice) => expected(voice, place)));
    };

    const paint = () => {
      tokens.forEach((token, place) => {
        token.className = "t " + colour(place) + (place === here ? " here" : "");
      });
      if (second < 0) {
        scale.replaceChildren(...plainScale.map((node) => node.cloneNode(true)));
      } else {
        const sides = [["n", "foresaw it better", first], ["m", "foresaw it better", second]];
        const parts = sides.flatMap(([kind, text, which]) => [
          element("span", voices[which].model + " " + text + " by bits, from:"),
          ...steps.map((step, place) => element("span", String(step), kind + (place + 1))),
        ]);
        scale.replaceChildren(...parts);
      }
      if (here >= 0) describe(here);
    };

    const names = voices.map((voice, place) => [String(place), voice.model]);
    const choices = box.querySelector(".choices");
    choices.append(
      labelled("Coloured by", names, (chosen) => { first = Number(chosen); paint(); }),
      labelled("against", [["-1", "nothing"], ...names], (chosen) => { second = Number(chosen); paint(); }),
    );
    const go = (place) => {
      const to = Math.max(0, Math.min(tokens.length - 1, place));
      for (const token of tokens) if (token.tabIndex === 0) token.tabIndex = -1;
      tokens[to].tabIndex = 0;
      tokens[to].focus();
    };
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 };
    tokens.forEach((token, place) => {
      token.addEventListener("mouseenter", () => describe(place));
      token.addEventListener("focus", () => describe(place));
      token.addEventListener("click", () => go(place));
      token.addEventListener("keydown", (event) => {
        const ends = { Home: 0, End: tokens.length - 1 };
        if (event.key in moves) go(place + moves[event.key]);
        else if (event.key in ends) go(ends[event.key]);
        else return;
        event.preventDefault();
      });
    });
    detail.append(element("p", "Point at a token, or tap it."));
  };
  document.querySelectorAll(".passage").forEach(passage);
})();
