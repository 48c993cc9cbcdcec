/**
 * The steps of a lesson.
 * @module
 */
import { html, useId } from '../../vendor/preact.js';
import { GifPicture } from '../live/gif.js';
import { conditionText, labelText } from '../live/texts.js';
import { HoldButton } from './hold.js';
import { TARGET } from './lesson.js';

/** @typedef {{lesson: import('./lesson.js').Lesson}} Props */

function Step({ number, title, isDone, isNext, children }) {
  const id = useId();
  return html`
    <li class=${`card step ${isDone ? 'done' : ''} ${isNext ? 'next' : ''}`} aria-labelledby=${id} aria-current=${isNext ? 'step' : undefined}>
      <h2 id=${id}>
        <span class="number" aria-hidden="true">${isDone ? '✓' : number}</span>
        <span class="unseen">Step ${number}${isDone ? ', done' : ''}: </span>${title}
      </h2>
      <div class="stack tight">${children}</div>
    </li>
  `;
}

/** @param {Props} props */
export function Steps({ lesson }) {
  const { samples, others, trained, kept, alarms } = lesson;
  const isNamed = Boolean(lesson.label && !lesson.nameProblem);
  const isShown = isNamed && Boolean(lesson.participant);
  const isRecorded = samples.length >= TARGET;
  const done = [isShown, isRecorded, others.length > 0 || Boolean(trained), Boolean(trained), alarms.some(({ isFalse }) => !isFalse), Boolean(kept)];
  const next = done.indexOf(false);
  const state = (place) => ({ number: place + 1, isDone: done[place], isNext: place === next });
  return html`
    <ol class="stack lesson">
      <${Step} ...${state(0)} title="Name the gesture"><${Name} lesson=${lesson} /><//>
      <${Step} ...${state(1)} title="Show the gesture"><${Samples} lesson=${lesson} /><//>
      <${Step} ...${state(2)} title="Show anything else"><${Others} lesson=${lesson} /><//>
      <${Step} ...${state(3)} title="Train"><${Train} lesson=${lesson} /><//>
      <${Step} ...${state(4)} title="Try it"><${Try} lesson=${lesson} /><//>
      <${Step} ...${state(5)} title="Keep it"><${Keep} lesson=${lesson} /><//>
    </ol>
  `;
}

function Name({ lesson }) {
  const id = useId();
  const { name, label, nameProblem, kept } = lesson;
  const replaces = lesson.replaces && !kept;
  return html`
    <label for=${id}>Name</label>
    <input id=${id} type="text" autocomplete="off" maxlength="60" placeholder="Peace sign" value=${name}
      aria-describedby=${`${id}-hint`} aria-invalid=${Boolean(nameProblem)} disabled=${Boolean(lesson.recording) || lesson.isTraining}
      onInput=${({ target }) => lesson.setName(target.value)} onChange=${() => lesson.useName()} />
    <p class=${nameProblem ? 'small wrong' : 'hint'} id=${`${id}-hint`}>
      ${nameProblem || (label
        ? html`Its label is <code>${label}</code>.${replaces ? ' A gesture of this name is in service: keeping this one replaces it.' : ''}`
        : 'A sign of one hand that holds still, such as a peace sign. Motion and two hands cannot be taught.')}
    </p>
  `;
}

function Recorder({ lesson, what, text }) {
  const id = useId();
  const count = lesson[what].length;
  const isOn = lesson.recording === what;
  const goal = Math.max(TARGET, count);
  return html`
    <div class="row">
      <${HoldButton} isOn=${isOn} disabled=${!lesson.canRecord || (Boolean(lesson.recording) && !isOn) || lesson.isTraining}
        describedBy=${`${id}-how`} onStart=${() => lesson.startRecording(what)} onStop=${() => lesson.stopRecording()}>
        ${isOn ? 'Recording…' : text}
      <//>
      ${count > 0 && !isOn && html`
        <button class="quiet little" onClick=${() => lesson.discard(what)}>Discard<span class="unseen"> these samples</span></button>`}
    </div>
    <div class="row count">
      <progress max=${goal} value=${count} aria-label=${what === 'samples' ? 'Samples of the gesture' : 'Samples of anything else'}></progress>
      <span class="small number">${count} of ${TARGET}</span>
    </div>
    <p class="hint" id=${`${id}-how`}>
      ${lesson.missesHand && isOn ? 'No hand is seen. Hold it into the picture.' : 'Hold the button or the space bar. A short press records until the next one.'}
    </p>
  `;
}

function Samples({ lesson }) {
  return html`
    <p class="small">Turn and move your hand a little while you record. Use both hands if you will. Samples of several people are better still.</p>
    <${Recorder} lesson=${lesson} what="samples" text="Hold to record" />
  `;
}

function Others({ lesson }) {
  return html`
    <p class="small">A fist, an open palm, fingers that point, a hand at the chin: what must not be taken for the gesture. You can leave this out; thousands of other people’s hands come with gifcue.</p>
    <${Recorder} lesson=${lesson} what="others" text="Hold to record anything else" />
  `;
}

