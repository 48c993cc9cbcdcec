// What the next server has to know of one participant and its room: the state machine of docs/integrating.md.

/** After a lost connection, a server must go on with the reactions under way within this time. Otherwise they end. */
const CARRIED_MS = 10_000;

/** The cooldowns that are not over, as the wire has them. `until` has times of performance.now. */
const cooldowns = (until, name) => [...until]
  .map(([each, at]) => ({ [name]: each, remaining_ms: Math.ceil(at - performance.now()) })).filter((each) => each.remaining_ms > 0);

export class Carried {
  #running = new Map(); // by label
  #labels = new Map();
  #rules = new Map();
  #room = new Map();
  #patience = null; // runs while no server goes on with what is under way
  #show;

  /** `show` gets each reaction that starts or ends, once. */
  constructor(show) {
    this.#show = show;
  }

  /** Learns from an event, and shows it. The end of a reaction that is not under way is not shown: it ended before. */
  hear({ phase, label, reaction_id, gif, end_reason, ...event }, url) {
    const now = performance.now();
    const before = this.#running.get(label);
    if (phase === 'PHASE_STARTED') {
      if (before && before.reaction_id !== reaction_id) this.#end(before, 'stream_lost'); // its end was lost with a connection
      this.#running.set(label, { reaction_id, label, since: now });
      if (gif) this.#rules.set(gif.rule_id, now + event.gif_cooldown_ms);
      if (gif) this.#room.set(gif.rule_id, now + event.room_cooldown_ms);
    } else if (phase === 'PHASE_ENDED') {
      if (before?.reaction_id !== reaction_id) return;
      this.#running.delete(label);
      this.#labels.set(label, now + event.cooldown_ms);
    }
    this.#show({ type: phase, label, reaction_id, gif: url, end_reason });
  }

  /** The connection is gone. */
  lost() {
    this.#patience ??= setTimeout(() => this.drop('stream_lost'), CARRIED_MS);
  }

  /** A server has accepted the stream. One without `resume` goes on with nothing. */
  ready(resumes) {
    clearTimeout(this.#patience);
    this.#patience = null;
    if (!resumes) this.drop('stream_lost');
  }

  /**
   * Ends what goes on nowhere: what a refused join carried, or what is under way at the end. A server ends the first only within
   * limits. What it ends as well, `hear` keeps back.
   */
  drop(end_reason) {
    for (const each of this.#running.values()) this.#end(each, end_reason);
    this.#running.clear();
  }

  /** A `RoomState` and a `ParticipantState` of the wire. */
  roomState() {
    return { gif_cooldowns: cooldowns(this.#room, 'rule_id') };
  }

  participantState() {
    const now = performance.now();
    return {
      running: [...this.#running.values()].map(({ since, ...each }) => ({ ...each, age_ms: Math.round(now - since) })),
      cooldowns: cooldowns(this.#labels, 'label'), gif_cooldowns: cooldowns(this.#rules, 'rule_id'),
    };
  }

  #end({ label, reaction_id }, end_reason) {
    this.#show({ type: 'PHASE_ENDED', label, reaction_id, end_reason });
  }
}
