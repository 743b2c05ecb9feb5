// What a page asks for more than once: an answer that comes late is not taken for news.

/** The answers to one question, in the order they were asked for. */
export class Newest {
  #asked = 0;
  #shown = 0;

  /** What `asking` resolves with; undefined where something asked later is shown already. */
  async of(asking) {
    this.#asked += 1;
    const number = this.#asked;
    let answer;
    try {
      answer = await asking;
    } catch (error) {
      if (number < this.#shown) return undefined;
      throw error;
    }
    if (number < this.#shown) return undefined;
    this.#shown = number;
    return answer;
  }

  /** The same of a change: what was asked for before it was done does not count after it. */
  async change(asking) {
    try {
      return await asking;
    } finally {
      this.restart();
    }
  }

  /** Something else is wanted from now on: what was asked for before does not count. */
  restart() {
    this.#asked += 1;
    this.#shown = this.#asked;
  }
}

/** `work` as a function that is never under way twice: called meanwhile, it is done once more. */
export function oneAtATime(work) {
  let running = null;
  let isWanted = false;
  const run = async () => {
    do {
      isWanted = false;
      await work();
    } while (isWanted);
  };
  return () => {
    isWanted = true;
    running = running || run().finally(() => {
      running = null;
    });
    return running;
  };
}
