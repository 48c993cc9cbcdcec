/**
 * Chooses one layer of what a sender encodes, and makes access units of it. It uses nothing of the DOM.
 * @module
 */
import { Codec } from './wire.js';

const RTP_TICKS_PER_MS = 90;
// The server analyses pictures of at most this size.
const TARGET_PIXELS = 640 * 360;
// A layer of simulcast that was silent for this long is paused.
const ACTIVE_MS = 2000;
// A step of the RTP clock that differs by more from the time of arrival is a new clock.
const JUMP_MS = 5000;

const CODECS = { 'video/vp8': Codec.VP8, 'video/vp9': Codec.VP9, 'video/h264': Codec.H264, 'video/h265': Codec.H265, 'video/av1': Codec.AV1 };
// Codecs whose spatial layers belong to one access unit.
const HAS_SPATIAL_LAYERS = new Set([Codec.VP9, Codec.AV1]);

/** The codec of a media type such as "video/VP8"; undefined for one that gifcue does not know. */
export const codecOf = (mimeType) => CODECS[mimeType?.toLowerCase()];

/** How far a size is from the one that serves best: 0 is best. */
const distance = (pixels) => Math.abs(Math.log(Math.max(1, pixels) / TARGET_PIXELS));

/**
 * A frame as a sender's encoder made it: one spatial layer of one picture.
 * @typedef {object} LayerFrame
 * @property {Uint8Array} payload
 * @property {boolean} keyframe
 * @property {number} codec one of `Codec`
 * @property {number} ssrc names the layer of simulcast
 * @property {number} rtpTimestamp 32 bits at 90 kHz
 * @property {number} [width]
 * @property {number} [height]
 * @property {number} [spatialIndex]
 * @property {number} [temporalIndex]
 *
 * @typedef {object} Unit an access unit
 * @property {Uint8Array} payload
 * @property {boolean} keyframe
 * @property {number} codec
 * @property {number} timestampUs on one timeline, whatever the layer
 * @property {number} [temporalLayer]
 * @property {number} frames the spatial layers that it holds
 */

export class Layers {
  /**
   * @param {object} options
   * @param {(unit: Unit) => void} options.onUnit
   * @param {(ssrc: number) => void} options.onNeedsKeyframe a better layer can only be taken from its next keyframe on
   * @param {() => number} [options.nowMs]
   */
  constructor({ onUnit, onNeedsKeyframe, nowMs = () => performance.now() }) {
    this.#onUnit = onUnit;
    this.#onNeedsKeyframe = onNeedsKeyframe;
    this.#nowMs = nowMs;
  }

  #onUnit;
  #onNeedsKeyframe;
  #nowMs;
  /** The layers of simulcast by SSRC: their size, and when they were last heard. */
  #streams = new Map();
  #ssrc = null;
  /** The access unit that is being collected, and the spatial layer up to which it is taken. */
  #open = null;
  #top = 0;
  #clock = null;

  /** The synchronization source that is taken, null before the first keyframe. */
  get ssrc() {
    return this.#ssrc;
  }

  /** Forgets what is under way: the next unit is a keyframe. Returns how many frames are left out by this. */
  reset() {
    const leftOut = this.#open?.parts.length ?? 0;
    this.#ssrc = null;
    this.#open = null;
    return leftOut;
  }

  /**
   * Takes the next frame of the encoder. False where it is of a layer that is left out.
   * @param {LayerFrame} frame
   */
  take(frame) {
    const wanted = this.#wanted(frame);
    if (frame.ssrc !== this.#ssrc) {
      if (frame.ssrc !== wanted) return false;
      // Layers of simulcast do not build on each other: the switch is at a keyframe.
      if (!frame.keyframe) {
        this.#onNeedsKeyframe(frame.ssrc);
        return false;
      }
      this.#flush();
      this.#ssrc = frame.ssrc;
    }
    if (HAS_SPATIAL_LAYERS.has(frame.codec)) return this.#collect(frame);
    this.#send(frame.keyframe, [frame]);
    return true;
  }

