/**
 * Sends copies of the video that a browser already sends in a call to gifcue, without a second encoder.
 *
 *   import { Tap } from '/static/tap/tap.js';
 *
 *   const { sender } = peerConnection.addTransceiver(camera, { direction: 'sendonly' });
 *   const tap = new Tap(sender); // at once: see `Tap`
 *   tap.start({ url: 'wss://gifcue.example.org/stream', room: 'weekly', participant: 'ada', on: { reaction: show } });
 *   tap.allow(['smile']); // once the person has agreed: before, nothing is copied
 *
 * Where a meeting's own code makes the connection, `tapNewSenders` finds its senders.
 *
 * It needs no library. Its files are this folder, and beside it js/stream.js with the modules that it imports.
 * @module
 */
import { Phase } from './wire.js';

export { Phase };

const LOAD_MS = 10_000;
const CVO = 'urn:3gpp:video-orientation';
// Milliseconds after which a camera has followed the screen.
const TURN_MS = 1000;
// Milliseconds for which a frame of the camera is waited for, to read its rotation. The copy of the track keeps the camera on.
const LOOK_MS = 1000;
// Reports of a session after which frames that the encoder made and the worker did not see are an error.
const MISSED_REPORTS = 3;
const WORKER_URL = new URL('./worker.js', import.meta.url).href;

/** A sender that cannot be tapped. The message says what is missing. */
export class TapError extends Error {}

/**
 * @typedef {object} Handlers
 * @property {(state: import('../js/stream.js').State) => void} [state] how the connection to gifcue is
 * @property {(ready: object) => void} [ready] the server's labels and limits
 * @property {(event: object) => void} [reaction] a `ReactionEvent` of the wire; the address of its GIF is absolute
 * @property {(fault: object) => void} [fault] what the server cannot use, and why
 * @property {(counts: Counts) => void} [counts] about once a second
 * @property {(message: string) => void} [problem] an error of the tap; the call goes on
 *
 * @typedef {object} Counts frames since `start`
 * @property {number} encoded frames that the sender's encoder made; each went on to the peer
 * @property {number} sent access units sent to gifcue
 * @property {number} joined spatial layers that travelled in the access unit of another frame
 * @property {number} sentBytes
 * @property {number} keyframesAsked keyframes asked of the call's encoder
 * @property {Record<string, number>} leftOut frames that were not sent, by reason: encoded = sent + joined + all of leftOut
 *
 * @typedef {object} SessionOptions what session.js is started with
 */

/**
 * Taps one video sender. Until `start`, and after `stop`, frames pass and nothing is copied. Neither is a shared screen, while the
 * sender sends one: consent is for the camera.
 *
 * Make it in the task in which the sender is made, before any `await`: Chromium leaves transforms out that come later. It stays
 * until the call ends: Chromium sends nothing more of a sender whose transform was removed.
 */
export class Tap {
  /** The last `Counts`, null before the first. */
  counts = null;
  /** Resolves once the first frame has passed. @type {Promise<void>} */
  active;

  #sender;
  #worker;
  #on = {};
  #isStarted = false;
  #isOver = false;
  #isScreen = false;
  #isSpeaking = false;
  #reports = 0;
  /** The address that those of GIFs are relative to. */
  #base = '';
  #resolveActive;
  /** Ends the look at the camera that is under way. */
  #stopLooking = () => {};
  #onTurn = () => {
    this.#followRotation();
    setTimeout(() => this.#followRotation(), TURN_MS);
  };

