/**
 * Makes `npm start` and `npm test` work on a fresh clone: installs dependencies and builds, each only when what it
 * would make is missing or older than what it is made from. Plain JavaScript without dependencies, because it runs
 * before there are any. Says nothing when there is nothing to do.
 *
 *     node server/tools/prepare.mjs          install if needed
 *     node server/tools/prepare.mjs build    and build if needed
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const rooms = ['engine', 'storage', 'wal', 'server']
const installed = join(root, 'node_modules', '.package-lock.json')
const dist = join(root, 'dist')
const built = join(dist, '.built')

/** Modification time in milliseconds; 0 when there is no such file. */
function changedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/** The newest modification time below a folder. Folders count too: a removed file changes only its folder. */
function newestBelow(folder) {
  let newest = changedMs(folder)
  if (newest === 0) return 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    newest = Math.max(newest, entry.isDirectory() ? newestBelow(path) : changedMs(path))
  }
  return newest
}

function run(command, args) {
  const shell = process.platform === 'win32'
  return spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], shell }).status === 0
}

function fail(message) {
  console.error(`prepare: ${message}`)
  process.exit(1)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 15)) fail(`Node 20.15 or newer is needed, this is ${process.versions.node}`)
}

function install() {
  if (changedMs(installed) >= changedMs(join(root, 'package-lock.json')) && existsSync(installed)) return
  console.log('prepare: installing dependencies (npm ci)')
  if (!run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])) {
    fail('npm ci did not succeed, the messages above say why; nothing else is tried, because only package-lock.json says what to install')
  }
  writeStamp(installed)
}

function build() {
  const sources = Math.max(
    ...rooms.map((room) => newestBelow(join(root, room))),
    ...['package.json', 'package-lock.json'].map((file) => changedMs(join(root, file))),
  )
  if (changedMs(built) > sources) return
  rmSync(dist, { recursive: true, force: true })
  const started = new Date()
  if (!run(process.execPath, [join(root, 'server', 'tools', 'build.mjs'), join(dist, 'server')])) fail('the sources cannot be built')
  writeFileSync(built, '')
  // The time it started: what was edited meanwhile is newer and will be built next time.
  utimesSync(built, started, started)
  console.log(`prepare: built in ${((Date.now() - started.getTime()) / 1000).toFixed(1)} s`)
}

/** npm leaves the stamp's time alone when nothing changed; without a new one each start would install again. */
function writeStamp(path) {
  if (!existsSync(path)) fail('npm installed nothing')
  const now = new Date()
  utimesSync(path, now, now)
}

checkNode()
install()
if (process.argv[2] === 'build') build()
