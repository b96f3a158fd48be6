// Asks the questions of a page, judging as helpers/guesses.py does. Answers stay here.
const shown = (value, digits = 3) => String(Number(value.toPrecision(digits)));
function make(tag, properties, ...inside) {
  const part = Object.assign(document.createElement(tag), properties);
  part.append(...inside);
  return part;
}

function read({ unit, limits: [low, high] }, answer) {
  const [, top, bottom = 1] =
    answer.match(/^\s*(-?[\d.]+)\s*(?:\/\s*([\d.]+))?\s*(?:%|x|times|-fold)?\s*$/) ?? [];
  const value = (top / bottom) * (bottom !== 1 && unit.includes("%") ? 100 : 1);
  if (value >= low && value <= high) return value;
  throw Error(`"${answer}" is no number from ${low} to ${high}: write it as 12, 0.5 or 1/4`);
}

function judge({ kind, measured, unit = "", within, limits, names }, you) {
  if (kind === "choice") {
    const said = `Measured: ${measured}.`;
    return you ? `You: ${you}. ${said} ${you === measured ? "Right" : "Not so"}.` : said;
  }
  const said = [measured].flat().map((each) => shown(each) + unit).join(", ");
  if (you === null) return `Measured ${said}.`;
  if (kind === "curve") {
    const gaps = you.map((value, i) => Math.abs(value - measured[i]));
    const near = gaps.filter((gap) => gap <= within * (limits[1] - limits[0])).length;
    const worst = gaps.indexOf(Math.max(...gaps));
    return `Right at ${near} of ${gaps.length} points; furthest off at ${names[worst]}: ` +
      `you ${shown(you[worst])}, measured ${shown(measured[worst])}.`;
  }
  const [low, high] = [you, measured].sort((a, b) => a - b);
  const apart = low > 0 && high >= 2 * low ? shown(high / low, 2) + " times" : shown(high - low) + unit;
  const verdict = high - low <= within * measured
    ? "right" : `${apart} too ${you > measured ? "high" : "low"}`;
  return `You ${shown(you)}${unit}, measured ${said}: ${verdict}.`;
}

function ask(section) {
  const question = JSON.parse(section.dataset.prediction);
  const { kind, label, limits: [min, max] = [], measured, names, options = [] } = question;
  const all = [...document.querySelectorAll(".prediction details, .reading")];
  const own = all.indexOf(section.querySelector("details"));
  const folds = all.slice(own, own + 2); // the next reads it
  const words = make("p", { role: "status" });
  const slider = { type: "range", min, max, step: (max - min) / 50 };
  const inputs = (names ?? (options[0] ? [] : [label])).map(() => make("input", names && slider));
  const says = inputs.map((each) => make("output", {}, each.value));
  inputs.forEach((each, i) => names && (each.oninput = () => (says[i].value = shown(+each.value))));

  function settle(you) {
    if (words.className) return;
    words.className = "settled";
    words.textContent = judge(question, you);
    for (const part of form.elements) part.disabled = true;
    for (const fold of folds) fold.open = true;
    if (names && you)
      says.forEach((each, i) => each.after(
        make("meter", { min, max, value: measured[i], ariaLabel: "measured" })));
    for (const card of document.querySelectorAll(".prediction-card"))
      card.append(make("p", {}, make("b", {}, label), `: ${words.textContent}`));
  }
  function onsubmit(event) {
    event.preventDefault();
    try {
      settle(names ? inputs.map(({ value }) => +value) : read(question, inputs[0].value));
    } catch ({ message }) {
      words.textContent = `Not yet: ${message}.`;
    }
  }
  const form = make("form", { onsubmit }, kind === "number" ? "" : `${label} `,
    ...inputs.map((each, i) => make("label", {}, `${names?.[i] ?? label} `, each, says[i])),
    ...options.map((text) =>
      make("button", { type: "button", onclick: () => settle(text) }, text)),
    make("button", { hidden: kind === "choice" }, "Commit"));
  // Opened by hand: skipped.
  for (const fold of folds) fold.addEventListener("toggle", () => fold.open && settle(null));
  section.firstElementChild.replaceWith(form, words);
}
document.querySelectorAll(".prediction").forEach(ask);
