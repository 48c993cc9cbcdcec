/**
 * One participant of the page: its pictures, its consent, and what the server says of it.
 * @module
 */
import { Phase } from '../../vendor/wire.js';
import { countsOf, since } from './books.js';
import { makeEncoder, sizeOf } from './encoder.js';
import { Latency } from './latency.js';

const MAX_REACTIONS = 8;
// Milliseconds between two explanations that are shown: faster, nobody can read them.
const EXPLAIN_MS = 500;
// Milliseconds for which a request to send less holds. The server repeats it while it needs to.
const SLOW_DOWN_MS = 10_000;
// Milliseconds for which a GIF is shown at least, also where its pose is over sooner.
export const SHOW_MS = 4000;

/**
 * @typedef {object} Shown a reaction that started
 * @property {string} id
 * @property {string} label
 * @property {object | undefined} gif
 * @property {string} gifReason
 * @property {boolean} isOver the pose is over
 * @property {boolean} isVisible the GIF is still shown
 * @property {boolean} isDismissed
 */

export class Participant {
  /**
   * @param {object} options
   * @param {string} options.id the name on the wire
   * @param {string} options.name the name on the page
   * @param {import('./sources.js').Source} options.source
   * @param {import('../stream.js').ReactionStream} options.stream
   * @param {() => void} options.onChange
   */
  constructor({ id, name, source, stream, onChange }) {
    Object.assign(this, { id, name, source, stream, onChange, latency: new Latency(onChange) });
    source.onPicture = (picture) => this.#take(picture);
    source.onEnd = () => {
      this.isPlaying = false;
      onChange();
    };
  }

  isPlaying = true;
  /** @type {Set<string>} */
  allowed = new Set();
  /** The hold under way, null without one. */
  holding = null;
  /** @type {Shown[]} the newest first */
  reactions = [];
  regions = [];
  unmet = [];
  fault = null;
  /** Frames of the last second and in all, as the server counts them; null before the first answer. */
  lastSecond = null;
  total = null;
  /** What the page itself did with pictures. */
  counts = { shown: 0, encoded: 0, skipped: { network: 0, encoder: 0, pace: 0 }, unsent: 0 };

  #encoder = null;
  #isMaking = false;
  #failed = new Set();
  #needsKeyframe = true;
  #minIntervalUs = 0;
  #slowUntilMs = 0;
  #isStopped = false;
  // Whether a frame that was encoded was not sent, so that those up to the next keyframe are not either.
  #isCut = false;
  #lastUs = -Infinity;
  #explainedMs = 0;
  #timers = new Set();

  /** The encoder's name, "" before the first picture. */
  get format() {
    return this.#encoder?.name ?? '';
  }

  /** The size of what is sent, null before the first picture. */
  get size() {
    return this.#encoder?.size ?? null;
  }

  start() {
    this.source.start();
  }

