// What the kernel calls for Pyodide: Pyodide with the packages of the series in place.
//
// Pyodide would unpack forty wheels with its own Python, and compile every module that it
// imports. Here they come as one file, unpacked by the browser and compiled beforehand.
import { loadPyodide as load } from "./pyodide.mjs";

// The first line is JSON: names and sizes of the files that follow it, one after the other.
async function packages() {
  const { body } = await fetch(new URL("packages.bin", import.meta.url));
  const unpacked = body.pipeThrough(new DecompressionStream("gzip"));
  const data = new Uint8Array(await new Response(unpacked).arrayBuffer());
  const end = data.indexOf(10);
  return [JSON.parse(new TextDecoder().decode(data.subarray(0, end))), data.subarray(end + 1)];
}

function write(FS, root, files, data) {
  const folders = new Set();
  let start = 0;
  for (const [name, size] of files) {
    const path = `${root}/${name}`;
    const folder = path.slice(0, path.lastIndexOf("/"));
    if (!folders.has(folder)) FS.mkdirTree(folder);
    folders.add(folder);
    FS.writeFile(path, data.subarray(start, (start += size)), { canOwn: true });
  }
}

export async function loadPyodide(options) {
  const [pyodide, [files, data]] = await Promise.all([
    load({ ...options, packages: [] }),
    packages(),
  ]);
  const root = pyodide.runPython("import site; site.getsitepackages()[0]");
  write(pyodide.FS, root, files, data);
  // Imported now, because from here on Python also looks for modules among the notebooks, where
  // each look takes a message to the page and back.
  pyodide.runPython(`
    import importlib
    importlib.invalidate_caches()
    import piplite.piplite, pyodide_kernel, helpers.explorers, helpers.exercises
  `);
  return pyodide;
}
