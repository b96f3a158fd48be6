// node compile.mjs PYODIDE.MJS FOLDER: compiles the Python in FOLDER with Pyodide's own, since
// the code of one Python version is of no use to another. What cannot be compiled stays as it is.
import { pathToFileURL } from "node:url";

const [pyodideScript, folder] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(pyodideScript));
const pyodide = await loadPyodide();
pyodide.FS.mkdirTree("/work");
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: folder }, "/work");
pyodide.runPython(`
import compileall, py_compile, site, sys, warnings

warnings.simplefilter("ignore")
(zipped,) = (path for path in sys.path if path.endswith(".zip"))
places = {"stdlib": (zipped, True), "packages": (site.getsitepackages()[0], True),
          "helpers": (site.getsitepackages()[0] + "/helpers", False)}
for part, (place, beside) in places.items():
    compileall.compile_dir("/work/" + part, stripdir="/work/" + part, prependdir=place, quiet=2,
        legacy=beside, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
`);