  /**
   * @param {RTCRtpSender} sender
   * @throws {TapError} the browser has no RTCRtpScriptTransform, the sender sends no video or is transformed already, such as by
   *   end-to-end encryption, or the worker could not be loaded. The sender is as it was.
   */
  constructor(sender) {
    check(sender);
    this.#sender = sender;
    this.active = new Promise((resolve) => { this.#resolveActive = resolve; });
    this.#worker = takeWorker();
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#on.problem?.(event.message || 'the worker of the tap failed');
    };
    sender.transform = new RTCRtpScriptTransform(this.#worker, {});
    this.#isScreen = isScreen(sender.track);
    this.#followTrack();
  }

  /** The sender that is tapped. */
  get sender() {
    return this.#sender;
  }

  /**
   * Opens a stream to gifcue. A stream that is open ends before.
   * @param {object} options
   * @param {string} options.url address of gifcue's stream, ws: or wss:
   * @param {string} [options.token] access token; "" for a server that needs none
   * @param {string} [options.room] 0 to 128 bytes
   * @param {string} options.participant the person's name on the wire, 1 to 128 bytes; any that says nothing of the person
   * @param {string[]} [options.labels] reactions that the person has agreed to; none by default
   * @param {string} [options.preset] of the reaction policy; "" is the server's
   * @param {boolean} [options.sendHolding] whether reactions are reported while they are held
   * @param {Handlers} [options.on]
   * @throws {TapError} an option is missing, or the call is over
   */
  start({ url, token = '', room = '', participant, labels = [], preset = '', sendHolding = false, on = {} }) {
    if (!url || !participant) throw new TapError(`expected url and participant, got ${JSON.stringify({ url, participant })}`);
    if (this.#isOver) throw new TapError('expected a call that goes on, got one that is over');
    this.#on = on;
    this.#base = new URL(url, globalThis.location?.href).origin.replace(/^ws/, 'http');
    this.#tell('start', {
      url: String(url), token, participantId: participant, labels: [...labels], mimeTypes: this.#mimeTypes(), isScreen: this.#isScreen,
      isSpeaking: this.#isSpeaking,
      config: { roomId: room, clientName: 'gifcue-tap/1', preset, sendHolding },
    });
    this.#reports = 0;
    if (!this.#isStarted) globalThis.screen?.orientation?.addEventListener('change', this.#onTurn);
    this.#isStarted = true;
    this.#followRotation();
  }

  /** Ends the stream to gifcue. The call goes on. */
  stop() {
    if (!this.#isStarted) return;
    this.#isStarted = false;
    this.#tell('stop');
    this.#stopLooking();
    globalThis.screen?.orientation?.removeEventListener('change', this.#onTurn);
  }

  /** The call is over: frees the worker. */
  end() {
    if (this.#isOver) return;
    this.stop();
    this.#isOver = true;
    this.#tell('end'); // it answers once it has said goodbye to gifcue
  }

  /**
   * Replaces the reactions that the person agrees to. With none, nothing more is copied.
   * @param {string[]} labels
   */
  allow(labels) {
    this.#tell('allow', [...labels]);
  }

  /**
   * The person started or stopped speaking. It holds for every stream that is opened, until it is said again.
   * @param {boolean} speaking
   */
  speak(speaking) {
    this.#isSpeaking = speaking;
    this.#tell('speak', speaking);
  }

  /**
   * A reaction was not meant.
   * @param {string} reactionId
   */
  dismiss(reactionId) {
    this.#tell('dismiss', reactionId);
  }

  /**
   * Says how the pictures must be turned to be upright, where the browser does not tell.
   * @param {0 | 90 | 180 | 270} degrees clockwise
   */
  turn(degrees) {
    this.#tell('turn', degrees);
  }

  /** The media types by payload type. Before the call is negotiated there are none. */
  #mimeTypes() {
    const { codecs } = this.#sender.getParameters();
    return Object.fromEntries(codecs.map(({ payloadType, mimeType }) => [payloadType, mimeType]));
  }

  #tell(act, value) {
    this.#worker.postMessage({ act, value });
  }

  #receive({ kind, value }) {
    switch (kind) {
      case 'active':
        this.#showScreen(isScreen(this.#sender.track)); // addTrack can have given the sender its track
        this.#resolveActive();
        if (!this.#isStarted) return;
        this.#tell('knowCodecs', this.#mimeTypes()); // it is negotiated by now, and so is what the peer is told of the rotation
        this.#followRotation();
        return;
      case 'needs_codecs': this.#tell('knowCodecs', this.#mimeTypes()); return;
      case 'needs_keyframe': this.#askKeyframe(value); return;
      case 'over':
        this.stop();
        this.#isOver = true;
        this.#worker.terminate();
        return;
      case 'counts':
        this.counts = value;
        if (!value.encoded) this.#lookForFrames();
        break;
      case 'ready':
        if (value.gifBaseUrl) this.#base = value.gifBaseUrl;
        break;
      case 'reaction':
        if (value.gif?.url.startsWith('/')) value.gif.url = this.#base + value.gif.url;
        break;
      default:
    }
    this.#on[kind]?.(value);
  }

  /** Says so where the encoder makes frames that the browser does not hand to the worker. */
  async #lookForFrames() {
    if (++this.#reports !== MISSED_REPORTS) return;
    const encoded = (await this.#sending()).reduce((sum, { framesEncoded }) => sum + (framesEncoded ?? 0), 0);
    if (encoded && !this.counts.encoded) {
      this.#on.problem?.(`expected the frames of the call, got none of the ${encoded} that were sent: make the Tap where the sender is made, before any await`);
    } else this.#reports = 0; // the camera is off
  }

  async #sending() {
    const stats = await this.#sender.getStats().catch(() => new Map());
    return [...stats.values()].filter(({ type }) => type === 'outbound-rtp');
  }

  /** Asks the call's encoder for a keyframe: of one layer of simulcast, where its name is known. */
  async #askKeyframe({ ssrc, canGenerate }) {
    const rid = (await this.#sending()).find((each) => each.ssrc === ssrc)?.rid;
    if (canGenerate) {
      this.#tell('generate', rid);
      return;
    }
    // Chromium has no generateKeyFrame. The parameters stay as they are.
    const parameters = this.#sender.getParameters();
    const encodingOptions = parameters.encodings.map((each) => ({ keyFrame: !rid || each.rid === rid }));
    await this.#sender.setParameters(parameters, { encodingOptions }).catch(() => {}); // the worker asks again
  }

  /** Follows which track is sent: the worker has to know of a screen before its first frame, and after its last one. */
  #followTrack() {
    const sender = this.#sender;
    const { replaceTrack } = sender;
    sender.replaceTrack = async (track) => {
      if (isScreen(track)) this.#showScreen(true);
      try {
        await replaceTrack.call(sender, track);
      } finally {
        this.#showScreen(isScreen(sender.track));
      }
    };
  }

  #showScreen(is) {
    if (is === this.#isScreen) return;
    this.#isScreen = is;
    this.#tell('showScreen', is);
  }

  /** Follows the rotation that the peer is told beside the video. Where it is not told, the encoder turns the pictures. */
  async #followRotation() {
    const { track } = this.#sender;
    if (!this.#isStarted || !track || !globalThis.MediaStreamTrackProcessor || !('rotation' in VideoFrame.prototype)) return;
    this.#stopLooking();
    const copy = track.clone();
    let reader = null;
    const stop = () => {
      copy.stop();
      reader?.cancel().catch(() => {}); // the track has ended
    };
    this.#stopLooking = stop;
    const timer = setTimeout(stop, LOOK_MS);
    try {
      reader = new MediaStreamTrackProcessor({ track: copy }).readable.getReader();
      const { value } = await reader.read();
      const isTold = this.#sender.getParameters().headerExtensions.some(({ uri }) => uri === CVO);
      if (value && this.#isStarted) this.turn(isTold ? value.rotation : 0);
      value?.close();
    } catch {
      // The track has ended.
    } finally {
      clearTimeout(timer);
      stop();
    }
  }
}

// Where a site requires Trusted Types, it allows the policy "gifcue-tap": it makes the address of one worker and no other.
let policy = null;

function workerAddress() {
  try {
    policy ??= globalThis.trustedTypes?.createPolicy('gifcue-tap', { createScriptURL: () => WORKER_URL });
  } catch {
    // The site does not allow the policy. Where it requires one, the worker is refused with the browser's own message.
  }
  return policy ? policy.createScriptURL('') : WORKER_URL;
}

const makeWorker = () => new Worker(workerAddress(), { type: 'module', name: 'gifcue-tap' });

/** Starts a worker and waits until it runs. */
function loadWorker() {
  return new Promise((resolve, reject) => {
    const worker = makeWorker();
    const timer = setTimeout(() => reject(new Error(`no answer within ${LOAD_MS / 1000} s`)), LOAD_MS);
    worker.onerror = (event) => reject(new Error(event.message || 'it cannot be fetched from the site of this page'));
    worker.onmessage = () => {
      clearTimeout(timer);
      resolve(worker);
    };
  });
}

const isSupported = typeof globalThis.RTCRtpScriptTransform === 'function';
// A sender whose worker does not load would send nothing. So one is loaded before anything is tapped; it serves the first tap.
let spare = null;
let loadProblem = '';
if (isSupported) {
  try {
    spare = await loadWorker();
  } catch (error) {
    loadProblem = error.message;
  }
}

function takeWorker() {
  const worker = spare ?? makeWorker();
  spare = null;
  return worker;
}

/** Whether a track shows a screen, a window or a tab, as far as the browser tells. */
const isScreen = (track) => Boolean(track?.getSettings().displaySurface);

function check(sender) {
  if (!isSupported || !('transform' in RTCRtpSender.prototype)) {
    throw new TapError('expected a browser with RTCRtpScriptTransform (Chromium 141, Firefox 117, Safari 15.4 or later), got one without');
  }
  if (loadProblem) throw new TapError(`expected the worker ${WORKER_URL} to load, got: ${loadProblem}`);
  if (!(sender instanceof RTCRtpSender)) throw new TapError(`expected an RTCRtpSender, got ${sender?.constructor?.name ?? sender}`);
  if (sender.track && sender.track.kind !== 'video') throw new TapError(`expected a sender of video, got one of ${sender.track.kind}`);
  if (sender.transform) {
    throw new TapError('expected a sender without a transform, got one with: a call with end-to-end encryption cannot be tapped');
  }
}

/**
 * Taps every video sender that is made from here on, whoever makes it, but for those made with a shared screen. Call it before a
 * meeting's own code makes its connection.
 * @param {(tap: Tap) => void} onTap gets each tap, which is not started
 * @param {(error: TapError) => void} [onProblem] a sender that cannot be tapped; the call goes on without
 * @returns {() => void} ends it
 */
export function tapNewSenders(onTap, onProblem = (error) => console.warn(error.message)) {
  const prototype = RTCPeerConnection.prototype;
  const { addTrack, addTransceiver } = prototype;
  const seen = (sender) => {
    try {
      if (!sender.transform && !isScreen(sender.track)) onTap(new Tap(sender));
    } catch (error) {
      onProblem(error);
    }
  };
  prototype.addTrack = function addTrackTapped(track, ...streams) {
    const sender = addTrack.call(this, track, ...streams);
    if (track.kind === 'video') seen(sender);
    return sender;
  };
  prototype.addTransceiver = function addTransceiverTapped(kind, init) {
    const transceiver = addTransceiver.call(this, kind, init);
    const isVideo = kind === 'video' || kind?.kind === 'video';
    if (isVideo && init?.direction !== 'recvonly' && init?.direction !== 'inactive') seen(transceiver.sender);
    return transceiver;
  };
  return () => Object.assign(prototype, { addTrack, addTransceiver });
}
