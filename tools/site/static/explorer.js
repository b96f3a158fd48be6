// Explorers without Python. All that they can show was drawn when the site was built, by the same
// code as in the notebooks (tools/site/bake.py); this puts what belongs to the controls into the
// page. An explorer is a box with
//
//   data-files   where its files are
//   data-start   the step that each control starts on
//   data-tables  which of its parts change together: {parts, inside: [[control, steps], ...], by}
//   data-words   the part that is the description
//
// A file of a table is named after the table and the steps of the controls in `by`. For every
// combination of the controls `inside`, the last running fastest, its `at` has a number for each
// part: which of its `strings` stands there, between the two `ends` of that part.
"use strict";
{
  const AHEAD = 16; // files that are fetched before a control needs them
  const SAID_AFTER = 500; // ms without a change before the words are announced
  const asked = new Map(); // address: promise of a file
  const files = new Map(); // address: a file that is here

  function fetched(address) {
    if (!asked.has(address)) {
      const file = fetch(address)
        .then((answer) => {
          if (!answer.ok) throw Error(`${answer.status}`);
          return answer.json();
        })
        .then((content) => files.set(address, content));
      file.catch(() => asked.delete(address)); // the next move asks again
      asked.set(address, file);
    }
    return asked.get(address);
  }

  class Explorer {
    constructor(box) {
      this.box = box;
      this.form = box.querySelector("form");
      this.tables = JSON.parse(box.dataset.tables);
      this.start = JSON.parse(box.dataset.start);
      this.words = Number(box.dataset.words);
      this.image = box.querySelector("[role=img]");
      this.status = box.querySelector("[role=status]");
      this.parts = new Map();
      for (const part of box.querySelectorAll("[data-part]"))
        this.parts.set(Number(part.dataset.part), part);
      this.shown = new Map(); // part: the string that it shows
      this.form.reset(); // a page that is loaded again may keep what was set
      this.form.firstElementChild.disabled = false;
      this.form.addEventListener("submit", (event) => event.preventDefault());
      this.form.addEventListener("input", () => this.show());
      this.form.addEventListener("reset", () => setTimeout(() => this.show()));
      for (const event of ["focusin", "pointerover"])
        this.form.addEventListener(event, ({ target }) => this.ahead(target.dataset.control));
      // Its files are asked for when it comes near.
      new IntersectionObserver(([seen], observer) => {
        if (!seen.isIntersecting) return;
        observer.disconnect();
        for (const address of this.addresses(this.at())) fetched(address).catch(() => {});
      }, { rootMargin: "50%" }).observe(box);
      new ResizeObserver(() => this.resized()).observe(this.image.parentElement);
    }

    fetched(address) {
      return fetched(address);
    }

    // The step of every control; those that the page does not show stay where they are.
    at() {
      const at = [...this.start];
      const set = "[data-control]:is([type=range], :checked)";
      for (const input of this.form.querySelectorAll(set))
        at[input.dataset.control] = Number(input.value);
      return at;
    }

    addresses(at) {
      return this.tables.map((table, number) => {
        const steps = table.by.map((control) => at[control]);
        return `${this.box.dataset.files}${[number, ...steps].join("-")}.json`;
      });
    }

    // What every part is at these steps: {part: string}. Its files must be here.
    assembled(at) {
      const parts = {};
      this.addresses(at).forEach((address, number) => {
        const table = this.tables[number];
        const { ends, strings, at: numbers } = files.get(address);
        const row = table.inside.reduce((row, [control, steps]) => row * steps + at[control], 0);
        table.parts.forEach((part, i) => {
          const string = strings[numbers[row * table.parts.length + i]];
          parts[part] = ends[i][0] + string + ends[i][1];
        });
      });
      return parts;
    }

    // Shows what the controls say: at once where the files are here, else when they have come.
    async show() {
      const at = this.at();
      this.wanted = at;
      for (const slider of this.form.querySelectorAll("[type=range]")) {
        const label = JSON.parse(slider.dataset.labels)[slider.value];
        slider.nextElementSibling.textContent = label;
        slider.setAttribute("aria-valuetext", label);
      }
      const missing = this.addresses(at).filter((address) => !files.has(address));
      if (missing.length) {
        this.box.setAttribute("aria-busy", "true");
        try {
          await Promise.all(missing.map(fetched));
        } catch {
          if (this.wanted === at) this.say("This could not be fetched: the picture is an earlier one.");
          return;
        }
        if (this.wanted !== at) return; // a newer one is under way or there
      }
      this.box.removeAttribute("aria-busy");
      this.paint(this.assembled(at));
    }

    paint(strings) {
      for (const [part, string] of Object.entries(strings)) {
        if (this.shown.get(part) === string) continue;
        this.shown.set(part, string);
        const place = this.parts.get(Number(part));
        if (place.localName !== "g") this.keepRoom(place);
        if (Number(part) !== this.words) place.innerHTML = string;
        else {
          place.textContent = string;
          this.image.setAttribute("aria-label", string);
          this.say(string);
        }
      }
    }

    // Words of another length must not move what stands below them: their room only grows.
    keepRoom(place) {
      const room = parseFloat(place.style.minHeight) || 0;
      place.style.minHeight = `${Math.max(room, place.offsetHeight)}px`;
    }

    // Announced once the controls rest: a drag would speak without end.
    say(words) {
      clearTimeout(this.saying);
      this.saying = setTimeout(() => (this.status.textContent = words), SAID_AFTER);
    }

    // Fetches what moving this control next can ask for, the nearest steps first.
    ahead(control) {
      if (control === undefined) return;
      const at = this.at();
      const steps = new Set();
      for (let far = 0; far < AHEAD; far++) steps.add(at[control] - far).add(at[control] + far);
      const inputs = [...this.form.querySelectorAll(`[data-control="${control}"]`)];
      const last = inputs.length > 1 ? inputs.length - 1 : Number(inputs[0].max);
      for (const step of [...steps].filter((step) => step >= 0 && step <= last).slice(0, AHEAD))
        for (const address of this.addresses(Object.assign([...at], { [control]: step })))
          fetched(address).catch(() => {});
    }

    // At another width, words need other room; and where panels or a table are wider than the page
    // they scroll: then, and only then, the keyboard reaches them.
    resized() {
      for (const place of this.parts.values()) place.style.minHeight = "";
      for (const wide of this.box.querySelectorAll(".rank-lab-stage, .rank-lab-text")) {
        if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
        else wide.removeAttribute("tabindex");
      }
    }
  }

  // Where an explorer shows what predictions ask for, its fold opens with the last of their readings.
  document.addEventListener("toggle", () => {
    for (const fold of document.querySelectorAll("details.asked")) {
      const readings = [...document.querySelectorAll("details.reading")].filter(
        (reading) => reading.compareDocumentPosition(fold) & Node.DOCUMENT_POSITION_FOLLOWING,
      );
      if (readings.length && readings.every((reading) => reading.open)) fold.open = true;
    }
  }, true);

  // A page in the frame of another takes its theme from the address: explorers/hook.html?theme=dark
  const theme = new URLSearchParams(location.search).get("theme");
  if (theme && document.documentElement.matches(".rank-lab-page"))
    document.documentElement.dataset.theme = theme;

  window.explorers = [...document.querySelectorAll(".rank-lab[data-tables]")].map(
    (box) => new Explorer(box),
  );
}
