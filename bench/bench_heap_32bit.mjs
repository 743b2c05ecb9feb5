// What an image takes of the heap on 32 bits: MicroPython's WebAssembly build, the only one at hand.
//
//   npm install @micropython/micropython-webassembly-pyscript@1.27.0
//   idroserra board build esp32-reservoir --out IMAGE
//   node bench/bench_heap_32bit.mjs IMAGE
//
// Prints the bytes in use after a collection. Seconds. The figures are in docs/memory.md.

import fs from "fs";
import path from "path";
import { fileURLToPath } from "url";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript";

const image = process.argv[2];
const stubs = fileURLToPath(new URL("../tests/sim/bare_node.py", import.meta.url));
const micropython = await loadMicroPython({ heapsize: 8 << 20, stdout: console.log });

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

// It collects only between two calls from outside.
function used() {
  micropython.runPython("gc.collect()");
  micropython.runPython("in_use = gc.mem_alloc()");
  return micropython.globals.get("in_use");
}

copy(image);
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
micropython.runPython("from idro.app import hardware, node");
console.log("imports", used() - start);
micropython.runPython("built = node.Node(hardware.start_watchdog(), '0badcafe')");
console.log("built", used() - start);
