// Orders names as people read them: basil-2 before basil-10. Without DOM.

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

export const naturally = (a, b) => collator.compare(a, b) || (a < b ? -1 : Number(a > b));
