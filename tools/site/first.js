// Runs a notebook as far as its first explorer, where the link that opened it asks for that:
// lab/index.html?path=notebooks/01_setup.ipynb&run=first. JupyterLab takes both from the address
// when it starts, so they are read now.
"use strict";
{
  const asked = new URLSearchParams(location.search);
  const soon = () => new Promise((resolve) => setTimeout(resolve, 100));

  async function run(path) {
    let panel;
    do {
      await soon();
      panel = window.jupyterapp?.shell.currentWidget;
    } while (panel?.context?.path !== path);
    await panel.context.ready;
    await panel.sessionContext.ready;
    const { content } = panel;
    const tagged = (cell) => cell.model.getMetadata("tags")?.includes("explorer");
    const at = content.widgets.findIndex(tagged);
    if (at < 0) return;
    content.activeCellIndex = at;
    await window.jupyterapp.commands.execute("notebook:run-all-above");
    content.activeCellIndex = at;
    await window.jupyterapp.commands.execute("notebook:run-cell");
  }
  if (asked.get("run") === "first") run(asked.get("path"));
}
