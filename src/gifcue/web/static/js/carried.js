/**
 * What a stream carries from one connection to the next: reactions under way, and cooldowns. STARTED and ENDED alternate for
 * the page, whatever becomes of the servers. `gifcue/client/carried.py` does the same for Python.
 * @module
 */
// Numbers of `gifcue.v1.Phase`, as every codec of the wire gives them.
const Phase = Object.freeze({ HOLDING: 1, STARTED: 2, ENDED: 3, CANCELLED: 4 });
// Entries of each kind, as many as a server takes.
const MAX_ENTRIES = 256;
// Reactions of participants that have left, and holds, of which the end is awaited.
const MAX_OPEN = 4096;
// Reactions of one participant that can still be dismissed, as servers remember.
const MAX_ENDED = 32;
// Bytes of a name, as many as a server takes. A join with a longer one is refused whole.
const MAX_REACTION_ID_BYTES = 64;
const MAX_RULE_ID_BYTES = 512;

const LOST = 'stream_lost';
// As a server ends the reactions of a label that is not allowed.
const NOT_ALLOWED = 'not_allowed';

// As a server ends what a refused join carries.
const REFUSED = 'refused';

/** The end of a reaction that no server ends. */
const endOf = (started, endReason) => ({
  ...started, phase: Phase.ENDED, endReason, progress: 1, gif: undefined, gifReason: '', roomCooldownMs: 0, gifCooldownMs: 0,
});

/** The cancellation of a hold that no server goes on with. */
const cancelOf = (hold) => ({ ...hold, phase: Phase.CANCELLED, endReason: LOST });

const encoder = new TextEncoder();
const fits = (name, maxBytes) => Boolean(name) && encoder.encode(name).byteLength <= maxBytes;

/** Whether a join may name the reaction. */
const canBeCarried = ({ label, reactionId }) => Boolean(label) && fits(reactionId, MAX_REACTION_ID_BYTES);

/** Notes an entry. Returns what is forgotten for it, which is what was noted longest ago. */
function put(entries, key, value, most = MAX_ENTRIES) {
  entries.delete(key);
  entries.set(key, value);
  const forgotten = [];
  while (entries.size > most) {
    const [oldest, its] = entries.entries().next().value;
    entries.delete(oldest);
    forgotten.push(its);
  }
  return forgotten;
}

/** The milliseconds that are left, by name. Forgets what is over. */
function left(untilMs, name) {
  const now = performance.now();
  for (const [key, until] of untilMs) if (until <= now) untilMs.delete(key);
  return [...untilMs].map(([key, until]) => ({ [name]: key, remainingMs: Math.ceil(until - now) }));
}

/** Notes a cooldown. A name that no server takes is left out. */
function note(untilMs, key, cooldownMs) {
  if (cooldownMs > 0 && fits(key, MAX_RULE_ID_BYTES)) put(untilMs, key, performance.now() + cooldownMs);
}

/** The state of one stream. Methods that return events return those that the page gets. */
export class Carried {
  #participants = new Map();
  #room = new Map();
  #leaving = new Map(); // reactions of participants that have left, by id: their server is to end them
  #holds = new Map(); // by id: none goes on elsewhere

