/**
 * Collects frames for a moment, so that several travel in one message.
 * @module
 */

// Bytes of a message beside the payload: the fields of a frame, and names of at most 128 bytes.
const ENVELOPE_BYTES = 256;

export class Batch {
  /**
   * @param {(frames: object[]) => void} send sends one message
   * @param {number} waitMs milliseconds that the first frame waits for others; 0: each frame is sent at once
   */
  constructor(send, waitMs) {
    this.#send = send;
    this.#waitMs = waitMs;
  }

  #send;
  #waitMs;
  #frames = [];
  #bytes = 0;
  #timer = null;
  #maxFrames = 1;
  #maxBytes = 0;

  /** Bytes that wait. */
  get bytes() {
    return this.#bytes;
  }

  /**
   * What one message may hold. A server that names no limits gets one frame a message.
   * @param {{maxFramesPerMessage: number, maxMessageBytes: number}} limits
   */
  limit({ maxFramesPerMessage, maxMessageBytes }) {
    this.#maxFrames = Math.max(1, maxFramesPerMessage);
    this.#maxBytes = maxMessageBytes;
  }

  /** @param {{payload: Uint8Array}} frame */
  add(frame) {
    const bytes = frame.payload.byteLength + ENVELOPE_BYTES;
    if (this.#frames.length && this.#bytes + bytes > this.#maxBytes) this.flush();
    this.#frames.push(frame);
    this.#bytes += bytes;
    if (this.#frames.length >= this.#maxFrames || this.#waitMs === 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), this.#waitMs);
  }

  /** Sends what waits. */
  flush() {
    const frames = this.#frames;
    this.clear();
    if (frames.length) this.#send(frames);
  }

  /** Discards what waits. */
  clear() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#frames = [];
    this.#bytes = 0;
  }
}