function Train({ lesson }) {
  const { isTraining, trained, samples, catalog } = lesson;
  const least = catalog?.limits.min_samples ?? 10;
  return html`
    <div class="row">
      <button class=${trained ? '' : 'primary'} disabled=${!lesson.canTrain} onClick=${() => lesson.train()}>
        ${isTraining ? 'Training…' : trained ? 'Train again' : 'Train'}
      </button>
      <p class="hint">
        ${isTraining ? 'This takes a few seconds.' : samples.length < least ? `It takes at least ${least} samples of the gesture.` : !trained && 'This takes a few seconds.'}
      </p>
    </div>
    ${trained && html`<${Report} report=${trained.report} />`}
  `;
}

function Report({ report }) {
  const { samples, samples_found: found, others, others_taken: taken, negatives, negatives_taken: wrong } = report;
  const number = (value) => value.toLocaleString('en');
  return html`
    <dl class="report">
      <div><dt>Your samples that it finds</dt><dd>${found} of ${samples}</dd></div>
      ${others > 0 && html`<div><dt>Your other hands taken for it</dt><dd>${taken} of ${others}</dd></div>`}
      <div><dt>Other people’s hands taken for it</dt><dd>${number(wrong)} of ${number(negatives)}</dd></div>
    </dl>
    <p class="hint">Each hand was judged by a training without it.${found < 0.7 * samples ? ' Few are found: record more samples of the same gesture, with the whole hand in the picture.' : ''}</p>
  `;
}

function Try({ lesson }) {
  const { trained, alarms, falseAlarms, participant, isTraining } = lesson;
  if (!trained) return html`<p class="hint">Only this page sees the gesture until you keep it.</p>`;
  const unmet = participant?.unmet.find(({ label }) => label === lesson.label);
  const isOn = alarms.some(({ isOver }) => !isOver);
  return html`
    <p class="small">Hold the gesture for a moment. Then do anything else. Where it reacts and should not, say so: those hands become samples, and it is trained again.</p>
    <p class="now small" aria-live="off">
      ${isTraining ? 'It learns from this…' : isOn ? 'Recognised.' : unmet ? conditionText(unmet) : 'Waiting for the gesture.'}
    </p>
    <div class="row tally">
      <p><strong class="number">${lesson.reactionCount}</strong> recognised</p>
      <p><strong class="number">${falseAlarms}</strong> false alarms</p>
    </div>
    ${alarms.length > 0 && html`
      <ul class="alarms">
        ${alarms.map((alarm, place) => html`
          <li key=${alarm.id} class=${alarm.isFalse ? 'dismissed' : ''}>
            <span>${labelText(lesson.label)}${alarm.isOver ? '' : ' (held)'}</span>
            ${alarm.isFalse
              ? html`<span class="hint">False alarm, learned</span>`
              : html`<button class="little danger" disabled=${isTraining} onClick=${() => lesson.markFalse(alarm)}>
                  False alarm<span class="unseen">: reaction ${place + 1} of ${alarms.length}</span>
                </button>`}
          </li>`)}
      </ul>`}
  `;
}

function Keep({ lesson }) {
  const { trained, kept, catalog, gif } = lesson;
  if (!trained) return html`<p class="hint">Then every new stream of this server can react to it.</p>`;
  const choose = (name) => lesson.chooseGif(name);
  return html`
    <fieldset class="stack tight">
      <legend class="small">Which GIF answers it?</legend>
      <p class="hint">A rule of the rule book for <code>${lesson.label}</code> comes first, if there is one.</p>
      <div class="gifs">
        <label class="gif-choice none">
          <input type="radio" name="gif" checked=${gif === null} onChange=${() => choose(null)} /><span>None</span>
        </label>
        ${(catalog?.gifs ?? []).map((each) => html`
          <label class="gif-choice" key=${each.id} title=${each.title}>
            <input type="radio" name="gif" checked=${gif === each.id} onChange=${() => choose(each.id)} />
            <${GifPicture} gif=${each} />
          </label>`)}
      </div>
    </fieldset>
    <div class="row">
      <button class="primary" disabled=${lesson.isTraining || Boolean(kept)} onClick=${() => lesson.keep()}>
        ${lesson.replaces && !kept ? 'Keep it, and replace the old one' : 'Keep it'}
      </button>
      ${kept && html`<button onClick=${() => lesson.startOver()}>Teach another one</button>`}
    </div>
    ${kept && html`<${Kept} kept=${kept} catalog=${catalog} />`}
  `;
}

function Kept({ kept, catalog }) {
  return html`
    <div class=${`notice ${kept.stored ? 'good' : 'warn'}`}>
      <p><strong>${labelText(kept.label)} is served now.</strong> New streams can allow <code>${kept.label}</code>; streams that are open learn of it when they open again.</p>
      ${!kept.stored && html`
        <p class="small">It ends with the server: ${catalog?.folder.configured ? 'the folder of gestures cannot be written to.' : html`no folder is configured (<code>detect.gestures_dir</code>).`}</p>`}
    </div>
  `;
}
