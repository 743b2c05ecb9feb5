// Discards late responses of a repeated request.

/** The responses of one repeated request. */
export class LatestResponse {
  #requested = 0;
  #shown = 0;

  /** The result of `asking`; undefined if a later request is already shown. */
  async of(asking) {
    this.#requested += 1;
    const number = this.#requested;
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

  /** The result of a change; requests from before it are discarded. */
  async change(asking) {
    try {
      return await asking;
    } finally {
      this.restart();
    }
  }

  /** Discard the requests so far. */
  restart() {
    this.#requested += 1;
    this.#shown = this.#requested;
  }
}

/** A function that runs `work` once at a time; a call meanwhile runs it once more. */
export function coalesced(work) {
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
