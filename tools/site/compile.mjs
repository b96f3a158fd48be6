// node compile.mjs PYODIDE.MJS FOLDER: compiles the Python in FOLDER with Pyodide's own, since
// the code of one Python version is of no use to another. What cannot be compiled stays as it is,
// and what no notebook imports: half a thousand modules for colouring other languages and for
// fonts in PDFs. It has time until the pages are there, and leaves the cores to them.
import os from "node:os";
import { pathToFileURL } from "node:url";

os.setPriority(5);
const [pyodideScript, folder] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(pyodideScript));
const pyodide = await loadPyodide();
pyodide.FS.mkdirTree("/work");
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: folder }, "/work");
pyodide.runPython(`
import compileall, py_compile, re, site, sys, warnings

warnings.simplefilter("ignore")
(zipped,) = (path for path in sys.path if path.endswith(".zip"))
places = {"stdlib": (zipped, True), "packages": (site.getsitepackages()[0], True),
          "helpers": (site.getsitepackages()[0] + "/helpers", False)}
seldom = re.compile("/fontTools/|/pygments/(styles|lexers)/"
    "(?!__init__|_mapping|default|gruvbox|monokai|pastie|python)")
for part, (place, beside) in places.items():
    compileall.compile_dir("/work/" + part, stripdir="/work/" + part, prependdir=place, quiet=2,
        rx=seldom, legacy=beside, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
`);