  /** The synchronization source that serves best. The one in use wins a tie. */
  #wanted({ ssrc, width = 0, height = 0 }) {
    const nowMs = this.#nowMs();
    // Of spatial layers that share a source, the largest counts.
    const known = this.#streams.get(ssrc);
    this.#streams.set(ssrc, { pixels: width * height || known?.pixels || 0, heardMs: nowMs });
    if (this.#streams.size === 1) return ssrc;
    let best = null;
    for (const [each, { pixels, heardMs }] of this.#streams) {
      if (nowMs - heardMs > ACTIVE_MS) {
        this.#streams.delete(each);
        continue;
      }
      const off = distance(pixels) - (each === this.#ssrc ? 1e-9 : 0);
      if (best === null || off < best.off) best = { off, each };
    }
    return best.each;
  }

  /** Collects the spatial layers of one picture, up to the one that serves best. */
  #collect(frame) {
    const index = frame.spatialIndex ?? 0;
    if (this.#open && this.#open.rtpTimestamp !== frame.rtpTimestamp) this.#flush();
    if (!this.#open) {
      if (index !== 0) return this.#leaveOut(frame); // the unit was handed on without it
      this.#open = { rtpTimestamp: frame.rtpTimestamp, keyframe: frame.keyframe, parts: [] };
    }
    const { parts, keyframe } = this.#open;
    const pixels = (frame.width ?? 0) * (frame.height ?? 0);
    // Layers are chosen at a keyframe: what comes later builds on the layers that were sent then.
    if (keyframe ? parts.length > 0 && distance(pixels) >= distance(parts.at(-1).pixels) : index > this.#top) {
      return this.#leaveOut(frame);
    }
    parts.push({ ...frame, pixels });
    if (keyframe) this.#top = index;
    // No larger layer would be nearer, or none is taken: nothing more is waited for.
    if (keyframe ? pixels >= TARGET_PIXELS : index === this.#top) this.#flush();
    return true;
  }

  #leaveOut(frame) {
    if (this.#open?.keyframe) this.#flush();
    return false;
  }

  #flush() {
    const open = this.#open;
    this.#open = null;
    if (open?.parts.length) this.#send(open.keyframe, open.parts);
  }

  #send(keyframe, parts) {
    const { codec, ssrc, rtpTimestamp, temporalIndex } = parts[0];
    const payloads = parts.map(({ payload }) => payload);
    const join = { [Codec.VP9]: joinVp9, [Codec.AV1]: joinAv1 }[codec];
    this.#onUnit({
      payload: join ? join(payloads) : payloads[0], keyframe, codec,
      timestampUs: this.#timeUs(ssrc, rtpTimestamp), temporalLayer: temporalIndex, frames: parts.length,
    });
  }

  /** Microseconds on one timeline: RTP clocks wrap, and each layer of simulcast has one of its own. */
  #timeUs(ssrc, rtpTimestamp) {
    const nowMs = this.#nowMs();
    const last = this.#clock;
    let us = 1000 * nowMs;
    if (last) {
      const passedMs = nowMs - last.nowMs;
      const ticks = (rtpTimestamp - last.rtpTimestamp) | 0;
      const isSame = ssrc === last.ssrc && ticks >= 0 && Math.abs(ticks / RTP_TICKS_PER_MS - passedMs) <= JUMP_MS;
      us = last.us + 1000 * (isSame ? ticks / RTP_TICKS_PER_MS : Math.max(1, passedMs));
    }
    this.#clock = { ssrc, rtpTimestamp, nowMs, us };
    return us;
  }
}

/** A superframe of the frames of all spatial layers, with its index (VP9 bitstream specification, annex B). */
function joinVp9(payloads) {
  if (payloads.length === 1) return payloads[0];
  const most = Math.max(...payloads.map(({ length }) => length));
  const width = most > 0xffffff ? 4 : most > 0xffff ? 3 : most > 0xff ? 2 : 1;
  const marker = 0xc0 | (width - 1) << 3 | (payloads.length - 1);
  const sizes = payloads.flatMap(({ length }) => [...Array(width).keys()].map((at) => length >>> 8 * at & 0xff));
  return concatenate([...payloads, Uint8Array.from([marker, ...sizes, marker])]);
}

/** A temporal unit of all spatial layers. Temporal delimiters are left out, as RTP does. */
function joinAv1(payloads) {
  const bare = payloads.map((each) => ((each[0] >> 3 & 15) === 2 && each[1] === 0 ? each.subarray(2) : each));
  return bare.length === 1 ? bare[0] : concatenate(bare);
}

function concatenate(chunks) {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
