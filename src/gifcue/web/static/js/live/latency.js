/**
 * How long it takes from the capture of a picture until the ring of its reaction is on the screen.
 * @module
 */

// Frames whose time of capture is remembered. The server answers within a few dozen.
const MAX_REMEMBERED = 300;
const MAX_LATENCIES = 30;

export class Latency {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  #onChange;
  // Times of capture, of pictures in the encoder by timestamp, and of frames that were sent by number.
  #encoding = new Map();
  #sent = new Map();
  #latencies = [];

  /** Milliseconds: the median of the last ones, null before the first. */
  get medianMs() {
    const sorted = [...this.#latencies].sort((one, other) => one - other);
    return sorted.length ? sorted[sorted.length >> 1] : null;
  }

  /** Milliseconds of the last one, null before the first. */
  get lastMs() {
    return this.#latencies.at(-1) ?? null;
  }

  /** A picture goes into the encoder. */
  encodes(timestampUs, capturedMs) {
    remember(this.#encoding, timestampUs, capturedMs);
  }

  /**
   * A frame came out of the encoder.
   * @param {number} timestampUs
   * @param {bigint | null} sequence null where it was not sent
   */
  encoded(timestampUs, sequence) {
    const capturedMs = this.#encoding.get(timestampUs);
    this.#encoding.delete(timestampUs);
    if (sequence !== null && capturedMs !== undefined) remember(this.#sent, sequence, capturedMs);
  }

  /** The server has decided something of this frame, which the next picture of the page shows. */
  decided(sequence) {
    const capturedMs = this.#sent.get(sequence);
    if (capturedMs === undefined) return;
    requestAnimationFrame((paintMs) => {
      this.#latencies.push(Math.max(0, paintMs - capturedMs));
      if (this.#latencies.length > MAX_LATENCIES) this.#latencies.shift();
      this.#onChange();
    });
  }

  /** The connection is gone: nothing more is decided of what was sent. */
  interrupt() {
    this.#sent.clear();
  }
}

function remember(map, key, value) {
  map.set(key, value);
  if (map.size > MAX_REMEMBERED) map.delete(map.keys().next().value);
}
