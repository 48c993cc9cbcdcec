/**
 * Where pictures come from: a camera, or a video file that stands for one. Both play in a video element, and every
 * picture that the element shows is handed on once.
 * @module
 */

// What is asked of a camera. The server analyses pictures of about this size.
const CAMERA = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 30, max: 30 } };
// Microseconds between the last picture of a file and its first when it plays again.
const REPEAT_US = 40_000;

/** A source that cannot be opened; the message tells the user what to do. */
export class SourceError extends Error {}

/**
 * A picture that the video element shows.
 * @typedef {object} Picture
 * @property {number} timestampUs media time in microseconds; it rises from picture to picture
 * @property {number} capturedMs when the camera took it, or the file showed it, on the clock of `performance.now`
 */

export class Source {
  /** @param {HTMLVideoElement} video it belongs to the source until `stop` */
  constructor(video) {
    this.video = video;
    video.muted = true;
    video.playsInline = true;
    /** @type {(picture: Picture) => void} */
    this.onPicture = () => {};
    /** @type {() => void} */
    this.onEnd = () => {};
  }

  #request = null;
  #last = -1;

  /** Calls `onPicture` for each picture from now on. */
  start() {
    const next = (nowMs, metadata) => {
      this.#request = this.video.requestVideoFrameCallback(next);
      const at = Math.max(this.#last + 1, Math.round(this.timeOf(nowMs, metadata)));
      this.#last = at;
      this.onPicture({ timestampUs: at, capturedMs: metadata.captureTime ?? nowMs });
    };
    this.#request = this.video.requestVideoFrameCallback(next);
  }

  /** Microseconds of a picture. */
  timeOf(nowMs, metadata) {
    return 1000 * (metadata.captureTime ?? nowMs);
  }

  stop() {
    if (this.#request !== null) this.video.cancelVideoFrameCallback(this.#request);
    this.#request = null;
    this.video.pause();
  }
}

export class CameraSource extends Source {
  isMirrored = true;
  #media = null;

  /**
   * Opens a camera and plays it.
   * @param {string} [deviceId] "" for the one that the browser prefers
   * @throws {SourceError}
   */
  async open(deviceId = '') {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new SourceError(
        'Browsers give a camera only to pages on this machine or over HTTPS. Open this page at http://localhost, or ask for an https address of the server.');
    }
    try {
      const video = deviceId ? { ...CAMERA, deviceId: { exact: deviceId } } : { ...CAMERA, facingMode: 'user' };
      this.#media = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    } catch (error) {
      throw new SourceError(problemOf(error));
    }
    for (const track of this.#media.getVideoTracks()) track.onended = () => this.onEnd();
    this.video.srcObject = this.#media;
    try {
      await this.video.play();
    } catch (error) {
      this.stop(); // else the camera's light stays on
      throw new SourceError(problemOf(error));
    }
  }

  /** The id of the camera in use. */
  get deviceId() {
    return this.#media?.getVideoTracks()[0]?.getSettings().deviceId ?? '';
  }

  stop() {
    super.stop();
    for (const track of this.#media?.getTracks() ?? []) {
      track.onended = null;
      track.stop(); // the camera's light goes out
    }
    this.#media = null;
    this.video.srcObject = null;
  }
}

export class FileSource extends Source {
  isMirrored = false;
  #url = null;
  #offsetUs = 0;
  #lastUs = 0;

  /**
   * Opens a video file and plays it.
   * @param {File} file
   * @param {boolean} repeats whether it begins again at its end
   * @throws {SourceError}
   */
  async open(file, repeats) {
    this.#url = URL.createObjectURL(file);
    this.video.loop = repeats;
    this.video.onended = () => this.onEnd();
    this.video.src = this.#url;
    try {
      await this.video.play();
    } catch {
      throw new SourceError(`This browser cannot play ${file.name}. Choose a video in MP4 or WebM.`);
    }
  }

  /** Plays it from its beginning. */
  async replay() {
    this.video.currentTime = 0;
    await this.video.play();
  }

  timeOf(_, { mediaTime }) {
    let at = 1e6 * mediaTime + this.#offsetUs;
    if (at < this.#lastUs) { // it began again
      this.#offsetUs += this.#lastUs - at + REPEAT_US;
      at = this.#lastUs + REPEAT_US;
    }
    this.#lastUs = at;
    return at;
  }

  stop() {
    super.stop();
    this.video.onended = null;
    this.video.removeAttribute('src');
    this.video.load();
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = null;
  }
}

/** The cameras of this machine. Their names are known once a camera was allowed. */
export async function cameras() {
  const devices = await navigator.mediaDevices?.enumerateDevices?.() ?? [];
  return devices.filter(({ kind, deviceId }) => kind === 'videoinput' && deviceId);
}

function problemOf({ name, message }) {
  switch (name) {
    case 'NotAllowedError':
      return 'The browser did not let this page use the camera. Allow it in the browser’s address bar or settings, then press “Start the camera” again.';
    case 'NotFoundError': case 'OverconstrainedError':
      return 'No camera was found. Connect one and press “Start the camera” again, or add a video file.';
    case 'NotReadableError': case 'AbortError':
      return 'Another program uses the camera. Close it and press “Start the camera” again.';
    default:
      return `The camera could not be started (${message}). Try again, or add a video file.`;
  }
}
