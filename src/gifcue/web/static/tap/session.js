/**
 * What a tap does with the frames that pass by: it sends copies of them to gifcue, while somebody agrees to it.
 * @module
 */
import { ReactionStream } from '../js/stream.js';
import { Layers, codecOf } from './layers.js';
import { wire } from './wire.js';

// Milliseconds between two keyframes that are asked of the call's encoder. Each costs the call several frames' bandwidth.
const KEYFRAME_MS = 1000;
// Milliseconds between two questions for the codecs of the call.
const CODECS_MS = 1000;
// Milliseconds for which a request to send less holds. The server repeats it while it needs to.
const SLOW_DOWN_MS = 10_000;
const COUNTS_MS = 1000;
// A participant has one stream, so nothing is gained by collecting frames.
const TUNING = { batchMs: 0 };

export class Session {
  /**
   * @param {object} options
   * @param {RTCRtpScriptTransformer} options.transformer is asked for keyframes
   * @param {import('./tap.js').SessionOptions} options.options
   * @param {(message: {kind: string, value?: unknown}) => void} options.tell reports to tap.js
   */
  constructor({ transformer, options: { url, token, config, participantId, labels, mimeTypes, isScreen, isSpeaking }, tell }) {
    this.#transformer = transformer;
    this.#tell = tell;
    this.#id = participantId;
    this.#labels = labels;
    this.#mimeTypes = mimeTypes;
    this.#isScreen = isScreen;
    this.#isSpeaking = isSpeaking;
    this.#layers = new Layers({ onUnit: (unit) => this.#send(unit), onNeedsKeyframe: (ssrc) => this.#askKeyframe(ssrc) });
    const forward = (kind) => (value) => tell({ kind, value });
    this.#stream = new ReactionStream({
      wire, url, token, config, tuning: TUNING,
      on: {
        ready: forward('ready'), reaction: forward('reaction'), fault: forward('fault'), drain: () => this.#tell({ kind: 'drain' }),
        state: (state) => {
          if (state.name === 'waiting' || state.name === 'ended') this.#interrupt();
          this.#tell({ kind: 'state', value: state });
        },
        keyframe: () => { this.#isCut = true; },
        slowDown: ({ maxFps }) => {
          this.#maxFps = maxFps;
          this.#slowUntilMs = performance.now() + SLOW_DOWN_MS;
        },
      },
    });
    this.#timer = setInterval(() => this.#tell({ kind: 'counts', value: this.counts }), COUNTS_MS);
  }

  #id;
  #labels;
  #mimeTypes;
  #isScreen;
  #isSpeaking;
  #layers;
  #stream;
  #timer;
  #transformer;
  #tell;
  #codec = 0;
  #rotation = 0;
  /** Whether nothing can be sent before the next keyframe. */
  #isCut = true;
  #askedMs = -Infinity;
  #codecsAskedMs = -Infinity;
  #maxFps = Infinity;
  #slowUntilMs = 0;
  #fps = { sinceMs: 0, units: 0, topLayer: 0, measured: 0, layers: 1 };

  /** Frames that the sender's encoder made, and what became of each: encoded = sent + joined + all of leftOut. */
  counts = {
    encoded: 0, sent: 0, joined: 0, sentBytes: 0, keyframesAsked: 0,
    leftOut: { consent: 0, screen: 0, not_connected: 0, network: 0, awaiting_keyframe: 0, layer: 0, rate: 0, codec: 0, empty: 0, too_large: 0, error: 0 },
  };

  allow(labels) {
    if (this.#labels.length && !labels.length) this.#cut();
    this.#labels = labels;
    if (this.#codec) this.#stream.allow(this.#id, labels);
  }

  speak(speaking) {
    this.#isSpeaking = speaking; // its first frame joins, which may come later
    this.#stream.speak(this.#id, speaking);
  }

  dismiss(reactionId) { this.#stream.dismiss(this.#id, reactionId); }

  turn(rotation) { this.#rotation = rotation; }

  /** @param {Record<number, string>} mimeTypes the media types by payload type */
  knowCodecs(mimeTypes) { this.#mimeTypes = mimeTypes; }

  /** @param {boolean} isScreen whether the sender sends a shared screen, of which nothing is copied */
  showScreen(isScreen) {
    this.#isScreen = isScreen;
    this.#cut();
  }

  /** @param {string} [rid] the layer of simulcast */
  generate(rid) {
    // Not awaited: the promise resolves with the keyframe, which is behind other frames in the same pipe.
    (rid ? this.#transformer.generateKeyFrame(rid) : this.#transformer.generateKeyFrame()).catch(() => {}); // it is asked again
  }

  end() {
    clearInterval(this.#timer);
    this.#tell({ kind: 'counts', value: this.counts });
    this.#stream.leave(this.#id);
    this.#stream.close();
  }

  /**
   * What is needed of a frame, null where nothing of it is. It is called before the frame goes on to the peer, which takes its
   * data away, and throws nothing.
   * @param {RTCEncodedVideoFrame} frame
   */
  copyOf(frame) {
    this.counts.encoded++;
    try {
      return this.#copyOf(frame);
    } catch (error) {
      this.#fail(error);
      return null;
    }
  }

  #copyOf(frame) {
    const { leftOut } = this.counts;
    if (!this.#labels.length) leftOut.consent++;
    else if (this.#isScreen) leftOut.screen++;
    else if (!this.#stream.ready) leftOut.not_connected++;
    else if (this.#stream.isCongested) {
      leftOut.network++;
      this.#cut();
    } else {
      const metadata = frame.getMetadata();
      const codec = codecOf(metadata.mimeType ?? this.#mimeTypes[metadata.payloadType]);
      // Another codec is another join, which the server may take.
      if (codec && codec === this.#codec && this.#stream.isRefused(this.#id)) {
        leftOut.not_connected++;
        this.#cut();
        return null;
      }
      if (codec) {
        return { payload: new Uint8Array(frame.data.slice(0)), type: frame.type, timestamp: frame.timestamp, metadata, codec };
      }
      leftOut.codec++;
      this.#cut();
      this.#askCodecs();
    }
    return null;
  }

  /** Takes what `copyOf` made, once the frame has gone on. It throws nothing. */
  take({ payload, type, timestamp, metadata, codec }) {
    try {
      if (!payload.length) {
        this.counts.leftOut.empty++;
        return;
      }
      const isTaken = this.#layers.take({
        payload, codec, keyframe: type === 'key', ssrc: metadata.synchronizationSource, rtpTimestamp: metadata.rtpTimestamp ?? timestamp,
        width: metadata.width, height: metadata.height, spatialIndex: metadata.spatialIndex, temporalIndex: metadata.temporalIndex,
      });
      if (isTaken) return;
      if (this.#layers.ssrc === null) this.counts.leftOut.awaiting_keyframe++;
      else this.counts.leftOut.layer++;
    } catch (error) {
      this.#fail(error);
    }
  }

  #send({ payload, keyframe, codec, timestampUs, temporalLayer, frames }) {
    const { leftOut } = this.counts;
    this.counts.joined += frames - 1;
    if (codec !== this.#codec) {
      this.#codec = codec;
      this.#stream.join(this.#id, { codec, labels: this.#labels, isSpeaking: this.#isSpeaking });
    }
    if (this.#stream.isRefused(this.#id)) { // it waits, since its name was refused a moment ago
      leftOut.not_connected++;
      this.#isCut = true;
      return;
    }
    if (this.#isCut && !keyframe) {
      leftOut.awaiting_keyframe++;
      this.#askKeyframe(this.#layers.ssrc);
      return;
    }
    // No frame that is sent builds on an upper layer, so leaving it out is no loss.
    if (!keyframe && this.#isTooMuch(timestampUs, temporalLayer ?? 0)) {
      leftOut.rate++;
      return;
    }
    this.#isCut = false;
    const sequence = this.#stream.sendFrame(this.#id, { timestampUs, keyframe, payload, temporalLayer, rotation: this.#rotation });
    if (sequence === null) {
      leftOut.too_large++; // there is a connection, and a keyframe was sent
      this.#isCut = true;
      return;
    }
    this.counts.sent++;
    this.counts.sentBytes += payload.length;
  }

  /** Whether the layer is above what the server accepts. Each temporal layer has as many frames as all below it. */
  #isTooMuch(timestampUs, layer) {
    const fps = this.#fps;
    fps.units++;
    fps.topLayer = Math.max(fps.topLayer, layer);
    const passedMs = timestampUs / 1000 - fps.sinceMs;
    if (passedMs >= 1000 || passedMs < 0) {
      fps.measured = passedMs < 2000 ? 1000 * fps.units / passedMs : 0;
      fps.layers = fps.topLayer + 1;
      Object.assign(fps, { sinceMs: timestampUs / 1000, units: 0, topLayer: 0 });
    }
    const isSlow = performance.now() < this.#slowUntilMs;
    const maxFps = Math.min(isSlow ? this.#maxFps : Infinity, this.#stream.ready?.limits.maxFps || Infinity);
    return layer > 0 && fps.measured / 2 ** (fps.layers - 1 - layer) > 1.1 * maxFps;
  }

  #askKeyframe(ssrc) {
    const nowMs = performance.now();
    if (nowMs - this.#askedMs < KEYFRAME_MS) return;
    this.#askedMs = nowMs;
    this.counts.keyframesAsked++;
    this.#tell({ kind: 'needs_keyframe', value: { ssrc, canGenerate: 'generateKeyFrame' in this.#transformer } });
  }

  /** The call can be negotiated again, with other payload types. */
  #askCodecs() {
    const nowMs = performance.now();
    if (nowMs - this.#codecsAskedMs < CODECS_MS) return;
    this.#codecsAskedMs = nowMs;
    this.#tell({ kind: 'needs_codecs' });
  }

  /** Frames are left out from here on, up to a keyframe. */
  #cut() {
    this.#isCut = true;
    this.counts.leftOut.awaiting_keyframe += this.#layers.reset();
  }

  #interrupt() {
    this.#cut();
    this.#slowUntilMs = 0; // another server may have more time
  }

  #fail(error) {
    this.counts.leftOut.error++;
    this.#cut();
    this.#tell({ kind: 'problem', value: String(error?.message ?? error) });
  }
}
