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

/** The licence texts of a package, in the order of their names. */
function licencesOf(name) {
  const folder = join('node_modules', name);
  const texts = readdirSync(join(HERE, folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file)).sort();
  const { license } = JSON.parse(read(folder, 'package.json'));
  const body = texts.map((file) => read(folder, file).trim()).join('\n\n');
  return `${nameOf(name)}: ${license.replace(/^\((.*)\)$/, '$1')}\n\n${body || `The package has no text of its own. Its metadata names this licence.`}\n`;
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
