/**
 * A call of one camera between two ends in this page, as a meeting makes it, with a tap on its sender.
 * @module
 */
import { CameraSource } from '../live/sources.js';
import { Tap } from '../../tap/tap.js';

const CODECS = new Set(['VP8', 'H264', 'VP9', 'AV1']);
const STATS_MS = 500;

/**
 * @typedef {object} Frames what the browser itself counts
 * @property {number} encoded frames that the sender's encoder made
 * @property {number} keyframes keyframes among them
 * @property {number} received frames that the other end received
 * @property {number} decoded frames that the other end decoded
 */

export class Call {
  /**
   * @param {object} options
   * @param {HTMLVideoElement} options.near shows the camera
   * @param {HTMLVideoElement} options.far shows what the other end receives
   * @param {string} [options.codec] "VP8", "H264", "VP9" or "AV1"; "" is what the browser prefers
   * @param {(frames: Frames) => void} options.onFrames about twice a second
   */
  constructor({ near, far, codec = '', onFrames }) {
    this.#source = new CameraSource(near);
    this.#far = far;
    this.#codec = codec;
    this.#onFrames = onFrames;
  }

  /** @type {import('../../tap/tap.js').Tap | null} */
  tap = null;

  #source;
  #far;
  #codec;
  #onFrames;
  #from = new RTCPeerConnection();
  #to = new RTCPeerConnection();
  #timer = null;

  /**
   * Opens the camera, connects both ends and taps the sender.
   * @param {Omit<Parameters<Tap['start']>[0], 'participant'>} options of the tap
   * @throws {import('../live/sources.js').SourceError | import('../../tap/tap.js').TapError}
   */
  async start(options) {
    await this.#source.open();
    const media = this.#source.video.srcObject;
    const [from, to] = [this.#from, this.#to];
    from.onicecandidate = ({ candidate }) => to.addIceCandidate(candidate);
    to.onicecandidate = ({ candidate }) => from.addIceCandidate(candidate);
    to.ontrack = ({ track }) => {
      this.#far.srcObject = new MediaStream([track]);
      this.#far.play().catch(() => {}); // the page was left
    };
    const transceiver = from.addTransceiver(media.getVideoTracks()[0], { direction: 'sendonly', streams: [media] });
    this.tap = new Tap(transceiver.sender);
    this.tap.start({ ...options, participant: 'caller' });
    if (CODECS.has(this.#codec)) transceiver.setCodecPreferences(capabilitiesOf(this.#codec));
    await from.setLocalDescription();
    await to.setRemoteDescription(from.localDescription);
    await to.setLocalDescription();
    await from.setRemoteDescription(to.localDescription);
    this.#timer = setInterval(() => this.#count(), STATS_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.tap?.end();
    this.#source.stop();
    this.#from.close();
    this.#to.close();
    this.#far.srcObject = null;
  }

  async #count() {
    const [sent, received] = await Promise.all([this.#from.getStats(), this.#to.getStats()]);
    const out = [...sent.values()].find(({ type }) => type === 'outbound-rtp');
    const into = [...received.values()].find(({ type }) => type === 'inbound-rtp');
    this.#onFrames({
      encoded: out?.framesEncoded ?? 0, keyframes: out?.keyFramesEncoded ?? 0, received: into?.framesReceived ?? 0,
      decoded: into?.framesDecoded ?? 0,
    });
  }
}

/** The codec, and what repairs losses. */
function capabilitiesOf(name) {
  const wanted = new Set([`video/${name}`, 'video/rtx'].map((each) => each.toLowerCase()));
  return RTCRtpSender.getCapabilities('video').codecs.filter(({ mimeType }) => wanted.has(mimeType.toLowerCase()));
}