  /** Agrees to a label, or no longer. */
  consent(label, agrees) {
    if (agrees) this.allowed.add(label);
    else this.allowed.delete(label);
    if (this.holding && !this.allowed.has(this.holding.label)) this.holding = null;
    this.#needsKeyframe = true;
    if (this.#encoder) this.stream.allow(this.id, [...this.allowed]);
    this.onChange();
  }

  /** Says that a reaction was not meant. */
  dismiss(reaction) {
    reaction.isDismissed = true;
    reaction.isVisible = false;
    this.stream.dismiss(this.id, reaction.id);
    this.onChange();
  }

  async replay() {
    this.isPlaying = true;
    this.onChange();
    await this.source.replay();
  }

  /** Leaves the stream and frees the camera. */
  stop() {
    this.#isStopped = true;
    this.source.stop();
    this.#encoder?.close();
    for (const timer of this.#timers) clearTimeout(timer);
    this.stream.leave(this.id);
  }

  // What the server says

  askKeyframe() {
    this.#needsKeyframe = true;
  }

  slowDown(maxFps) {
    this.#minIntervalUs = maxFps > 0 ? 1e6 / maxFps : 0;
    this.#slowUntilMs = performance.now() + SLOW_DOWN_MS;
  }

  /** The labels that are agreed to and that the server has. A gesture may have been deleted there. */
  get effective() {
    const known = this.stream.ready?.reactionLabels;
    return known ? [...this.allowed].filter((label) => known.includes(label)) : [];
  }

  react(event) {
    const { phase, label, reactionId, progress, box, sequence } = event;
    if (phase === Phase.HOLDING) {
      // Consent that was just withdrawn is not shown, though the server may not have heard of it yet.
      if (!this.allowed.has(label)) return;
      const isNew = this.holding?.reactionId !== reactionId;
      this.holding = { reactionId, label, progress, box };
      if (isNew) this.latency.decided(sequence);
    } else {
      if (this.holding?.reactionId === reactionId) this.holding = null;
      if (phase === Phase.STARTED) this.#show(event);
      else if (phase === Phase.ENDED) this.#end(reactionId);
    }
    this.onChange();
  }

  decide({ regions, unmet }) {
    this.regions = regions;
    const nowMs = performance.now();
    if (nowMs - this.#explainedMs >= EXPLAIN_MS) {
      this.#explainedMs = nowMs;
      this.unmet = unmet;
    }
    this.onChange();
  }

  setBooks({ books }) {
    const total = countsOf(books);
    this.lastSecond = since(total, this.total);
    this.total = total;
  }

  /**
   * The connection is gone. Reactions under way may go on at the next server, so the GIF stays: the stream ends those that do
   * not.
   */
  interrupt() {
    this.holding = null;
    this.regions = [];
    this.unmet = [];
    this.lastSecond = null;
    this.total = null; // the next connection counts from zero
    this.latency.interrupt();
    this.#minIntervalUs = 0; // another server may have more time
    this.onChange();
  }

  // Pictures

  #take({ timestampUs, capturedMs }) {
    this.counts.shown++;
    // Nothing is encoded without consent: no picture leaves the browser.
    if (!this.effective.length) return;
    const { video } = this.source;
    const size = sizeOf(video.videoWidth, video.videoHeight);
    const encoder = this.#encoder;
    if (!encoder || encoder.size.width !== size.width || encoder.size.height !== size.height) {
      this.#replace(size);
      return;
    }
    const { maxFps } = this.stream.ready.limits;
    const slowUs = capturedMs < this.#slowUntilMs ? this.#minIntervalUs : 0;
    const intervalUs = Math.max(slowUs, maxFps > 0 ? 1e6 / maxFps : 0);
    const { skipped } = this.counts;
    if (timestampUs - this.#lastUs < 0.9 * intervalUs) skipped.pace++;
    else if (this.stream.isCongested) skipped.network++;
    else if (encoder.isBusy) skipped.encoder++;
    else {
      this.#lastUs = timestampUs;
      this.latency.encodes(timestampUs, capturedMs);
      const keyframe = this.#needsKeyframe;
      this.#needsKeyframe = false;
      encoder.encode({ video, timestampUs, keyframe });
    }
  }

  async #replace(size) {
    if (this.#isMaking) return;
    this.#isMaking = true;
    this.#encoder?.close();
    try {
      const encoder = await makeEncoder(
        size,
        (encoded) => this.#send(encoded),
        (error) => {
          // A browser takes back encoders that were not used for a while. That says nothing of the format.
          if (error?.name !== 'QuotaExceededError') this.#failed.add(encoder.name);
          this.#encoder = null; // the next picture makes another one
        },
        this.#failed);
      // Stopped meanwhile: a join would add a participant that nobody removes.
      if (this.#isStopped) {
        encoder.close();
        return;
      }
      this.#encoder = encoder;
      this.#needsKeyframe = true;
      this.stream.join(this.id, { codec: encoder.codec, labels: [...this.allowed] });
    } finally {
      this.#isMaking = false;
    }
    this.onChange();
  }

  #send(encoded) {
    this.counts.encoded++;
    // Consent may have been taken back while the picture was in the encoder. What builds on it is not sent either.
    if (!this.effective.length) this.#isCut = true;
    else if (encoded.keyframe) this.#isCut = false;
    const sequence = this.#isCut ? null : this.stream.sendFrame(this.id, encoded);
    this.latency.encoded(encoded.timestampUs, sequence);
    if (sequence === null) this.counts.unsent++;
  }

  // Reactions

  #show({ reactionId, label, gif, gifReason }) {
    const shown = { id: reactionId, label, gif, gifReason, isOver: false, isVisible: Boolean(gif), isDismissed: false };
    for (const earlier of this.reactions) earlier.isVisible = false;
    this.reactions = [shown, ...this.reactions].slice(0, MAX_REACTIONS);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      shown.hasBeenSeen = true;
      if (shown.isOver) this.#hide(shown);
    }, SHOW_MS);
    this.#timers.add(timer);
  }

  #end(reactionId) {
    const shown = this.reactions.find(({ id }) => id === reactionId);
    if (!shown) return;
    shown.isOver = true;
    if (shown.hasBeenSeen) this.#hide(shown);
  }

  #hide(shown) {
    shown.isVisible = false;
    this.onChange();
  }
}
