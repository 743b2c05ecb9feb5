"""Splits the heap of the unix port of MicroPython: the node's, and the simulator's beside it.

MicroPython can have more than one area of heap and takes from the first that has room. Here the
one whose code asks decides, told by the module of the running function: what `idrosim` and
start.py ask for comes from an area of its own, all else from the first, which is what
`-X heapsize` gives. gc.mem_alloc() counts the first alone. The process prints what found no room,
and at its end the most that was held of the first area over all collections, the most that objects
of it name of the other, and how many collections there were.

    heap-split refused <bytes>
    heap-split held <bytes> reached <bytes> collections <count>
"""

from pathlib import Path

OTHERS_BYTES = 64_000_000
# Machine code does not always say whose it is: bytecode does. A collection that finds more to be
# looked at than fits its stack searches all of the heap for it, again and again.
OPTIONS = ("CFLAGS_EXTRA=-DMICROPY_GC_SPLIT_HEAP=1 -DMICROPY_EMIT_X86=0 "
           "-DMICROPY_ALLOC_GC_STACK_SIZE=8192",)

_HEAD = """
#include <stdio.h>
#include "py/objmodule.h"

// The simulator's modules; start.py, which runs in the interpreter's own __main__; and what the
// simulator has loaded for itself. Not asyncio, nor boot.py and main.py, though it loads them.
static bool is_simulator(void) {
    mp_obj_dict_t *globals = mp_globals_get();
    if (globals == NULL || globals == &MP_STATE_VM(dict_main)) {
        return true;
    }
    if (gc_get_ptr_area(globals) == &MP_STATE_MEM(area)) {
        return false;
    }
    mp_map_elem_t *found = mp_map_lookup(
        &globals->map, MP_OBJ_NEW_QSTR(MP_QSTR___name__), MP_MAP_LOOKUP);
    if (found == NULL || !mp_obj_is_str(found->value)) {
        return true;
    }
    const char *name = mp_obj_str_get_str(found->value);
    return strcmp(name, "__main__") != 0 && strncmp(name, "asyncio", 7) != 0;
}

static size_t most_held, most_reached, collections;

static size_t size_of(mp_state_mem_area_t *area, size_t block) {
    size_t first = block;
    do {
        block += 1;
    } while (ATB_GET_KIND(area, block) == AT_TAIL);
    return (block - first) * BYTES_PER_BLOCK;
}

// After a collection: what is held of the first area, and what that names of the other.
static void account(void) {
    mp_state_mem_area_t *node = &MP_STATE_MEM(area), *other = node->next;
    size_t held = 0, reached = 0;
    for (int is_counting = 1; is_counting >= 0; is_counting--) {
        for (size_t block = 0; block <= node->gc_last_used_block; block++) {
            if (ATB_GET_KIND(node, block) == AT_FREE) {
                continue;
            }
            held += is_counting ? BYTES_PER_BLOCK : 0;
            void **words = (void **)PTR_FROM_BLOCK(node, block);
            for (size_t i = 0; i < BYTES_PER_BLOCK / sizeof(void *); i++) {
                if (gc_get_ptr_area(words[i]) != other) {
                    continue;
                }
                size_t named = BLOCK_FROM_PTR(other, words[i]);
                if (is_counting && ATB_GET_KIND(other, named) == AT_HEAD) {
                    reached += size_of(other, named);
                    ATB_HEAD_TO_MARK(other, named);
                } else if (!is_counting && ATB_GET_KIND(other, named) == AT_MARK) {
                    ATB_MARK_TO_HEAD(other, named);
                }
            }
        }
    }
    most_held = MAX(most_held, held);
    most_reached = MAX(most_reached, reached);
    collections += 1;
}

static void __attribute__((destructor)) tell(void) {
    dprintf(1, "heap-split held %u reached %u collections %u\\n", (unsigned)most_held,
        (unsigned)most_reached, (unsigned)collections);
}

void gc_collect_start(void) {"""

# The room for names that are not frozen in doubles where it is full: here it is large enough for
# the simulator's as well. Names are few, and go by the module that first says them.
_FEW_NAMES = "#define MICROPY_ALLOC_QSTR_ENTRIES_INIT (10)\n"
_FAIL = "void m_malloc_fail(size_t num_bytes) {\n"
_TOLD_FAIL = (
    "extern int dprintf(int, const char *, ...);\n" + _FAIL
    + '    dprintf(1, "heap-split refused %u\\n", (unsigned)num_bytes);\n'
)

# (file, head of the function, text in it, what stands in its place)
_CHANGES = (
    ("gc.c", "", "\nvoid gc_collect_start(void) {", _HEAD),
    ("gc.c", "void gc_init(", "    MP_STATE_MEM(gc_last_free_area) = &MP_STATE_MEM(area);\n",
     f"    static char others[{OTHERS_BYTES}] __attribute__((aligned(16)));\n"
     "    gc_add(others, others + sizeof(others));\n"),
    ("gc.c", "void gc_collect_end(", "    MP_STATE_THREAD(gc_lock_depth) &= ~GC_COLLECT_FLAG;\n",
     "    account();\n    MP_STATE_THREAD(gc_lock_depth) &= ~GC_COLLECT_FLAG;\n"),
    ("gc.c", "void gc_info(", "area != NULL; area = NEXT_AREA(area)) {",
     "area != NULL; area = NULL) {"),
    ("gc.c", "void *gc_alloc(", "        area = MP_STATE_MEM(gc_last_free_area);\n",
     "        area = &MP_STATE_MEM(area);\n"
     "        if (is_simulator()) {\n            area = area->next;\n        }\n"),
    ("gc.c", "void *gc_alloc(", "        for (; area != NULL; area = NEXT_AREA(area), i = 0) {",
     "        for (int tries = 1; tries > 0; tries--) {"),
    ("gc.c", "void *gc_alloc(", "    MP_STATE_MEM(gc_alloc_amount) += n_blocks;\n",
     "    if (area == &MP_STATE_MEM(area)) {\n"
     "        MP_STATE_MEM(gc_alloc_amount) += n_blocks;\n    }\n"),
    ("qstr.c", "", _FEW_NAMES, _FEW_NAMES.replace("(10)", "(8000)")),
    ("runtime.c", "", "NORETURN " + _FAIL, _TOLD_FAIL.replace(_FAIL, "NORETURN " + _FAIL)),
)


def split(source: Path) -> None:
    """Change MicroPython's source. Raises ValueError where it is another than known."""
    for name, function, known, instead in _CHANGES:
        file = source / "py" / name
        text = file.read_text(encoding="utf-8")
        begin = text.find(f"\n{function}") if function else 0
        at = text.find(known, begin)
        if begin < 0 or at < 0 or (function and "\n}\n" in text[begin:at]):
            raise ValueError(f"{file}: {function} has no {known.strip()!r}")
        file.write_text(text[:at] + instead + text[at + len(known):], encoding="utf-8")
