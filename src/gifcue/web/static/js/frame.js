/**
 * The frame around each page: the bar with its links, the content and the foot.
 * @module
 */
import { html } from '../vendor/preact.js';

const PAGES = [
  { href: '/live', text: 'Live' },
  { href: '/teach', text: 'Teach' },
  { href: '/tap', text: 'Tap' },
];

/**
 * Moves the keyboard's focus once the page is painted anew: a control that was used may be gone by then, and the focus
 * would fall back to the beginning of the page.
 * @param {string} selector
 */
export function focusOn(selector) {
  // The page paints what has changed in the next frame.
  requestAnimationFrame(() => requestAnimationFrame(() => document.querySelector(selector)?.focus({ preventScroll: true })));
}

/**
 * @param {object} props
 * @param {string} props.current path of the page that is shown
 * @param {typeof PAGES} [props.pages] links of the bar; those of the main port by default
 * @param {unknown} [props.status] what stands at the right of the bar
 */
export function PageFrame({ current, pages = PAGES, status, children }) {
  return html`
    <header class="bar">
      <a class="name" href=${pages[0].href}>gifcue</a>
      <nav aria-label="Pages">
        ${pages.map(({ href, text }) => html`<a href=${href} aria-current=${href === current ? 'page' : undefined}>${text}</a>`)}
      </nav>
      ${status}
    </header>
    <main id="main" tabindex="-1">${children}</main>
  `;
}
