// Creates and updates DOM elements.

export const byId = (id) => document.getElementById(id);

/** A new element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Append a new element to `parent` and return it. */
export const append = (parent, tag, className = "") => parent.appendChild(make(tag, { className }));

/** Set a text; an equal text leaves the DOM unchanged. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show the state of an action ("pending", "done", "failed") with a text. */
export function showOutcome(element, state, text) {
  element.hidden = false;
  element.dataset.state = state;
  element.textContent = text;
}

/** Keep one element for each item inside `parent`, in order; other elements are removed. */
export function placed(parent, known, things, keyOf, create, render) {
  const keys = new Set(things.map(keyOf));
  for (const [key, element] of known) {
    if (keys.has(key)) continue;
    element.remove();
    known.delete(key);
  }
  things.forEach((thing, index) => {
    const key = keyOf(thing);
    if (!known.has(key)) known.set(key, create(thing));
    const element = known.get(key);
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] || null);
    render(element, thing);
  });
}
