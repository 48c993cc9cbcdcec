// Bundles the libraries of the web pages into src/gifcue/web/static/vendor. Run by `make web-vendor`, which has installed
// them and generated the code of the wire into generated/ before.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { build } from 'esbuild';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const VENDOR = join(HERE, '../../src/gifcue/web/static/vendor');
// The packages of each module.
const PACKAGES = { wire: ['@bufbuild/protobuf'], preact: ['preact', 'htm'], uplot: ['uplot'] };

const read = (...path) => readFileSync(join(HERE, ...path), 'utf8');
const pinned = JSON.parse(read('package.json')).dependencies;
const nameOf = (name) => `${name} ${pinned[name]}`;

// Texts that stand in a source file alone: its first comment.
const IN_SOURCES = { '@bufbuild/protobuf': 'dist/esm/wire/varint.js' };

/** The lines of a file's first comment, without their marks. */
function firstComment(text) {
  const lines = text.split('\n');
  return lines.slice(0, lines.findIndex((line) => !line.startsWith('//'))).map((line) => line.replace(/^\/\/ ?/, '')).join('\n');
}

/** The licence texts of a package, in the order of their names. */
function licencesOf(name) {
  const folder = join('node_modules', name);
  const texts = readdirSync(join(HERE, folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file)).sort();
  const { license } = JSON.parse(read(folder, 'package.json'));
  const found = texts.map((file) => read(folder, file).trim());
  if (IN_SOURCES[name]) found.push(`Of ${IN_SOURCES[name]}:\n\n${firstComment(read(folder, IN_SOURCES[name]))}`);
  if (!texts.length) found.unshift('The package has no file with its licence. Its metadata names the licence above; the text of Apache-2.0 stands below at htm.');
  return `${nameOf(name)}: ${license.replace(/^\((.*)\)$/, '$1')}\n\n${found.join('\n\n')}\n`;
}

rmSync(VENDOR, { recursive: true, force: true });
mkdirSync(VENDOR, { recursive: true });
for (const [module, packages] of Object.entries(PACKAGES)) {
  const about = packages.map(nameOf).join(', ');
  await build({
    entryPoints: [join(HERE, 'entries', `${module}.js`)],
    outfile: join(VENDOR, `${module}.js`),
    bundle: true, minify: true, format: 'esm', target: 'es2022', legalComments: 'none', logLevel: 'warning',
    banner: { js: `// Written by \`make web-vendor\`. ${about}. Licences: LICENCES.txt` },
  });
}
copyFileSync(join(HERE, 'node_modules/uplot/dist/uPlot.min.css'), join(VENDOR, 'uplot.css'));
const all = Object.values(PACKAGES).flat().sort();
writeFileSync(join(VENDOR, 'LICENCES.txt'), all.map(licencesOf).join(`\n${'-'.repeat(80)}\n\n`));
