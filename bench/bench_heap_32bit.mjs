// Measures the heap use of an image on 32 bits, in MicroPython's WebAssembly build (`make web`).
//
//   idroserra board build esp32-reservoir --out IMAGE
//   node bench/bench_heap_32bit.mjs IMAGE
//
// Prints the bytes in use after a collection at each step, as tests/support/bare_node.py does. Seconds.

import fs from "fs";
import { createRequire } from "module";
import path from "path";
import { fileURLToPath, pathToFileURL } from "url";

const web = createRequire(new URL("../host/web/package.json", import.meta.url));
const build = web.resolve("@micropython/micropython-webassembly-pyscript/micropython.mjs");
const { loadMicroPython } = await import(pathToFileURL(build));

const image = process.argv[2];
const stubs = fileURLToPath(new URL("../tests/support/bare_node.py", import.meta.url));
// Discard the node's messages about missing hardware.
const micropython = await loadMicroPython({ heapsize: 8 << 20, stdout: () => {} });

function copy(folder) {
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name);
    const target = "/" + path.relative(image, file);
    if (fs.statSync(file).isDirectory()) {
      micropython.FS.mkdir(target);
      copy(file);
    } else {
      micropython.FS.writeFile(target, fs.readFileSync(file));
    }
  }
}

// The build collects garbage only between calls from outside.
function used() {
  micropython.runPython("gc.collect()");
  micropython.runPython("in_use = gc.mem_alloc()");
  return micropython.globals.get("in_use");
}

async function measure() {
  micropython.FS.writeFile("/bare_node.py", fs.readFileSync(stubs));
  micropython.runPython(`
import asyncio, binascii, gc, hashlib, json, os, random, struct, sys, time
sys.path[:] = ["/", ".frozen"]
import bare_node
bare_node.install()
names = {name: getattr(os, name) for name in dir(os) if not name.startswith("_")}
names["urandom"] = bytes
sys.modules["os"] = bare_node.Module(names)
for name in ("socket", "select"):
    sys.modules[name] = bare_node.Module({})
`);
  const start = used();
  micropython.runPython("from idro.app import node\nfrom idro.update import platform");
  console.log("imports", used() - start);
  micropython.runPython("built = node.Node(platform.start_watchdog(), '0badcafe')");
  console.log("built", used() - start);
  await micropython.runPythonAsync("await bare_node.cycles(built, 20)");
  console.log("cycles", used() - start);
}

copy(image);
try {
  await measure();
} catch (error) {
  console.error(error.message); // without the source of the library
  process.exit(1);
}
