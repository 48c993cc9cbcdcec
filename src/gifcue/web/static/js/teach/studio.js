/**
 * The camera of a lesson and its stream: which gesture the stream is about, and the hands that the server sees.
 * @module
 */
import { Participant } from '../live/participant.js';
import { CameraSource, FileSource } from '../live/sources.js';
import { ReactionStream } from '../stream.js';
import { wire } from '../wire.js';
import { ApiError } from './api.js';

const PARTICIPANT = 'teacher';
// Milliseconds after which the hands are asked for again, where their answer ended before the stream.
const WATCH_AGAIN_MS = 1000;

/** A room of this page's own. `crypto.randomUUID` is there on secure origins alone. */
function roomName() {
  return `teach-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;
}

export class Studio {
  /**
   * @param {object} options
   * @param {string} options.url address of the stream
   * @param {string} options.token
   * @param {import('./api.js').TeachApi} options.api
   * @param {() => {label: string, candidate: string | null}} options.subject what the stream is about; a label of "" for nothing yet
   * @param {(seen: import('./api.js').SeenHands) => void} options.onSeen
   * @param {(event: object) => void} options.onReaction
   * @param {(error: ApiError) => void} options.onProblem
   * @param {() => void} options.onChange
   */
  constructor({ url, token, api, subject, onSeen, onReaction, onProblem, onChange }) {
    this.#url = url;
    this.#token = token;
    this.#api = api;
    this.#subject = subject;
    this.#onSeen = onSeen;
    this.#onReaction = onReaction;
    this.#onProblem = onProblem;
    this.#onChange = onChange;
  }

  /** @type {Participant | null} */
  participant = null;
  /** The hands of the newest frame, null before the first. */
  seen = null;
  state = { name: 'idle' };

  #url;
  #token;
  #api;
  #subject;
  #onSeen;
  #onReaction;
  #onProblem;
  #onChange;
  #stream = null;
  #watching = null;
  // The label that the server knows the stream to be about, "" for none.
  #prepared = '';
  #isClosed = false;

  /** @param {string} [deviceId] */
  async startCamera(deviceId) {
    const source = new CameraSource(document.createElement('video'));
    await source.open(deviceId);
    if (this.#isClosed) { // another token was given while the browser asked for the permission
      source.stop();
      return;
    }
    this.#show(source, 'You');
    source.onEnd = () => this.stop();
  }

  /** @param {File} file */
  async useFile(file) {
    const source = new FileSource(document.createElement('video'));
    try {
      await source.open(file, true);
    } catch (error) {
      source.stop();
      throw error;
    }
    if (this.#isClosed) {
      source.stop();
      return;
    }
    this.#show(source, 'The video');
  }

  stop() {
    this.participant?.stop();
    this.participant = null;
    this.seen = null;
    this.#onChange();
  }

  /** Says that a reaction was not meant. */
  dismiss(reactionId) {
    this.#stream?.dismiss(PARTICIPANT, reactionId);
  }

  /** Tells the server what this stream is about, and watches its hands. */
  async prepare() {
    const ready = this.#stream?.ready;
    const { label, candidate } = this.#subject();
    // Consent is for one name. Without a name, no picture is sent.
    for (const old of [...(this.participant?.allowed ?? [])]) if (old !== label) this.participant.consent(old, false);
    if (!label) this.#prepared = '';
    if (this.#isClosed || !ready || !label) return;
    try {
      await this.#api.tryOn(ready.sessionId, label, candidate);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#onProblem(error);
      return;
    }
    // Lost or replaced meanwhile: the next connection prepares again.
    if (this.#stream?.ready !== ready || this.#subject().label !== label) return;
    if (!ready.reactionLabels.includes(label)) ready.reactionLabels.push(label);
    if (this.#prepared && this.#prepared !== label) this.participant?.consent(this.#prepared, false);
    this.#prepared = label;
    this.participant?.consent(label, true);
    if (this.#watching?.session !== ready.sessionId) this.#watch(ready.sessionId);
  }

  close() {
    this.#isClosed = true;
    this.#watching?.abort();
    this.stop();
    this.#stream?.close();
  }

  #show(source, name) {
    this.stop();
    this.#stream ??= this.#open();
    this.participant = new Participant({ id: PARTICIPANT, name, source, stream: this.#stream, onChange: this.#onChange });
    this.participant.start();
    if (this.#prepared) this.participant.consent(this.#prepared, true);
    else this.prepare();
    this.#onChange();
  }

  #open() {
    return new ReactionStream({
      wire,
      url: this.#url,
      token: this.#token,
      // The server lets nobody read the hands of a stream that did not ask for landmarks.
      config: {
        roomId: roomName(), clientName: 'gifcue-teach-page/1', sendHolding: true, sendDecisions: true, sendDetections: true,
        sendLandmarks: true, explain: true,
      },
      on: {
        state: (state) => {
          this.state = state;
          if (state.name !== 'ready') {
            this.#prepared = '';
            this.seen = null;
            this.participant?.interrupt();
          }
          // The next start of the camera opens another one.
          if (state.name === 'ended') this.#stream = null;
          this.#onChange();
        },
        // A new connection does not know the label yet.
        ready: () => { this.prepare(); },
        reaction: (event) => {
          this.participant?.react(event);
          this.#onReaction(event);
        },
        decision: (decision) => this.participant?.decide({ ...decision, regions: [] }), // the joints are drawn instead
        keyframe: () => this.participant?.askKeyframe(),
        slowDown: ({ maxFps }) => this.participant?.slowDown(maxFps),
        fault: ({ message }) => this.#onProblem(new ApiError(0, `The server reports: ${message}`)),
      },
    });
  }

  async #watch(session) {
    this.#watching?.abort();
    const watching = this.#watching = Object.assign(new AbortController(), { session });
    let isRefused = false;
    try {
      await this.#api.watch(session, (seen) => this.#see(seen), watching.signal);
    } catch (error) {
      isRefused = error instanceof ApiError;
      if (isRefused && !watching.signal.aborted) this.#onProblem(error);
    }
    if (this.#watching !== watching) return; // another one took its place
    this.#watching = null;
    // A proxy may end a long answer. Where the server refused, it would refuse again.
    if (!isRefused && !this.#isClosed) setTimeout(() => this.prepare(), WATCH_AGAIN_MS);
  }

  #see(seen) {
    if (!this.participant) return; // the camera was stopped meanwhile
    this.seen = seen;
    this.#onSeen(seen);
    this.#onChange();
  }
}
