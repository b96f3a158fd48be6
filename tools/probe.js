// What the tests ask of a page. Added to it before its own scripts run.

// Nothing turns for ever: a spinner has a core draw it while a kernel starts or computes.
const still = new CSSStyleSheet();
still.replaceSync("*, ::before, ::after { animation-iteration-count: 1 !important; }");
document.adoptedStyleSheets = [still];

window.probe = {
  panel: () => window.jupyterapp?.shell?.currentWidget,

  opened: () => (window.probe.panel()?.content?.widgets?.length ?? 0) > 0,

  // Opens another notebook, or this one anew. What was open is closed, and its kernel ended.
  async another(path) {
    const panel = window.probe.panel();
    await panel.sessionContext.shutdown();
    panel.dispose();
    await window.probe.theme("JupyterLab Light");
    await window.jupyterapp.commands.execute("docmanager:open", { path });
    while (window.probe.panel()?.context?.path !== path)
      await new Promise((resolve) => setTimeout(resolve, 50));
    await window.probe.panel().context.ready;
  },

  // Clears what is stored, so that every output and count seen afterwards is new.
  async run() {
    const panel = window.probe.panel();
    await panel.context.ready;
    await panel.sessionContext.ready;
    await window.jupyterapp.commands.execute("notebook:clear-all-cell-outputs");
    await window.jupyterapp.commands.execute("notebook:run-all-cells");
  },

  // A promise that never settles would hold the tests for ever.
  within: (seconds, promise) =>
    Promise.race([
      promise,
      new Promise((_, reject) => setTimeout(() => reject(Error("too slow")), 1000 * seconds)),
    ]),

  // Whether all code cells have run, or one has failed, with which a run ends.
  ended() {
    const cells = window.probe
      .panel()
      .content.widgets.map((cell) => cell.model)
      .filter((model) => model.type === "code" && model.sharedModel.getSource());
    const failed = ({ outputs }) =>
      Array.from({ length: outputs.length }, (_, i) => outputs.get(i).type).includes("error");
    return (
      cells.some(failed) ||
      cells.every((model) => model.executionCount && model.executionState !== "running")
    );
  },

  cells: () =>
    window.probe
      .panel()
      .content.widgets.filter((cell) => cell.model.type === "code")
      .map((cell) => ({
        source: cell.model.sharedModel.getSource(),
        // The second is JupyterLab 3's.
        tags: cell.model.getMetadata?.("tags") ?? cell.model.metadata.get?.("tags") ?? [],
        count: cell.model.executionCount,
        pending: cell.model.executionState === "running",
        outputs: cell.model.outputs.toJSON(),
      })),

  // The buttons that show a prediction's result without an answer. (Cells out of sight have no
  // innerText where the front end skips their drawing.)
  skipping: () =>
    [...document.querySelectorAll(".widget-vbox button")].filter(
      (button) => button.textContent.trim() === "Show me",
    ),

  // A box whose own children are the controls, the alert, any text, the picture and the words.
  explorers: () =>
    [...document.querySelectorAll(".widget-vbox")].filter((box) =>
      box.querySelector(":scope > .rank-lab-stage, :scope > .jupyter-widgets-error-widget"),
    ),

  // noUi in ipywidgets 8, ui in ipywidgets 7.
  controls: (index) =>
    [
      ...window.probe
        .explorers()
        [index].querySelectorAll(".noUi-handle, .ui-slider-handle, .widget-toggle-buttons"),
    ].map((part) => {
      const group = part.closest(".widget-hslider, .widget-toggle-buttons");
      const buttons = part.matches(".widget-toggle-buttons");
      const pressed = [...group.querySelectorAll("[aria-pressed=true]")];
      return {
        part: buttons ? part.querySelector("button") : part,
        buttons,
        // What somebody who does not see the control is told of it.
        heard: buttons
          ? pressed.map((button) => button.innerText.trim()).join()
          : ["role", "aria-label", "aria-valuetext"].map((name) => part.getAttribute(name)).join(),
        name: group.querySelector("label").innerText || "buttons",
        value: buttons
          ? part.querySelector(".mod-active").innerText.trim()
          : group.querySelector(".widget-readout").innerText,
      };
    }),

  reset: (index) =>
    [...window.probe.explorers()[index].querySelectorAll("button")].find(
      (button) => button.innerText === "Reset",
    ),

  async hashed(bytes) {
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16)).join("");
  },

  async digest(image) {
    for (;;) {
      const source = image.src;
      try {
        await image.decode();
        return await window.probe.hashed(await (await fetch(source)).arrayBuffer());
      } catch (error) {
        if (image.src === source) throw error; // else it was replaced while being read
      }
    }
  },

  // Whether what moves lies exactly over what stays, panel by panel.
  aligned(stage) {
    const [fixed, moving] = [...stage.children].map((layer) =>
      [...layer.querySelectorAll(".rank-lab-panel")].map((panel) => panel.getBoundingClientRect()),
    );
    const same = (one, other) =>
      ["x", "y", "width", "height"].every((side) => Math.abs(one[side] - other[side]) < 0.1);
    return fixed.length === moving.length && fixed.every((each, i) => same(each, moving[i]));
  },

  // The last of what may be shown: before it stands what only keeps room for it.
  async state(index) {
    const box = window.probe.explorers()[index];
    const stage = box.querySelector(".rank-lab-stage");
    const alert = box.querySelector("[role=alert]");
    const alerted = alert !== null && alert.getBoundingClientRect().height > 0;
    const { width, height } = box.getBoundingClientRect();
    const drawn = stage?.querySelector(".rank-lab-moving svg") !== null;
    return {
      controls: window.probe.controls(index).map(({ part, ...said }) => said),
      text: [...box.querySelectorAll(".widget-html table")].at(-1)?.innerText ?? "",
      words: [...box.querySelectorAll(".widget-html p")].at(-1)?.innerText ?? "",
      alert: alerted ? alert.innerText : "",
      broken: box.querySelector(".jupyter-widgets-error-widget") !== null,
      alt: stage?.ariaLabel ?? "",
      announced: box.querySelector("[role=status]")?.innerText ?? "",
      picture:
        stage && drawn
          ? await window.probe.hashed(new TextEncoder().encode(stage.innerHTML))
          : "",
      aligned: stage !== null && window.probe.aligned(stage),
      // Of the whole explorer, where nothing is wrong: nothing on the page jumps.
      size: alerted ? [] : [width, height],
    };
  },

  // Resolves once the theme's own style sheet is in force.
  async theme(theme) {
    await window.jupyterapp.commands.execute("apputils:change-theme", { theme });
    while (document.body.dataset.jpThemeName !== theme)
      await new Promise((resolve) => setTimeout(resolve, 50));
  },

  // Static figures, in order: whether their picture could be drawn, their alternative text, and the
  // text that follows them.
  stills: () =>
    [...document.querySelectorAll(".jp-Notebook .jp-RenderedImage")].map((still) => ({
      drawn: still.querySelector("img").naturalWidth > 0,
      alt: still.querySelector("img").alt,
      after: still.closest(".jp-OutputArea-child").nextElementSibling?.textContent.trim(),
    })),

  // What stands open within so many pixels below each prompt to predict: words, and the
  // alternative texts of pictures. What is folded is not seen.
  peeks(pixels) {
    const root = document.querySelector(".jp-Notebook, article");
    const seen = (node, { bottom }) => {
      const range = document.createRange();
      range.selectNode(node);
      const { top, height } = range.getBoundingClientRect();
      return height > 0 && top > bottom - 1 && top < bottom + pixels;
    };
    const shown = (node) => (node.nodeType === Node.TEXT_NODE ? node.parentElement : node).checkVisibility();
    const prompts = [...root.querySelectorAll("p > strong")].filter(
      (strong) => strong.textContent === "Predict.",
    );
    return prompts.map(({ parentElement: prompt }) => {
      const box = prompt.getBoundingClientRect();
      const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
      const peek = { prompt: prompt.textContent, words: "", pictures: [] };
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (!shown(node) || !seen(node, box)) continue;
        if (node.nodeType === Node.TEXT_NODE) peek.words += node.data;
        else if (node.matches("img")) peek.pictures.push(node.alt);
        else if (node.matches(".rank-lab-still > [role=img]")) peek.pictures.push(node.ariaLabel);
      }
      return peek;
    });
  },

  // The same with all folds open, which are then closed again.
  peeksUnfolded(pixels) {
    const closed = [...document.querySelectorAll("details:not([open])")];
    for (const fold of closed) fold.open = true;
    const peeks = window.probe.peeks(pixels);
    for (const fold of closed) fold.open = false;
    return peeks;
  },

  // Counts how often the picture is replaced from now on.
  redraws: 0,
  countRedraws(index) {
    window.probe.redraws = 0;
    const moving = window.probe.explorers()[index].querySelector(".rank-lab-moving");
    new MutationObserver(() => (window.probe.redraws += 1)).observe(moving, {
      childList: true,
      subtree: true,
    });
  },

  // Makes the page a copy of the notebook, without its editors. What JupyterLab scrolls inside of
  // its page, axe takes for hidden, and does not look at its colours. Returns the way back.
  laidFlat() {
    const copy = document.querySelector(".jp-Notebook").cloneNode(true);
    for (const editor of copy.querySelectorAll(".jp-InputArea-editor")) editor.remove();
    // Laid flat, the layers of a figure would cover what follows; axe does not judge their text.
    for (const stage of copy.querySelectorAll(".rank-lab-stage")) stage.remove();
    const page = document.createElement("div");
    page.className = "jp-NotebookPanel laid-flat";
    page.append(copy);
    const style = document.createElement("style");
    style.textContent = `
      body, body > .laid-flat, .laid-flat * {
        position: static !important; overflow: visible !important; contain: none !important;
        height: auto !important; max-height: none !important; }`;
    // The theme's sheet stays where it is: put back into the page, it would be loaded anew.
    const others = [...document.body.childNodes].filter((node) => !node.matches?.("link, style"));
    for (const node of others) node.remove();
    document.body.append(page, style);
    return () => {
      page.remove();
      style.remove();
      document.body.append(...others);
    };
  },

  // Leaves one piece of coloured code of each look, since axe takes its time for each of thousands.
  eachLookOfCodeOnce() {
    const seen = new Set();
    const again = []; // changed once all are looked at: a look after a change takes its time
    for (const piece of document.querySelectorAll("pre span:not(:has(*))")) {
      const { color, fontSize, fontWeight, opacity } = getComputedStyle(piece);
      const parts = [color, fontSize, fontWeight, opacity];
      for (let part = piece; part; part = part.parentElement)
        parts.push(getComputedStyle(part).backgroundColor);
      const look = parts.join();
      if (seen.has(look)) again.push(piece);
      seen.add(look);
    }
    for (const piece of again) piece.replaceWith(...piece.childNodes);
    for (const code of document.querySelectorAll("pre")) code.normalize();
  },

  // Takes text away where other text of its look stands on the same positioned part of the page:
  // axe's rule on contrast would come to the same. Only what that rule looks at counts: what is
  // seen, in parts that match `inside` and not in those of `outside`. Returns the way back.
  eachLookOnce(inside = "body", outside = "script, style, noscript") {
    const seen = new Map();
    const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const taken = [];
    for (let text = all.nextNode(); text; text = all.nextNode()) {
      const owner = text.parentElement;
      if (!text.data.trim() || !owner.closest(inside) || owner.closest(outside)) continue;
      const { width, height } = owner.getBoundingClientRect();
      if (!owner.checkVisibility({ visibilityProperty: true }) || !width || !height) continue;
      const { color, fontSize, fontWeight, textShadow } = getComputedStyle(owner);
      const look = [color, fontSize, fontWeight, textShadow];
      let on = null; // what is positioned may lie above something else
      for (let part = owner; part; part = part.parentElement) {
        const { backgroundColor, backgroundImage, opacity, filter, position } =
          getComputedStyle(part);
        look.push(backgroundColor, backgroundImage, opacity, filter);
        if (position !== "static") on ??= part;
      }
      const known = seen.get(on) ?? new Set();
      seen.set(on, known);
      if (known.has(look.join())) taken.push([text, text.data]);
      known.add(look.join());
    }
    for (const [text] of taken) text.data = "";
    return () => {
      for (const [text, data] of taken) text.data = data;
    };
  },
};
