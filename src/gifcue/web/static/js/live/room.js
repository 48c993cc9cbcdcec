/**
 * The page's room: one stream with its participants. It knows nothing of how it is shown.
 * @module
 */
import { ReactionStream } from '../stream.js';
import { Phase, wire } from '../wire.js';
import { Participant } from './participant.js';
import { CameraSource, FileSource } from './sources.js';
import { labelText } from './texts.js';

const STATISTICS_MS = 1000;
// Milliseconds for which a fault is shown.
const FAULT_MS = 8000;
const CAMERA_ID = 'camera';

export class Room {
  /**
   * @param {object} options
   * @param {string} options.url address of the stream
   * @param {string} options.roomId
   * @param {string} [options.token]
   * @param {() => void} options.onChange something that is shown has changed
   * @param {(text: string) => void} options.onAnnounce something that a screen reader should say
   */
  constructor({ url, roomId, token, onChange, onAnnounce }) {
    this.#onChange = onChange;
    this.#onAnnounce = onAnnounce;
    const of = (id, act) => {
      const participant = this.#find(id);
      if (participant) act(participant);
    };
    this.stream = new ReactionStream({
      wire, url, token,
      config: {
        roomId, clientName: 'gifcue-live-page/1', sendHolding: true, sendDecisions: true, sendDetections: true, explain: true,
      },
      on: {
        state: (state) => this.#setState(state),
        ready: (ready) => { this.ready = ready; },
        reaction: (event) => of(event.participantId, (participant) => {
          participant.react(event);
          if (event.phase === Phase.STARTED) this.#announce(participant, event);
        }),
        decision: (decision) => of(decision.participantId, (participant) => participant.decide(decision)),
        keyframe: (id) => of(id, (participant) => participant.askKeyframe()),
        slowDown: ({ participantId, maxFps }) => {
          for (const participant of this.participants) {
            if (!participantId || participant.id === participantId) participant.slowDown(maxFps);
          }
        },
        fault: (fault) => of(fault.participantId, (participant) => this.#setFault(participant, fault)),
        statistics: ({ participants }) => {
          for (const each of participants) of(each.participantId, (participant) => participant.setBooks(each));
          onChange();
        },
      },
    });
    this.#timer = setInterval(() => this.stream.askStatistics(), STATISTICS_MS);
  }

  /** @type {Participant[]} */
  participants = [];
  /** The server's last `StreamReady`, also while the connection is lost. */
  ready = null;
  /** @type {import('../stream.js').State} */
  state = { name: 'connecting' };

  #onChange;
  #onAnnounce;
  #timer;
  #files = 0;
  #isClosed = false;

  /** The labels that can be agreed to. */
  get labels() {
    return this.ready?.reactionLabels ?? [];
  }

  /** The camera's participant, undefined while it is off. */
  get camera() {
    return this.#find(CAMERA_ID);
  }

  /**
   * @param {string} [deviceId]
   * @throws {import('./sources.js').SourceError}
   */
  async startCamera(deviceId) {
    const source = new CameraSource(document.createElement('video'));
    const before = this.camera;
    await source.open(deviceId);
    // Stopped, or another token was given, while the browser asked for the permission.
    if (this.#isClosed || this.camera !== before) {
      source.stop();
      return;
    }
    const allowed = before?.allowed;
    this.remove(CAMERA_ID);
    const participant = this.#add(CAMERA_ID, 'You', source);
    participant.source.onEnd = () => this.remove(CAMERA_ID); // it was unplugged, or forbidden
    for (const label of allowed ?? []) participant.consent(label, true); // another camera of the same person
  }

  /**
   * @param {File} file
   * @param {boolean} repeats
   * @throws {import('./sources.js').SourceError}
   */
  async addFile(file, repeats) {
    const source = new FileSource(document.createElement('video'));
    try {
      await source.open(file, repeats);
    } catch (error) {
      source.stop();
      throw error;
    }
    if (this.#isClosed) {
      source.stop();
      return;
    }
    const number = ++this.#files;
    // The server gets a number: the name of a file is nobody else's business.
    this.#add(`video-${number}`, file.name.replace(/\.[^.]*$/, '') || `Video ${number}`, source);
  }

  /** @param {string} id */
  remove(id) {
    const participant = this.#find(id);
    if (!participant) return;
    participant.stop();
    this.participants = this.participants.filter((each) => each !== participant);
    this.#onChange();
  }

  /** Ends the stream and every source. */
  close() {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const { id } of this.participants) this.remove(id);
    this.stream.close();
  }

  #find(id) {
    return this.participants.find((participant) => participant.id === id);
  }

  #add(id, name, source) {
    const participant = new Participant({ id, name, source, stream: this.stream, onChange: this.#onChange });
    this.participants = [...this.participants, participant];
    participant.start();
    this.#onChange();
    return participant;
  }

  #setState(state) {
    this.state = state;
    if (state.name === 'waiting' || state.name === 'ended') {
      for (const participant of this.participants) participant.interrupt();
    }
    this.#onChange();
  }

  #setFault(participant, fault) {
    participant.fault = fault;
    setTimeout(() => {
      if (participant.fault !== fault) return;
      participant.fault = null;
      this.#onChange();
    }, FAULT_MS);
    this.#onChange();
  }

  #announce(participant, { label, gif }) {
    const who = this.participants.length > 1 ? `${participant.name}: ` : '';
    this.#onAnnounce(`${who}${labelText(label)}. ${gif ? `GIF: ${gif.title}` : 'No GIF.'}`);
  }
}
