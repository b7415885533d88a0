/**
 * Makes the program of the sources: all modules that every start needs in one file, because to find, read and link some six hundred takes Node
 * two thirds of a second; what only some starts need (tools, a log in etcd) in files of its own. Types are not checked here: `npm run typecheck` does.
 *
 *     node server/tools/build.mjs FOLDER [MODULE …]
 *
 * The program is FOLDER/moraine.cjs then. A MODULE is one of the sources, by its path from the root without its ending, that is to be a module of
 * the folder, too: who loads it there gets what the program itself uses.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const [folder, ...modules] = process.argv.slice(2)
if (folder === undefined) throw new Error('which folder is the program to be written to?')

/** Dependencies stay where they are: some are not JavaScript alone. */
const external = (id) => !id.startsWith('.') && !id.startsWith('/')
const common = { platform: 'node', external, logLevel: 'warn' }
/** What loads the program is apart from it. */
const programApart = { name: 'program-apart', resolveId: (id) => (id === './main.ts' ? { id: './main.js', external: true } : undefined) }

await build({
  ...common,
  input: { main: join(root, 'server', 'main.ts'), ...Object.fromEntries(modules.map((module) => [module, join(root, `${module}.ts`)])) },
  output: { dir: folder, format: 'esm', sourcemap: true, entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' },
})
await build({
  ...common,
  input: join(root, 'server', 'moraine.cts'),
  plugins: [programApart],
  output: { file: join(folder, 'moraine.cjs'), format: 'cjs' },
})
