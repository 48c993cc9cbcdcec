/**
 * Encodes pictures as the server takes them: H.264 or VP8 where the browser has an encoder, else JPEG stills.
 * @module
 */
import { Codec } from '../../vendor/wire.js';

/** The larger side of what is sent, in pixels. */
export const MAX_SIDE = 640;
const BITS_PER_PIXEL = 0.1;
const FPS = 30;
// Pictures that wait for the encoder; further ones are skipped.
const MAX_WAITING = 2;
const STILLS_PER_S = 10;
const JPEG_QUALITY = 0.85;

// In the order in which they are tried. Three temporal layers let the server leave some undecoded under load.
const FORMATS = [
  { codec: Codec.H264, config: { codec: 'avc1.42e01f', avc: { format: 'annexb' } }, name: 'H.264' },
  { codec: Codec.VP8, config: { codec: 'vp8' }, name: 'VP8' },
].flatMap((format) => [
  { ...format, config: { ...format.config, scalabilityMode: 'L1T3' }, name: `${format.name}, 3 temporal layers` },
  format,
]);

/**
 * An encoded picture.
 * @typedef {object} Encoded
 * @property {number} timestampUs
 * @property {boolean} keyframe
 * @property {Uint8Array} payload
 * @property {number} [temporalLayer]
 */

/** The size at which a picture is sent: at most `MAX_SIDE`, and even, as the codecs ask. */
export function sizeOf(width, height) {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height, 1));
  const even = (side) => Math.max(2, 2 * Math.round(side * scale / 2));
  return { width: even(width), height: even(height) };
}

/**
 * The best encoder that this browser has for pictures of a size.
 * @param {{width: number, height: number}} size
 * @param {(encoded: Encoded) => void} onEncoded
 * @param {(error: Error) => void} onError the encoder failed and must be replaced
 * @param {Set<string>} failed names of formats that are not tried
 */
export async function makeEncoder(size, onEncoded, onError, failed = new Set()) {
  for (const format of globalThis.VideoEncoder ? FORMATS : []) {
    if (failed.has(format.name)) continue;
    const config = {
      ...format.config, ...size, framerate: FPS, latencyMode: 'realtime',
      bitrate: Math.round(size.width * size.height * FPS * BITS_PER_PIXEL),
    };
    const { supported } = await VideoEncoder.isConfigSupported(config).catch(() => ({ supported: false }));
    if (supported) return new WebCodecsEncoder(format, config, onEncoded, onError);
  }
  return new JpegEncoder(size, onEncoded);
}

/** Draws a picture at the size that is sent. Where the sizes are equal, nothing is drawn. */
class Scaler {
  constructor({ width, height }) {
    this.width = width;
    this.height = height;
  }

  #canvas = null;

  canvasOf(video) {
    this.#canvas ??= new OffscreenCanvas(this.width, this.height);
    this.#canvas.getContext('2d', { alpha: false }).drawImage(video, 0, 0, this.width, this.height);
    return this.#canvas;
  }

  frameOf(video, timestamp) {
    const fits = video.videoWidth === this.width && video.videoHeight === this.height;
    return new VideoFrame(fits ? video : this.canvasOf(video), { timestamp });
  }
}

class WebCodecsEncoder {
  constructor({ codec, name }, config, onEncoded, onError) {
    this.codec = codec;
    this.name = name;
    this.size = { width: config.width, height: config.height };
    this.#scaler = new Scaler(config);
    this.#encoder = new VideoEncoder({
      output: (chunk, metadata) => {
        const payload = new Uint8Array(chunk.byteLength);
        chunk.copyTo(payload);
        onEncoded({
          timestampUs: chunk.timestamp, keyframe: chunk.type === 'key', payload, temporalLayer: metadata?.svc?.temporalLayerId,
        });
      },
      error: onError,
    });
    this.#encoder.configure(config);
  }

  #encoder;
  #scaler;

  /** Whether a picture would wait too long. */
  get isBusy() {
    return this.#encoder.encodeQueueSize >= MAX_WAITING;
  }

  /** @param {{video: HTMLVideoElement, timestampUs: number, keyframe: boolean}} picture */
  encode({ video, timestampUs, keyframe }) {
    if (this.#encoder.state !== 'configured') return;
    const frame = this.#scaler.frameOf(video, timestampUs);
    try {
      this.#encoder.encode(frame, { keyFrame: keyframe });
    } finally {
      frame.close(); // the browser has few of them
    }
  }

  close() {
    if (this.#encoder.state !== 'closed') this.#encoder.close();
  }
}

class JpegEncoder {
  codec = Codec.JPEG;
  name = 'JPEG stills';
  #waiting = 0;
  #lastUs = -Infinity;

  constructor(size, onEncoded) {
    this.size = size;
    this.#scaler = new Scaler(size);
    this.#onEncoded = onEncoded;
  }

  #scaler;
  #onEncoded;

  get isBusy() {
    return this.#waiting > 0;
  }

  async encode({ video, timestampUs }) {
    if (timestampUs - this.#lastUs < 1e6 / STILLS_PER_S) return;
    this.#lastUs = timestampUs;
    this.#waiting++;
    try {
      const blob = await this.#scaler.canvasOf(video).convertToBlob({ type: 'image/jpeg', quality: JPEG_QUALITY });
      this.#onEncoded({ timestampUs, keyframe: true, payload: new Uint8Array(await blob.arrayBuffer()) });
    } finally {
      this.#waiting--;
    }
  }

  close() {
    this.#onEncoded = () => {}; // what is still in work is not sent
  }
}
