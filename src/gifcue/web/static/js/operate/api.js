/**
 * The calls of OperatorService over HTTP: JSON in protobuf's mapping, in which 64-bit numbers are text.
 * @module
 */

// Seconds after which the server counts as one that does not answer.
const TIMEOUT_MS = 5000;

/** A call that the server refused, or did not answer: then `status` is 0. */
export class CallError extends Error {
  /**
   * @param {number} status of HTTP
   * @param {string} message what the server says
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether a token is missing, or another one is needed. */
  get needsToken() {
    return this.status === 401 || this.status === 403;
  }
}

/** The calls, with a token that is kept in the memory of the page alone. */
export class Api {
  #token = '';

  /** @param {string} token */
  useToken(token) {
    this.#token = token;
  }

  /** The state of the server. */
  status() {
    return this.#call('GET', 'status');
  }

  /** @param {string} pageToken "" for the first page */
  streams(pageToken) {
    return this.#call('GET', `streams?${new URLSearchParams({ pageSize: '50', pageToken })}`);
  }

  /**
   * @param {string} action such as "drain"
   * @param {object} request
   */
  act(action, request) {
    return this.#call('POST', action, request);
  }

  async #call(method, path, request) {
    const headers = new Headers();
    if (this.#token) headers.set('Authorization', `Bearer ${this.#token}`);
    if (request !== undefined) headers.set('Content-Type', 'application/json');
    let response;
    let text;
    try {
      // The mode is the default one: in others, the browser would not name the origin, which the server wants to see.
      response = await fetch(`/operator/v1/${path}`, {
        method, headers, cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(TIMEOUT_MS),
        body: request === undefined ? undefined : JSON.stringify(request),
      });
      text = await response.text();
    } catch {
      throw new CallError(0, 'The server does not answer.');
    }
    let answer;
    try {
      answer = JSON.parse(text);
    } catch {
      throw new CallError(response.status, `The server answered with ${response.status} and no JSON.`);
    }
    if (!response.ok) throw new CallError(response.status, answer.error ?? `The server answered with ${response.status}.`);
    return answer;
  }
}
