/**
 * The calls of teaching, and the hands that the server sees, as they come.
 * @module
 */

const ROOT = '/teach/v1';

/** A call that the server refused, or that did not reach it. `status` is that of HTTP, 0 without an answer. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * A hand of one frame.
 * @typedef {object} Hand
 * @property {number[]} box ymin, xmin, ymax, xmax in shares of the picture
 * @property {number[][]} landmarks 21 points x, y, z
 *
 * @typedef {object} SeenHands
 * @property {number} sequence number of the frame
 * @property {number} aspect width of the frame divided by its height
 * @property {Hand[]} hands the largest first
 * @property {number} dropped frames that this reader did not get so far, because it was too slow
 */

export class TeachApi {
  /** @param {string} token "" for a server that needs none */
  constructor(token) {
    this.#headers = token ? { Authorization: `Bearer ${token}` } : {};
  }

  #headers;

  list() {
    return this.#call('GET', '/gestures');
  }

  /** @param {string} label */
  remove(label) {
    return this.#call('DELETE', `/gestures/${encodeURIComponent(label)}`);
  }

  /**
   * Puts a gesture on trial for one stream.
   * @param {string} session
   * @param {string} label
   * @param {string | null} candidate null: no hand shows it yet
   */
  tryOn(session, label, candidate) {
    return this.#call('PUT', `/streams/${session}/gesture`, { label, candidate });
  }

  train(label, samples, others) {
    return this.#call('POST', '/candidates', { label, samples, others });
  }

  /**
   * @param {string} candidate
   * @param {{gif: string | null, replace: boolean}} options
   */
  keep(candidate, options) {
    return this.#call('POST', `/candidates/${candidate}/keep`, options);
  }

  /** @param {string} candidate */
  forget(candidate) {
    return this.#call('DELETE', `/candidates/${candidate}`);
  }

  /**
   * Calls `onHands` for each analysed frame of a stream until the stream ends or `signal` aborts.
   * @param {string} session
   * @param {(seen: SeenHands) => void} onHands
   * @param {AbortSignal} signal
   */
  async watch(session, onHands, signal) {
    const answer = await this.#fetch(`/streams/${session}/hands`, { signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split('\n');
      rest = lines.pop();
      for (const line of lines) if (line) onHands(JSON.parse(line));
    }
  }

  async #call(method, path, body) {
    const options = body === undefined ? { method } : {
      method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
    };
    return (await this.#fetch(path, options)).json();
  }

  async #fetch(path, options) {
    let answer;
    try {
      answer = await fetch(ROOT + path, { ...options, headers: { ...options.headers, ...this.#headers }, cache: 'no-store' });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new ApiError(0, 'The server does not answer. Is it running?');
    }
    if (answer.ok) return answer;
    const { error } = await answer.json().catch(() => ({}));
    throw new ApiError(answer.status, error ?? `The server answered ${answer.status}.`);
  }
}
