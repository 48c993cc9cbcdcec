/**
 * One lesson: a gesture from its name until it is kept. It knows nothing of how it is shown.
 * @module
 */
import { Phase } from '../wire.js';
import { ApiError, TeachApi } from './api.js';
import { handOf, labelOf } from './names.js';
import { Studio } from './studio.js';

/** Samples of one recording. */
export const TARGET = 30;
// Frames whose hands are remembered, for those of a false alarm.
const MAX_REMEMBERED = 80;
// Hands of one false alarm that become samples.
const HANDS_OF_ALARM = 8;
const MAX_ALARMS = 6;
// Milliseconds without a hand after which a recording says so.
const NO_HAND_MS = 1200;

/**
 * A reaction of the gesture on trial.
 * @typedef {object} Alarm
 * @property {string} id
 * @property {boolean} isFalse the user said so
 * @property {boolean} isOver the pose is over
 * @property {import('./api.js').Hand[]} hands those that caused it, with their aspect
 */

export class Lesson {
  /**
   * @param {object} options
   * @param {string} options.url address of the stream
   * @param {string} options.token
   * @param {() => void} options.onChange
   * @param {(text: string) => void} options.onAnnounce
   */
  constructor({ url, token, onChange, onAnnounce }) {
    this.#api = new TeachApi(token);
    this.#onChange = onChange;
    this.#onAnnounce = onAnnounce;
    this.studio = new Studio({
      url,
      token,
      api: this.#api,
      subject: () => ({ label: this.nameProblem ? '' : this.label, candidate: this.kept ? null : this.trained?.candidate ?? null }),
      onSeen: (seen) => this.#see(seen),
      onReaction: (event) => this.#react(event),
      onProblem: (error) => {
        this.problem = error;
        onChange();
      },
      onChange: () => {
        if (!this.participant) this.stopRecording();
        onChange();
      },
    });
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

  #api;
  #onChange;
  #onAnnounce;
  #goal = 0;
  #handMs = 0;
  #remembered = new Map();

  /** The participant of the camera, null while it is off. */
  get participant() {
    return this.studio.participant;
  }

  /** The hands of the newest frame, null before the first. */
  get seen() {
    return this.studio.seen;
  }

  /** The state of the connection. */
  get state() {
    return this.studio.state;
  }

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
    // What was sent under the name before must not go on. A usable name is prepared when it is final.
    if (!this.label || this.nameProblem) this.useName();
    this.#onChange();
  }

  /** The name is final for now: the stream learns the label. */
  useName() {
    return this.studio.prepare();
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
      await this.studio.prepare();
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
    this.studio.dismiss(alarm.id);
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
    this.useName();
    this.#onChange();
  }

  close() {
    this.studio.close();
  }

  #see(seen) {
    this.#remembered.set(seen.sequence, seen);
    if (this.#remembered.size > MAX_REMEMBERED) this.#remembered.delete(this.#remembered.keys().next().value);
    if (seen.hands.length) this.#handMs = performance.now();
    if (this.recording) this.#record(seen);
  }

  #record({ hands, aspect }) {
    const what = this.recording;
    // The largest hand is the one that is shown. Of anything else, every hand is.
    const taken = (what === 'samples' ? hands.slice(0, 1) : hands).map(({ landmarks }) => ({ landmarks, aspect }));
    this[what] = [...this[what], ...taken].slice(0, this.#goal);
    if (this[what].length >= this.#goal) this.stopRecording();
  }

  #react(event) {
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
