/**
 * One lesson: a gesture from its name until it is kept. It knows nothing of how it is shown.
 * @module
 */
import { Participant } from '../live/participant.js';
import { CameraSource, FileSource } from '../live/sources.js';
import { Phase, ReactionStream } from '../stream.js';
import { ApiError, TeachApi } from './api.js';
import { handOf, labelOf } from './names.js';

/** Samples of one recording. */
export const TARGET = 30;
const PARTICIPANT = 'teacher';
// Frames whose hands are remembered, for those of a false alarm.
const MAX_REMEMBERED = 80;
// Hands of one false alarm that become samples.
const HANDS_OF_ALARM = 8;
const MAX_ALARMS = 6;
// Milliseconds without a hand after which a recording says so.
const NO_HAND_MS = 1200;
// Milliseconds after which the hands are asked for again, where their answer ended before the stream.
const WATCH_AGAIN_MS = 1000;

/**
 * A reaction of the gesture on trial.
 * @typedef {object} Alarm
 * @property {string} id
 * @property {boolean} isFalse the user said so
 * @property {boolean} isOver the pose is over
 * @property {import('./api.js').Hand[]} hands those that caused it, with their aspect
 */

/** A room of this page's own. `crypto.randomUUID` is there on secure origins alone. */
function roomName() {
  return `teach-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;
}

export class Lesson {
  /**
   * @param {object} options
   * @param {string} options.url address of the stream
   * @param {string} options.token
   * @param {() => void} options.onChange
   * @param {(text: string) => void} options.onAnnounce
   */
  constructor({ url, token, onChange, onAnnounce }) {
    this.#url = url;
    this.#token = token;
    this.#api = new TeachApi(token);
    this.#onChange = onChange;
    this.#onAnnounce = onAnnounce;
  }

  /** What the server has, null before it answered. */
  catalog = null;
  /** The error of the last call that failed, null while all is well. */
  problem = null;
  name = '';
  samples = [];
  others = [];
  /** Which list is being recorded: 'samples', 'others' or null. */
  recording = null;
  isTraining = false;
  /** The server's answer to the training, null before it. */
  trained = null;
  /** @type {Alarm[]} the newest first */
  alarms = [];
  reactionCount = 0;
  falseAlarms = 0;
  gif = null;
  /** The server's answer when the gesture was kept. */
  kept = null;
  seen = null;
  state = { name: 'idle' };
  /** @type {Participant | null} */
  participant = null;

  #url;
  #token;
  #api;
  #onChange;
  #onAnnounce;
  #stream = null;
  #watching = null;
  #prepared = '';
  #goal = 0;
  #handMs = 0;
  #remembered = new Map();
  #isClosed = false;

  /** The label that the name stands for, "" where it stands for none. */
  get label() {
    return labelOf(this.name);
  }

  /** Why the name cannot be used, "" where it can. */
  get nameProblem() {
    if (!this.name.trim() || !this.catalog) return '';
    if (!this.label) return 'Begin with a letter from a to z.';
    const taught = this.catalog.gestures.map(({ label }) => label);
    if ((this.catalog.labels.includes(this.label) && !taught.includes(this.label)) || this.label === 'none') {
      return 'This name has a meaning already. Choose another one.';
    }
    return '';
  }

  /** Whether a gesture of this name is in service, which keeping this one would replace. */
  get replaces() {
    return Boolean(this.catalog?.gestures.some(({ label }) => label === this.label));
  }

  get canRecord() {
    return Boolean(this.participant && this.seen && this.label && !this.nameProblem);
  }

  get canTrain() {
    return !this.isTraining && this.samples.length >= (this.catalog?.limits.min_samples ?? 10) && !this.nameProblem;
  }

  /** Whether a recording runs and no hand has been seen for a while. */
  get missesHand() {
    return Boolean(this.recording) && performance.now() - this.#handMs > NO_HAND_MS;
  }

  async refresh() {
    await this.#attempt(async () => { this.catalog = await this.#api.list(); });
  }

  setName(name) {
    this.name = name;
    this.trained = null;
    this.kept = null;
    this.#onChange();
  }

  /** The name is final for now: the stream learns the label. */
  async useName() {
    if (!this.#isClosed && this.label && !this.nameProblem) await this.#prepare();
  }

  /** @param {string} [deviceId] */
  async startCamera(deviceId) {
    const source = new CameraSource(document.createElement('video'));
    await source.open(deviceId);
    this.#show(source, 'You');
    this.participant.source.onEnd = () => this.stopCamera();
  }

  /** @param {File} file */
  async useFile(file) {
    const source = new FileSource(document.createElement('video'));
    await source.open(file, true);
    this.#show(source, 'The video');
  }

  stopCamera() {
    this.stopRecording();
    this.participant?.stop();
    this.participant = null;
    this.seen = null;
    this.#onChange();
  }

  /** @param {'samples' | 'others'} what */
  startRecording(what) {
    if (!this.canRecord || this.recording) return;
    this.recording = what;
    const limit = this.catalog?.limits[what === 'samples' ? 'max_samples' : 'max_others'] ?? TARGET;
    const have = this[what].length;
    this.#goal = Math.min(limit, have < TARGET ? TARGET : have + TARGET);
    this.#handMs = performance.now();
    this.#onAnnounce(what === 'samples' ? 'Recording the gesture' : 'Recording anything else');
    this.#onChange();
  }

  stopRecording() {
    if (!this.recording) return;
    const count = this[this.recording].length;
    this.recording = null;
    this.#onAnnounce(`${count} recorded`);
    this.#onChange();
  }

  /** @param {'samples' | 'others'} what */
  discard(what) {
    this.stopRecording();
    this[what] = [];
    this.#onAnnounce('Recording discarded');
    this.#onChange();
  }

  async train() {
    if (!this.canTrain) return;
    this.stopRecording();
    this.isTraining = true;
    this.#onAnnounce('Training');
    this.#onChange();
    await this.#attempt(async () => {
      const last = this.trained?.candidate;
      this.trained = await this.#api.train(this.label, this.samples, this.others);
      this.kept = null;
      await this.#prepare();
      if (last) await this.#api.forget(last).catch(() => {}); // it ends by itself, too
      const { samples_found: found, samples } = this.trained.report;
      this.#onAnnounce(`Trained: ${found} of ${samples} samples found. Try it now.`);
    });
    this.isTraining = false;
    this.#onChange();
  }

  /**
   * A reaction was a false alarm: its hands become samples of anything else, and the gesture is trained again.
   * @param {Alarm} alarm
   */
  async markFalse(alarm) {
    if (alarm.isFalse) return;
    alarm.isFalse = true;
    this.falseAlarms++;
    const room = this.catalog.limits.max_others - this.others.length;
    this.others = [...this.others, ...alarm.hands.slice(0, Math.max(0, room))];
    this.#stream?.dismiss(PARTICIPANT, alarm.id);
    await this.train();
  }

  /** @param {string | null} gif name of a GIF of the rule book, null for none */
  chooseGif(gif) {
    this.gif = gif;
    this.#onChange();
  }

  async keep() {
    await this.#attempt(async () => {
      this.kept = await this.#api.keep(this.trained.candidate, { gif: this.gif, replace: this.replaces });
      this.#onAnnounce(`${this.label} is served now`);
      this.catalog = await this.#api.list();
    });
    this.#onChange();
  }

  /** @param {string} label */
  async remove(label) {
    await this.#attempt(async () => {
      await this.#api.remove(label);
      this.#onAnnounce(`${label} is deleted`);
      this.catalog = await this.#api.list();
    });
    this.#onChange();
  }

  /** Forgets everything that was recorded, for another gesture. */
  startOver() {
    this.stopRecording();
    Object.assign(this, { name: '', samples: [], others: [], trained: null, alarms: [], reactionCount: 0, falseAlarms: 0, gif: null, kept: null });
    this.#onChange();
  }

  close() {
    this.#isClosed = true;
    this.#watching?.abort();
    this.stopCamera();
    this.#stream?.close();
  }

  #show(source, name) {
    this.stopCamera();
    this.#stream ??= this.#open();
    this.participant = new Participant({ id: PARTICIPANT, name, source, stream: this.#stream, onChange: this.#onChange });
    this.participant.start();
    if (this.#prepared) this.participant.consent(this.#prepared, true);
    else this.useName();
    this.#onChange();
  }

  #open() {
    return new ReactionStream({
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
          this.#onChange();
        },
        // Before the participant joins again: the new connection does not know the label yet.
        ready: () => { this.useName(); },
        reaction: (event) => this.#react(event),
        decision: (decision) => this.participant?.decide({ ...decision, regions: [] }),
        keyframe: () => this.participant?.askKeyframe(),
        slowDown: ({ maxFps }) => this.participant?.slowDown(maxFps),
        fault: ({ message }) => {
          this.problem = new ApiError(0, `The server reports: ${message}`);
          this.#onChange();
        },
      },
    });
  }

  /** Tells the server which gesture this stream is about, and watches its hands. */
  async #prepare() {
    const ready = this.#stream?.ready;
    const label = this.label;
    if (!ready || !label) return;
    await this.#attempt(async () => {
      await this.#api.tryOn(ready.sessionId, label, this.trained?.candidate ?? null);
      // Lost or replaced meanwhile: the next connection prepares again.
      if (this.#stream.ready !== ready) return;
      if (!ready.reactionLabels.includes(label)) ready.reactionLabels.push(label);
      if (this.#prepared && this.#prepared !== label) this.participant?.consent(this.#prepared, false);
      this.#prepared = label;
      this.participant?.consent(label, true);
      if (this.#watching?.session !== ready.sessionId) this.#watch(ready.sessionId);
    });
  }

  async #watch(session) {
    this.#watching?.abort();
    const watching = this.#watching = Object.assign(new AbortController(), { session });
    try {
      await this.#api.watch(session, (seen) => this.#see(seen), watching.signal);
    } catch (error) {
      if (!watching.signal.aborted && error instanceof ApiError) this.problem = error;
    }
    if (this.#watching !== watching) return; // another one took its place
    this.#watching = null;
    if (this.#isClosed) return;
    // A proxy may end a long answer. Where the server refused, it would refuse again.
    if (!this.problem) setTimeout(() => this.useName(), WATCH_AGAIN_MS);
    this.#onChange();
  }

  #see(seen) {
    this.seen = seen;
    this.#remembered.set(seen.sequence, seen);
    if (this.#remembered.size > MAX_REMEMBERED) this.#remembered.delete(this.#remembered.keys().next().value);
    if (seen.hands.length) this.#handMs = performance.now();
    if (this.recording) this.#record(seen);
    this.#onChange();
  }

  #record({ hands, aspect }) {
    const what = this.recording;
    // The largest hand is the one that is shown. Of anything else, every hand is.
    const taken = (what === 'samples' ? hands.slice(0, 1) : hands).map(({ landmarks }) => ({ landmarks, aspect }));
    this[what] = [...this[what], ...taken].slice(0, this.#goal);
    if (this[what].length >= this.#goal) this.stopRecording();
  }

  #react(event) {
    this.participant?.react(event);
    if (event.label !== this.label) return;
    const { phase, reactionId, sequence, box } = event;
    const alarm = this.alarms.find(({ id }) => id === reactionId);
    if (phase === Phase.STARTED) {
      const hands = this.#handsBefore(Number(sequence), box);
      this.alarms = [{ id: reactionId, isFalse: false, isOver: false, hands }, ...this.alarms].slice(0, MAX_ALARMS);
      this.reactionCount++;
      this.#onAnnounce(`${this.label} recognised`);
    } else if (phase === Phase.ENDED && alarm) {
      alarm.isOver = true;
    }
    this.#onChange();
  }

  /** The hands at a box in the last frames up to one: they made the reaction start. */
  #handsBefore(sequence, box) {
    return [...this.#remembered.values()]
      .filter((seen) => seen.sequence <= sequence)
      .slice(-HANDS_OF_ALARM)
      .map((seen) => ({ hand: handOf(seen.hands, box), aspect: seen.aspect }))
      .filter(({ hand }) => hand)
      .map(({ hand, aspect }) => ({ landmarks: hand.landmarks, aspect }));
  }

  async #attempt(act) {
    this.problem = null;
    try {
      await act();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.problem = error;
    }
    this.#onChange();
  }
}