  /** What the room keeps on the next server: a `RoomState`. */
  room() {
    return { gifCooldowns: left(this.#room, 'ruleId') };
  }

  /** What a participant keeps: a `ParticipantState`. */
  participant(participantId) {
    const known = this.#participants.get(participantId);
    if (!known) return {};
    const now = performance.now();
    return {
      running: [...known.running].filter(([, { started }]) => canBeCarried(started)).map(([label, { started, sinceMs }]) => ({
        reactionId: started.reactionId, label, ageMs: Math.round(now - sinceMs),
      })),
      cooldowns: left(known.cooldowns, 'label'),
      gifCooldowns: left(known.gifCooldowns, 'ruleId'),
    };
  }

  /** A participant joins, for the first time or again. */
  joined(participantId) {
    if (!this.#participants.has(participantId)) {
      this.#participants.set(participantId, { running: new Map(), cooldowns: new Map(), gifCooldowns: new Map(), ended: new Map() });
    }
  }

  /** A participant leaves. `isAttached`: a server knows of it, and ends its reactions. */
  left(participantId, isAttached) {
    const known = this.#participants.get(participantId);
    this.#participants.delete(participantId);
    const running = [...(known?.running.values() ?? [])].map(({ started }) => started);
    if (!isAttached) return running.map((started) => endOf(started, 'left'));
    return running.flatMap((started) => this.#leave(started));
  }

  /** The server was told that a reaction was not meant. One that ended on this server begins its cooldown anew. */
  dismissed(participantId, reactionId) {
    const known = this.#participants.get(participantId);
    const ended = known?.ended.get(reactionId);
    if (!ended) return;
    known.ended.delete(reactionId);
    if (!known.running.has(ended.label)) note(known.cooldowns, ended.label, ended.cooldownMs);
  }

  /** Its join was refused: its reactions go on nowhere. */
  refused(participantId) {
    return this.withdrawn(participantId, [], REFUSED);
  }

  /** Only these labels are allowed from here on, and no server is there to end the reactions of others. */
  withdrawn(participantId, allowed, endReason = NOT_ALLOWED) {
    const known = this.#participants.get(participantId);
    const gone = [...(known?.running ?? [])].filter(([label]) => !allowed.includes(label));
    for (const [label] of gone) known.running.delete(label);
    return gone.map(([, { started }]) => endOf(started, endReason));
  }

  /** A server sent an event. */
  heard(event) {
    switch (event.phase) {
      case Phase.HOLDING:
        return [...put(this.#holds, event.reactionId, event, MAX_OPEN).map(cancelOf), event];
      case Phase.STARTED:
        return this.#started(event);
      case Phase.ENDED:
        return this.#ended(event);
      case Phase.CANCELLED: // of a hold that was forgotten, the page has it
        return this.#holds.delete(event.reactionId) ? [event] : [];
      default: // a phase of a newer server
        return [event];
    }
  }

  /**
   * The connection is gone: holds begin anew elsewhere, and nobody else ends the reactions of those that have left, or that
   * no join may name.
   */
  lost() {
    const ended = [...this.#holds.values()].map(cancelOf);
    ended.push(...[...this.#leaving.values()].map((started) => endOf(started, LOST)));
    this.#holds.clear();
    this.#leaving.clear();
    for (const known of this.#participants.values()) {
      known.ended.clear(); // the next server takes no dismissal of them
      for (const [label, { started }] of known.running) {
        if (canBeCarried(started)) continue;
        known.running.delete(label);
        ended.push(endOf(started, LOST));
      }
    }
    return ended;
  }

  /** No server goes on with what is under way. */
  giveUp() {
    const ended = this.lost();
    for (const { running } of this.#participants.values()) {
      ended.push(...[...running.values()].map(({ started }) => endOf(started, LOST)));
      running.clear();
    }
    return ended;
  }

  #started(event) {
    this.#holds.delete(event.reactionId);
    const known = this.#participants.get(event.participantId);
    if (event.gif) {
      note(this.#room, event.gif.ruleId, event.roomCooldownMs);
      if (known) note(known.gifCooldowns, event.gif.ruleId, event.gifCooldownMs);
    }
    if (!known) return [...this.#leave(event), event];
    const before = known.running.get(event.label);
    const forgotten = put(known.running, event.label, { started: event, sinceMs: performance.now() });
    if (before) forgotten.push(before);
    return [...forgotten.map(({ started }) => endOf(started, LOST)), event];
  }

  /** The participant has left: its server is to end the reaction. */
  #leave(started) {
    return put(this.#leaving, started.reactionId, started, MAX_OPEN).map((each) => endOf(each, LOST));
  }

  #ended(event) {
    if (this.#leaving.delete(event.reactionId)) return [event];
    const known = this.#participants.get(event.participantId);
    // It has ended for the page, which may never have seen it start.
    if (known?.running.get(event.label)?.started.reactionId !== event.reactionId) return [];
    known.running.delete(event.label);
    note(known.cooldowns, event.label, event.cooldownMs);
    // A server takes one dismissal of each.
    if (event.endReason !== 'dismissed') put(known.ended, event.reactionId, event, MAX_ENDED);
    return [event];
  }
}
