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
