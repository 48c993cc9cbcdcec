import { html, render } from '../../vendor/preact.js';
import { PageFrame } from '../frame.js';

render(html`<${PageFrame} current="/live"><h1>Try it live</h1><//>`, document.getElementById('page'));
